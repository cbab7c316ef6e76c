"""CREATE TABLE statements of SQLite files: columns are found in every spelling, and only what is meant changes."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.connectors.sqlite.definition import read_creation
from syncd.errors import FatalError

SPELLINGS = {
    "plain": ("CREATE TABLE t (a INTEGER, b TEXT)", ["a", "b"]),
    "no-types": ("CREATE TABLE t(a,b)", ["a", "b"]),
    "quoted": ('CREATE TABLE "t" ("a ""x""" INT, [b c] TEXT, `d``e` REAL, \'f\' BLOB)', ['a "x"', "b c", "d`e", "f"]),
    "comments": ("CREATE TABLE t (a INT, -- not (b TEXT,\n /* c INT, */ d TEXT)", ["a", "d"]),
    "rules": (
        "CREATE TABLE t (a NUMERIC(10,2) DEFAULT (1+(2)), b CHECK (b IN ('x,y', ')')), PRIMARY KEY (a), CHECK (a > 0))",
        ["a", "b"],
    ),
    "computed": ("CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL, c AS (a))", ["a", "b", "c"]),
    "two-words": ("CREATE TABLE t (a DOUBLE PRECISION NOT NULL, b UNSIGNED BIG INT) STRICT", ["a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_columns_are_found_in_every_spelling(name: str) -> None:
    sql, columns = SPELLINGS[name]

    assert [column.name for column in read_creation(sql).columns] == columns


@pytest.mark.parametrize("name", [name for name in SPELLINGS if name != "two-words"])
def test_only_the_type_that_was_meant_changes(name: str) -> None:
    sql, columns = SPELLINGS[name]
    first = columns[0]
    with sqlite3.connect(":memory:") as before, sqlite3.connect(":memory:") as after:
        before.execute(sql)
        after.execute(read_creation(sql).changed("other", {first: "VARCHAR(9)"}, [("new one", "DATE")]))
        old = before.execute("SELECT name, type, hidden FROM pragma_table_xinfo('t')").fetchall()
        new = after.execute("SELECT name, type, hidden FROM pragma_table_xinfo('other')").fetchall()
    before.close()
    after.close()

    assert new == [(first, "VARCHAR(9)", 0), *old[1:], ("new one", "DATE", 0)]


def test_collation_and_strictness_are_told() -> None:
    creation = read_creation(
        'CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT COLLATE "RTRIM" UNIQUE, c TEXT) STRICT'
    )

    assert [creation.collation_of(name) for name in "abc"] == ["NOCASE", "RTRIM", ""]
    assert creation.strict
    assert not read_creation("CREATE TABLE t (strict TEXT)").strict


@pytest.mark.parametrize(
    "sql", ["CREATE VIRTUAL TABLE t USING fts5(a)", "CREATE VIEW v AS SELECT 1", "CREATE TABLE t"]
)
def test_what_is_no_plain_table_is_refused(sql: str) -> None:
    with pytest.raises(FatalError) as caught:
        read_creation(sql)

    assert "plain table" in caught.value.message


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1
    )
)
def test_any_quoted_name_is_found(names: list[str]) -> None:
    quoted = ", ".join('"' + name.replace('"', '""') + '" TEXT' for name in names)

    assert [column.name for column in read_creation(f"CREATE TABLE t ({quoted})").columns] == names
