"""The table that closes a run of a cluster."""

import pytest

from syncd.cli.clustertable import cluster_table, decided_sentence


def step(name, status="ok", conflicts=0, waiting=0, failure=None, warnings=(), **counted):
    counters = dict.fromkeys(("read", "inserted", "updated", "unchanged", "rejected", "deleted"), 0) | counted
    return {
        "step": name,
        "child": name.rpartition(" ")[0] if name.endswith((" up", " down")) else "",
        "status": status,
        "counters": counters,
        "nothing_to_do": not counted and status == "ok",
        "warnings": list(warnings),
        "failure": failure,
        "seconds": 0.1,
        "conflicts": conflicts,
        "conflicts_open": waiting,
        "held": counters["rejected"],
    }


def run(*steps, status="ok", failure=None):
    return {"job": "roads", "status": status, "steps": steps, "seconds": 1.0, "failure": failure}


@pytest.mark.parametrize(
    ("conflicts", "waiting", "said"),
    [
        (0, 0, ""),
        (1, 0, "1 conflict was decided by policy (syncd conflicts list)"),
        (4, 1, "3 conflicts were decided by policy (syncd conflicts list); 1 waits for you"),
        (2, 2, "2 conflicts wait for you (syncd conflicts list --open)"),
    ],
)
def test_the_sentence_says_who_decides_the_conflicts(conflicts, waiting, said):
    assert decided_sentence([step("Ohio up", conflicts=conflicts, waiting=waiting)]) == said


def test_deleted_rows_are_among_those_received():
    lines = cluster_table(run(step("Ohio up", read=3, inserted=1, updated=1, rejected=1, deleted=2)))

    assert lines[1].split() == ["Ohio", "up", "5", "1", "1", "2", "0", "1", "0.10"]


def test_a_child_with_blanks_in_its_name_is_told_from_its_way():
    lines = cluster_table(run(step("Truck 7 down", read=1, inserted=1)))

    assert lines[1].startswith("Truck 7  down")


def test_a_run_without_any_change_is_one_line():
    assert cluster_table(run(step("Ohio up"), step("Ohio down"))) == [
        "roads: ok, nothing to do in 1.00 s, 1 child"
    ]


def test_a_child_that_failed_stands_beside_one_that_is_done():
    failure = {"message": "no route to host", "hint": "look at the network"}
    lines = cluster_table(
        run(
            step("Ohio up", read=1, inserted=1),
            step("Truck down", "failed", failure=failure),
            step("Utah", "skipped", warnings=["left out: `connected` is not 'true'"]),
            status="partial",
            failure=failure,
        )
    )

    assert [line.split()[0] for line in lines[1:4]] == ["Ohio", "Truck", "Utah"]
    assert "failed: Truck: no route to host\n  try: look at the network" in lines
    assert lines[-1] == "roads: partial in 1.00 s: no route to host (Ohio: done)"
