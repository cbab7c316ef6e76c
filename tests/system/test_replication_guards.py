"""A destination that lost rows, and a source that is not what it was, are noticed and mended."""

import pytest

from syncd.model.event import StateReset
from tests.rowset import OLD, content, create, create_target, put
from tests.stores import Pair


@pytest.mark.parametrize("harm", ["DELETE FROM t", "DELETE FROM t WHERE id = 2", "DROP TABLE t"])
def test_destination_that_lost_rows_is_filled_again(pair: Pair, harm: str) -> None:
    create(pair.source)
    put(pair.source, *((i, f"n{i}", OLD.format(i, i)) for i in range(1, 6)))
    pair.ok()
    pair.destination.execute(harm)

    outcome = pair.ok()

    assert outcome.told(StateReset), "the reset was not told"
    assert content(pair.destination) == content(pair.source)
    assert pair.ok().steps[0].nothing_to_do


def test_destination_table_replaced_on_a_kept_connection_is_noticed(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, *((i, f"n{i}", OLD.format(i, i)) for i in range(1, 4)))
    with pair.ports() as (source, destination):
        pair.run_on(source, destination)
        pair.run_on(source, destination)
        pair.destination.execute("ALTER TABLE t RENAME TO old")
        create_target(pair)
        put(pair.destination, *((i, "foreign", None) for i in range(7, 12)))

        outcome = pair.run_on(source, destination)

    assert [event.reason for event in outcome.told(StateReset)] == [
        "the destination table was replaced by another one"
    ]
    assert set(content(pair.source)) <= set(content(pair.destination))


def test_source_table_that_was_replaced_is_read_from_the_beginning(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(5, 7)))
    pair.ok()
    pair.source.execute("ALTER TABLE t RENAME TO old")
    create(pair.source)
    put(pair.source, (1, "other", OLD.format(1, 6)), (2, "other", OLD.format(5, 7)))

    outcome = pair.ok()

    assert outcome.told(StateReset)
    assert content(pair.destination) == content(pair.source)


def test_source_that_went_back_before_the_mark_is_read_from_the_beginning(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(5, 7)))
    pair.ok()
    pair.source.execute("DELETE FROM t WHERE id = 2")
    put(pair.source, (1, "restored", OLD.format(1, 1)))

    outcome = pair.ok()

    assert [event.reason for event in outcome.told(StateReset)] == [
        "the source has no row at its mark any more"
    ]
    assert content(pair.destination)[0] == content(pair.source)[0]


def test_new_column_of_both_ends_is_filled_for_old_rows_too(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok()
    for store in (pair.source, pair.destination):
        store.execute(f"ALTER TABLE t ADD COLUMN extra {store.text}")
    pair.source.execute("UPDATE t SET extra = 'x' WHERE id = 1")

    outcome = pair.ok()

    assert [event.reason for event in outcome.told(StateReset)] == ["the columns of the source changed"]
    assert pair.destination.rows("SELECT id, extra FROM t ORDER BY id") == [(1, "x"), (2, None)]


def test_another_check_column_is_noticed_even_when_nothing_changed(pair: Pair) -> None:
    create(pair.source)
    put(pair.source, (1, "a", OLD.format(1, 6)), (2, "b", OLD.format(2, 7)))
    pair.ok()
    pair.source.execute("UPDATE t SET name = 'z' WHERE id = 1")

    outcome = pair.ok(check="id")

    assert outcome.told(StateReset)
    assert content(pair.destination) == content(pair.source)
