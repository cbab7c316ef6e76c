"""Rows that a PostgreSQL table refuses: found one batch at a time, undone, set aside, let go."""

from typing import Any

import pytest

from syncd.errors import FatalError, RowRejectedError, TransientError
from syncd.model.batch import Batch, Format
from syncd.model.run import Counters
from syncd.model.table import TableName
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Mode, Reject, StepKey
from tests.contract.postgres_ends import KEY, Ends, nothing

pytestmark = pytest.mark.postgresql

TABLE = """
CREATE TABLE other (name text PRIMARY KEY); INSERT INTO other VALUES ('ok'), ('more');
CREATE TABLE t (id smallint PRIMARY KEY, name varchar(20) NOT NULL,
  CONSTRAINT short_enough CHECK (name <> 'checked'), CONSTRAINT once UNIQUE (name),
  CONSTRAINT known FOREIGN KEY (name) REFERENCES other (name) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO other VALUES ('checked'), ('raised'), ('first');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.name = 'raised' THEN RAISE EXCEPTION 'no % please', NEW.name; END IF; RETURN NEW; END $$;
CREATE TRIGGER refusing BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO t VALUES (1, 'first')"""


def batch(*rows: tuple[Any, ...], form: Format = Format.ROWS) -> Batch:
    if form is Format.ROWS:
        return Batch(form, rows, len(rows))
    lines = "".join("\t".join("\\N" if v is None else str(v) for v in row) + "\n" for row in rows)
    return Batch(form, lines.encode(), len(rows))


@pytest.mark.parametrize("form", [Format.ROWS, Format.COPYTEXT])
@pytest.mark.parametrize("mode", [Mode.INSERT, Mode.MERGE])
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((2, None), "name"),
        ((2, "checked"), "short_enough"),
        ((2, "first"), "once"),
        ((2, "stranger"), "known"),
        ((2, "raised"), "refuse"),
        ((2, "x" * 21), "name"),
        ((2, "ok" + " " * 20), "name"),
        ((70000, "ok"), "id"),
        (("zwei", "ok"), "id"),
    ],
    ids=["null", "check", "unique", "foreign", "trigger", "long", "blanks", "range", "type"],
)
def test_refused_row_is_told_without_its_value_and_everything_is_as_before(
    ends: Ends, mode: Mode, form: Format, row: tuple[Any, ...], said: str
) -> None:
    ends.store.execute(TABLE)
    writing = ends.destination.begin(ends.target(mode, careful=True, format=form), nothing)

    with pytest.raises(RowRejectedError) as caught:
        writing.apply(batch((3, "more"), row, form=form))
    done = writing.apply(batch((3, "more"), form=form))
    total = writing.finish()
    writing.commit("c", "m", 2)

    error = caught.value
    text = f"{error.message} {error.hint} {error.where}"
    assert said in text
    assert not any(
        value in text for value in ("checked", "stranger", "raised", "xxxx", "70000", "zwei", "(first)")
    )
    assert (done, total) == (Counters(1, inserted=1), Counters(1, inserted=1))
    assert ends.rows() == [(1, "first"), (3, "more")]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["nul", "surrogate"])
def test_text_that_postgresql_cannot_hold_is_a_refused_row(ends: Ends, text: str) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    writing = ends.destination.begin(ends.target(Mode.MERGE, careful=True), nothing)

    with pytest.raises(RowRejectedError):
        writing.apply(batch((1, "fine"), (2, text)))
    writing.apply(batch((1, "fine")))
    writing.commit("c", "m", 1)

    assert ends.rows() == [(1, "fine")]


def test_batches_of_every_mode_add_up(ends: Ends) -> None:
    ends.store.execute(
        f"CREATE TABLE t (id bigint, name text, {SINCE} timestamptz, {UNTIL} timestamptz, {ACTIVE} boolean, PRIMARY KEY (id, {SINCE}))"
    )
    found = []
    for mode in (Mode.HISTORY, Mode.HISTORY, Mode.REPLACE):
        target = ends.target(mode, careful=True, match=("id",), revision=len(found))
        if mode is Mode.REPLACE:
            ends.store.execute("DROP TABLE t; CREATE TABLE t (id bigint PRIMARY KEY, name text)")
            target = ends.target(mode, careful=True, revision=len(found))
        writing = ends.destination.begin(target, nothing)
        writing.apply(batch((1, "a"), (2, f"b{len(found)}")))
        writing.apply(batch((3, "c")))
        found.append(writing.finish())
        writing.commit("c", "m", 3)

    assert found == [Counters(3, inserted=3), Counters(3, 0, 1, 2), Counters(3, inserted=3)]
    assert ends.rows() == [(1, "a"), (2, "b2"), (3, "c")]


def test_new_table_that_is_filled_with_care_has_its_key_from_the_beginning(ends: Ends) -> None:
    writing = ends.destination.begin(ends.target(Mode.RECREATE, careful=True), nothing)
    writing.apply(batch((1, "a")))

    with pytest.raises(RowRejectedError):
        writing.apply(batch((1, "b")))
    writing.commit("c", "m", 1)

    assert ends.rows() == [(1, "a")]


def test_error_that_is_not_about_a_row_stays_what_it_is(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    writing = ends.destination.begin(ends.target(Mode.MERGE, careful=True), nothing)
    ends.store.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'syncd' AND state LIKE 'idle in%'"
    )

    with pytest.raises(TransientError):
        writing.apply(batch((1, "a")))
    writing.abandon()

    assert ends.rows() == []


def test_rows_cannot_be_tried_in_binary_form(ends: Ends) -> None:
    with pytest.raises(FatalError) as caught:
        ends.destination.begin(ends.target(Mode.MERGE, careful=True, format=Format.PGCOPY), nothing)

    assert caught.value.code == "no_common_format"


def aside(ends: Ends, rejects: list[Reject], let_go: tuple[str, ...] = (), step: str = "t") -> None:
    key = StepKey("job", step, TableName("t"))
    standing = ends.destination.survey([key])[0]
    target = ends.target(Mode.MERGE, key=key, careful=True, revision=standing.revision)
    writing = ends.destination.begin(target, nothing)
    writing.set_aside(rejects)
    writing.let_go(let_go)
    writing.finish()
    writing.commit("c", "m", 0)


def test_refused_rows_are_kept_counted_and_let_go(ends: Ends) -> None:
    assert ends.destination.rejects(KEY) == []
    assert ends.rows("SELECT to_regclass('syncd_rejects') IS NULL") == [(True,)]
    first = Reject('["1"]', ("id", "näme"), '[1, "\\u0000"]', "too long", "2024-01-02T03:04:05.000006+00:00")

    aside(ends, [first, Reject('["2"]', ("id",), "[2]", "bad")])
    aside(ends, [Reject('["1"]', ("id",), "[9]", "worse", attempts=2)], ('["2"]', '["3"]'))
    aside(ends, [Reject('["1"]', ("id",), "[5]", "other")], step="other")

    assert ends.destination.rejects(KEY) == [
        Reject('["1"]', ("id",), "[9]", "worse", "2024-01-02T03:04:05.000006+00:00", 3)
    ]


def test_rows_set_aside_go_with_an_abandoned_window(ends: Ends) -> None:
    ends.store.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    writing = ends.destination.begin(ends.target(Mode.MERGE, careful=True), nothing)
    writing.set_aside([Reject("[1]", ("id",), "[1]", "bad")])
    writing.abandon()

    assert ends.destination.rejects(KEY) == []
