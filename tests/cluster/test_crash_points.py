"""The program dies by SIGKILL at every named place, is edited and run again at once: nothing is lost, all nodes agree."""

import itertools
from types import MappingProxyType

import pytest

from syncd.repository.crash import CRASH_POINTS
from tests.cluster.nodes import PRODUCTS, make_node
from tests.cluster.program import Crew, killed
from tests.cluster.register import SCHEMA

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.mysql]

RUN_POINTS = (
    "after settle",
    "before seal",
    "after seal",
    "staged",
    "before edits are applied",
    "edits are placed",
    "after edits are applied",
    "before versions are applied",
    "versions are placed",
    "after versions are applied",
    "before the peer is told",
)
"""Places that a run comes to."""
PASSED = [(point, time) for point in RUN_POINTS for time in (1, 2) if (point, time) != (RUN_POINTS[-1], 2)]
"""The first and the second time; all peers are told at once, so only a first contact comes there twice."""
ELSEWHERE = MappingProxyType(
    dict.fromkeys(("file is written", "file is in place"), "the tests of delta files")
)
"""Places that no run comes to, and where they are tested."""


@pytest.fixture(scope="module")
def crew_of(tmp_path_factory, request):
    """Gives the cluster of a product, which goes through all deaths."""
    made = {}

    def server(product):
        return request.getfixturevalue("postgres" if product == "postgresql" else "mariadb")

    def give(product):
        if product not in made:
            folder = tmp_path_factory.mktemp(product)
            nodes = {name: make_node(product, SCHEMA, folder, name, server) for name in ("P", "a", "b")}
            made[product] = Crew(folder, nodes)
            made[product].edit()
            made[product].healed()
        return made[product]

    yield give
    for crew in made.values():
        crew.close()


def test_every_crash_point_has_a_case():
    assert sorted((*RUN_POINTS, *ELSEWHERE)) == sorted(CRASH_POINTS)


@pytest.mark.parametrize(("point", "time"), PASSED)
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_run_that_dies_there_costs_nothing_and_the_next_one_goes_on_at_once(crew_of, product, point, time):
    crew = crew_of(product)
    crew.edit()

    dead = crew.sync(SYNCD_CRASH=f"{point}:{time}")
    assert killed(dead), f"'{point}' was not reached: {dead.stdout}{dead.stderr}"
    crew.edit()

    crew.healed()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_first_contact_that_dies_again_and_again_is_made_good(tmp_path, request, product):
    def server(wanted):
        return request.getfixturevalue("postgres" if wanted == "postgresql" else "mariadb")

    nodes = {name: make_node(product, SCHEMA, tmp_path, name, server) for name in ("P", "a", "b")}
    crew = Crew(tmp_path, nodes)
    try:
        crew.edit()
        deaths = []
        for point, time in itertools.product(reversed(RUN_POINTS), (1, 2)):
            deaths.append(killed(crew.sync(SYNCD_CRASH=f"{point}:{time}")))
            crew.edit(edits=3)

        crew.healed()
        assert deaths[:2] == [True, True]
    finally:
        crew.close()
