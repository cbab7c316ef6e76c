"""The plan that compares what another plan moves."""

import pytest

from syncd.engine.compile import compile_job
from syncd.model.definitions import Replication
from syncd.worker.plans import comparing


@pytest.mark.parametrize(
    ("check", "names"),
    [
        ("CHECKCACHE [t]", ["CHECKCACHE t"]),
        ("CHECKCACHE [t] SKIP MODIFIED", ["CHECKCACHE t", "t"]),
        ("CHECKCACHE [t] AGAINST (SELECT id FROM t)", ["CHECKCACHE t", "t"]),
    ],
)
def test_a_comparison_of_a_part_does_not_stand_for_the_whole(check: str, names: list[str]) -> None:
    plan = compile_job(Replication("j", "a", "b", ("REPLICATE [t]", check)), "sqlite")

    assert [step.name for step in comparing(plan, repair=False).steps] == names
