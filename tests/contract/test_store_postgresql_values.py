"""PostgreSQL as a node: values and names keep their form from the one table to the other."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.errors import RowRejectedError
from syncd.model.batch import Batch, Format
from syncd.model.table import TableName
from syncd.repository.store import Stage
from tests.contract.postgres_nodes import ALL, NAMES, STAYS, Node, move, nothing
from tests.type_matrix import POSTGRESQL

pytestmark = pytest.mark.postgresql


def test_only_what_differs_is_updated_and_values_differ_by_their_bytes(node: Node) -> None:
    node.db.execute("CREATE TABLE n (id numeric PRIMARY KEY, v numeric, f float8, j json)")
    node.db.execute(
        """INSERT INTO n VALUES (1.0, 1.0, 0.0, '{"a":1}'), (2, 1.0, 0.0, NULL), (3, 1, 1, NULL)"""
    )
    tracked = node.track("n")
    rows = [(0, "1.0", "1.00", 0.0, '{"a":1}'), (0, "2", "1.0", -0.0, None), (0, "3.0", "1", 1.0, None)]
    stage = node.stage(tracked, rows)
    node.begin()
    changed = node.store.update(stage, ALL)
    again = node.store.update(stage, ALL)
    node.commit()

    assert (changed, again) == (3, 0)
    found = node.rows("SELECT id::text, v::text, f::text, j::text FROM n ORDER BY id")
    assert found == [("1.0", "1.00", "0", '{"a":1}'), ("2", "1.0", "-0", None), ("3.0", "1", "1", None)]


def test_generated_columns_are_left_out_and_identities_are_given(node: Node) -> None:
    node.db.execute(
        "CREATE TABLE g (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer,"
        " other integer GENERATED ALWAYS AS IDENTITY, twice integer GENERATED ALWAYS AS (a * 2) STORED)"
    )
    node.db.execute("INSERT INTO g (a) VALUES (1)")
    tracked = node.track("g")
    stage = node.stage(tracked, [(0, 1, 5, 99), (0, 50, 6, 77)])
    node.begin()
    counts = node.store.update(stage, STAYS), node.store.insert(stage, STAYS)
    again = node.store.update(stage, STAYS)
    node.commit()

    assert [column.name for column in tracked.columns] == ["id", "a", "other"]
    assert (counts, again) == ((1, 1), 0)
    assert node.rows("SELECT * FROM g ORDER BY 1") == [(1, 5, 1, 10), (50, 6, 77, 12)]


def matrix(node: Node, name: str) -> None:
    columns = [f"v{number} {case.native}" for number, case in enumerate(POSTGRESQL)]
    extra = ["e mood", "d kept", "ne text COLLATE lax", "b bpchar", "ip inet", "m money"]
    node.db.execute("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN kept AS varchar(9) NOT NULL")
    node.db.execute(
        "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    node.db.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, {', '.join(columns + extra)})")


@pytest.mark.parametrize("form", [Format.PGCOPY, Format.ROWS])
def test_every_value_arrives_as_it_was(make_node: Callable[[], Node], form: Format) -> None:
    source, target = make_node(), make_node()
    for made in (source, target):
        matrix(made, "t")
    number = 0
    for place, case in enumerate(POSTGRESQL):
        for value in case.values.values():
            number += 1
            source.db.execute(
                f"INSERT INTO t (id, v{place}, e, d, ne, b, ip, m) VALUES"
                f" ({number}, {value}, 'sad', 'x  ', 'aA', 'b ', '::1/64', 1.5)"
            )
    of, to = source.track(), target.track()
    stage = move(source, target, of, to, form)
    target.begin()
    added = target.store.insert(stage, STAYS)
    same = target.store.update(stage, STAYS)
    target.commit()
    dump = "SELECT encode(convert_to(t::text, 'UTF8'), 'hex') FROM t ORDER BY id"

    assert (added, same) == (number, 0)
    assert target.rows(dump) == source.rows(dump)


def test_rows_that_differ_in_any_type_are_updated_bit_by_bit(make_node: Callable[[], Node]) -> None:
    source, target = make_node(), make_node()
    for made in (source, target):
        matrix(made, "t")
        made.db.execute("INSERT INTO t (id, d) VALUES (1, 'x'), (2, 'y')")
    sets = [f"v{place} = {list(case.values.values())[-1]}" for place, case in enumerate(POSTGRESQL)]
    source.db.execute(f"UPDATE t SET {', '.join(sets)}, d = 'z', ne = 'Ab', m = 2 WHERE id = 1")
    of, to = source.track(), target.track()
    stage = move(source, target, of, to, Format.ROWS)
    target.begin()
    changed = target.store.update(stage, STAYS)
    target.commit()

    assert changed == 1
    dump = "SELECT t::text FROM t ORDER BY id"
    assert target.rows(dump) == source.rows(dump)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((0, None, "x", 1), id="no key"),
        pytest.param((0, 7, "x", "no number"), id="no number"),
        pytest.param((0, 7, "a\x00b", 1), id="a NUL"),
        pytest.param((0, 2**40, "x", 1), id="too large"),
        pytest.param((0, 7, "\ud800", 1), id="no Unicode"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_value_without_a_form_is_refused_and_earlier_batches_stay(
    node: Node, row: tuple[Any, ...], inside: bool
) -> None:
    stage = Stage(NAMES.stage(1), tracked := node.track(), tracked, False)
    node.store.make_stage(stage)
    if inside:
        node.begin()
    node.store.fill(stage, Batch(Format.ROWS, [(0, 5, "good", 1)], 1), nothing)

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(Format.ROWS, [(0, 6, "good", 1), row], 2), nothing)

    assert "no number" not in str(caught.value)
    assert node.store.filled(stage) == 1


def test_a_text_is_refused_rather_than_cut(node: Node) -> None:
    node.db.execute("CREATE TABLE short (id integer PRIMARY KEY, v varchar(3))")
    node.db.execute("CREATE TABLE long (id integer PRIMARY KEY, v text)")
    short, long = node.track("short"), node.track("long", number=2)
    stage = Stage(NAMES.stage(1), short, long, False)
    node.store.make_stage(stage)

    with pytest.raises(RowRejectedError) as caught:
        node.store.fill(stage, Batch(Format.ROWS, [(0, 1, "abc  ")], 1), nothing)

    assert "column v of public.short" in caught.value.message
    assert caught.value.where == "short.v"


def test_keys_that_a_collation_takes_for_equal_are_one_row(node: Node) -> None:
    node.db.execute(
        "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    node.db.execute(
        "CREATE TABLE c (code text COLLATE lax PRIMARY KEY, v int); INSERT INTO c VALUES ('ab', 1)"
    )
    tracked = node.track("c")
    node.db.execute("UPDATE c SET v = 2")
    node.db.execute("UPDATE c SET code = 'AB'")
    node.begin()
    sealed = node.store.seal_child(NAMES, tracked, 1, 0)
    node.commit()
    stage = node.stage(tracked, [(0, "Ab", 3)])
    node.begin()
    counts = node.store.update(stage, ALL), node.store.insert(stage, ALL), node.store.update(stage, ALL)
    node.commit()

    assert (sealed, counts) == (1, (1, 0, 0))
    assert node.rows("SELECT * FROM c") == [("Ab", 3)]


def test_a_stage_is_empty_each_time_it_is_made(node: Node) -> None:
    tracked = node.track()
    counts = []
    for end in (node.commit, node.store.rollback, node.commit):
        node.begin()
        stage = node.stage(tracked, [(0, 5, "x", 1)])
        node.store.run(f"UPDATE {stage.name} SET s_state = 3")
        end()
        again = node.stage(tracked, [(0, 6, "x", 1)])
        counts.append(node.store.run(f"SELECT c0, s_state, count(*) OVER () FROM {again.name}").rows)
    other = node.stage(tracked, [(0, 1, 0, 2, -1, 77, 6, "x", 1)], edits=True)
    found = node.store.run(f"SELECT s_at, count(*) OVER () FROM {other.name}").rows

    assert counts == [[(6, 0, 1)]] * 3
    assert found == [(77, 1)]


def test_the_numbers_of_staged_rows_differ(node: Node) -> None:
    tracked = node.track()
    node.stage(tracked, [(0, key, "x", 1) for key in range(20)])
    stage = node.stage(tracked, [(0, key, "x", 1) for key in range(500)])

    assert node.store.run(
        f"SELECT count(DISTINCT s_n), min(s_state), max(s_state) FROM {stage.name}"
    ).rows == [(500, 0, 0)]


def test_a_table_is_found_whatever_its_case_and_in_its_schema(node: Node) -> None:
    node.db.execute(
        'CREATE SCHEMA "Other"; CREATE TABLE "Other"."Odd ""name" ("A b" text COLLATE "C" PRIMARY KEY, "c""%s" int)'
    )
    tracked = node.track('other.odd "name')
    node.db.execute("""INSERT INTO "Other"."Odd ""name" VALUES ('k', 1), ('l', 2)""")
    node.db.execute("""UPDATE "Other"."Odd ""name" SET "A b" = 'm' WHERE "A b" = 'k'""")
    node.begin()
    sealed = node.store.seal_child(NAMES, tracked, 1, 0)
    node.commit()
    stage = node.stage(tracked, [(0, "l", 3), (0, "z", 4)])
    node.begin()
    node.store.lock(stage)
    counts = (
        node.store.update(stage, ALL),
        node.store.insert(stage, ALL),
        node.store.unstage_owned(NAMES, stage),
    )
    node.commit()

    assert tracked.name == TableName('Odd "name', "Other")
    assert (sealed, counts) == (3, (1, 1, 1))
    assert node.rows("""SELECT * FROM "Other"."Odd ""name" ORDER BY 1""") == [("l", 3), ("m", 1), ("z", 4)]
