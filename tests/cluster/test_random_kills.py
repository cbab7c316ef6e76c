"""A daemon that watches a cluster is killed again and again while users write at every node: no edit is lost."""

import os
import random
import time

import pytest

from tests.cluster.nodes import make_node
from tests.cluster.program import Crew
from tests.cluster.register import SCHEMA, Writers

pytestmark = [pytest.mark.soak, pytest.mark.postgresql, pytest.mark.timeout(1800)]

SECONDS = 40 * float(os.environ.get("SOAK_SCALE", "1"))
NODES = ("P", "a", "b")
LEAST_EDITS = 500


@pytest.mark.parametrize("product", ["sqlite", "postgresql"])
def test_a_watching_daemon_that_is_killed_at_random_under_writers_loses_no_edit(
    tmp_path, request, product, record_property
):
    server = None if product == "sqlite" else request.getfixturevalue("postgres")
    nodes = {name: make_node(product, SCHEMA, tmp_path, name, lambda _: server) for name in NODES}
    crew = Crew(tmp_path, nodes, options="    watch: true\n")
    chance = random.Random(3)
    try:
        crew.edit()
        crew.healed()
        writers = Writers(crew.register, nodes.values())
        kills, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            daemon = crew.site.daemon()
            time.sleep(0.1 + chance.random() * 0.4)
            daemon.kill()
            kills += 1
        writers.stop()

        began = time.monotonic()
        crew.healed()
        healed_seconds = time.monotonic() - began
    finally:
        crew.close()

    edits = len(crew.register.committed)
    record_property("edits", edits)
    print(f"{product}: {edits} edits, {kills} kills, 0 lost, healed in {healed_seconds:.1f} s")  # noqa: T201
    assert kills >= SECONDS / 10
    assert edits >= LEAST_EDITS
