"""The cluster workload is the same for every contestant, and the benchmarks choose and compare as they say."""

from datetime import timedelta

import pytest

from benchmarks.cell import Cell
from benchmarks.cluster_capture_cells import changed_mask
from benchmarks.cluster_cells import cells
from benchmarks.cluster_node import statement, values
from benchmarks.cluster_workload import BEGIN, CHILDREN, COLUMNS, KEPT, PARENT, Act, Phase, edits, key, row
from benchmarks.measure import Sample
from benchmarks.report import table
from benchmarks.run import choose

COUNT = 100


def test_a_row_is_a_pure_function_of_tag_number_and_revision():
    assert row("a", 7, 1) == row("a", 7, 1)
    assert len({row("a", 7), row("b", 7), row("a", 8), row("a", 7, 1)}) == 4


def test_a_row_has_the_same_values_in_every_version_of_the_benchmark():
    first = row("a", 7)

    assert str(first.gid) == "07915cac-32eb-49cb-84fd-ccecc82b86e9"
    assert (first.name, first.qty, str(first.price)) == (
        "Asset 2407c061837f77d6 street 15",
        3370247727,
        "46219.82",
    )
    assert first.updated_at == BEGIN + timedelta(milliseconds=70)


def test_an_update_changes_all_columns_but_two():
    before, after = row("a", 7), row("a", 7, 1)

    same = [
        name for name, old, new in zip(COLUMNS, before, after, strict=True) if old == new and name != "status"
    ]

    assert same == list(KEPT)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_touches_each_row_once(phase):
    work = edits(phase, "a", COUNT)

    keys = [one.gid for part in work for one in part.rows]

    assert len(keys) == len(set(keys)) == COUNT
    assert work == edits(phase, "a", COUNT)


def test_spread_edits_are_dealt_evenly_to_the_children():
    work = edits(Phase.INSERT_SPREAD, "a", COUNT)

    assert [part.node for part in work] == list(range(1, CHILDREN + 1))
    assert sorted(len(part.rows) for part in work) == [33, 33, 34]


def test_children_update_what_the_parent_inserted_and_the_parent_deletes_what_children_inserted():
    written = {phase: {one.gid for part in edits(phase, "a", COUNT) for one in part.rows} for phase in Phase}

    assert written[Phase.UPDATE_PARENT] == written[Phase.UPDATE_SPREAD] == written[Phase.INSERT_PARENT]
    assert written[Phase.DELETE_PARENT] == written[Phase.INSERT_SPREAD]
    assert not written[Phase.INSERT_PARENT] & written[Phase.INSERT_SPREAD]
    assert [part.node for part in edits(Phase.DELETE_PARENT, "a", COUNT)] == [PARENT]


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize(("kind", "mark"), [("postgresql", "%s"), ("sqlite", "?")])
def test_a_statement_has_a_place_for_each_value(act, kind, mark):
    assert statement(act, kind).count(mark) == len(values(act, row("a", 1)))


def test_an_update_is_addressed_by_the_key():
    assert values(Act.UPDATE, row("a", 1, 1))[-1] == key("a", 1)


def test_the_mask_of_a_key_log_has_a_bit_for_each_column_but_the_key():
    mask = changed_mask("IS NOT")

    assert mask.count("CASE") == len(COLUMNS) - 1
    assert "OLD.gid " not in mask
    assert f"THEN {1 << (len(COLUMNS) - 2)} " in mask


def test_a_name_stands_for_the_groups_that_begin_with_it_unless_a_group_has_it():
    known = [
        Cell(group, f"{group}-one", lambda _: Sample(1, 0, 0, 0)) for group in ("wide", "wide-long", "w")
    ]

    assert [cell.group for cell in choose(known, ["wide"])] == ["wide"]
    assert [cell.group for cell in choose(known[1:], ["wide"])] == ["wide-long"]
    with pytest.raises(SystemExit, match="there is no cell or group wi"):
        choose(known, ["wi"])


def test_a_phase_is_compared_with_the_floor_that_moves_as_many_rows():
    names = {cell.name for cell in cells()}

    assert all(cell.against in names for cell in cells() if not cell.name.endswith("-floor"))


def test_the_ratio_is_to_the_cell_that_a_cell_names():
    made = [Cell("g", name, lambda _: Sample(1, 0, 0, 0)) for name in ("first", "floor")]
    asked = Cell("g", "asked", lambda _: Sample(1, 0, 0, 0), against="floor")

    text = table([*made, asked], {"first": [_took(1)], "floor": [_took(2)], "asked": [_took(6)]}, {})

    assert "| asked | 1 | 6.000 | 3.00 |" in text


def _took(seconds):
    return Sample(seconds, 0, 0, 0)
