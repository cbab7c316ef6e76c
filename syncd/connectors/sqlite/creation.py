"""New tables of a SQLite file, and their names while they stand beside the old ones."""

import hashlib

from syncd.connectors.sqlite.definition import tokens_of
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.types import declaration
from syncd.errors import FatalError
from syncd.model.table import Table
from syncd.model.writing import StepKey


def create_statement(table: Table, name: str = "") -> str:
    """CREATE TABLE with types, NOT NULL and the key, under another name when one is given."""
    lines = [
        f"{quote(column.name)} {declaration(column)}".rstrip() + ("" if column.nullable else " NOT NULL")
        for column in table.columns
    ]
    if table.key:
        lines.append(f"PRIMARY KEY ({', '.join(quote(column) for column in table.key)})")
    return f"CREATE TABLE {quote(name or table.name.name)} (\n  " + ",\n  ".join(lines) + "\n)"


def shadow_name(key: StepKey) -> str:
    """The name of the new table while it is filled; the same in each run, so that a leftover is found."""
    text = "\x1f".join((key.job, key.step, str(key.target)))
    return f"syncd_new_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def refuse_dependents(session: Session, name: str) -> None:
    """Nothing that stands on a table shall break when the table is replaced; needs a transaction.

    Raises:
        FatalError: a view reads the table, or a foreign key of another table points at it.
    """
    keys = session.execute(
        "SELECT DISTINCT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) f"
        " WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1) AND lower(m.name) <> lower(?1)",
        (name,),
    ).fetchall()
    users = [f"a foreign key of table {row[0]}" for row in keys]
    users += [f"view {view}" for view in _views_of(session, name)]
    if users:
        raise FatalError(
            f"table {name} cannot be replaced: {', '.join(users)} stands on it",
            hint="drop that first, or replace the rows alone (TruncateTableData)",
            where=name,
            code="table_in_use",
        )


def extras(session: Session, name: str) -> list[str]:
    """What the table has beside columns and key, in words."""
    rows = session.execute(
        "SELECT type || ' ' || name FROM sqlite_master"
        " WHERE lower(tbl_name) = lower(?1) AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        " UNION ALL SELECT 'a unique constraint' FROM pragma_index_list(?1) WHERE origin = 'u'"
        " UNION ALL SELECT DISTINCT 'foreign key to ' || \"table\" FROM pragma_foreign_key_list(?1) ORDER BY 1",
        (name,),
    ).fetchall()
    sql = session.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?1)", (name,)
    ).fetchone()
    has_checks = sql is not None and any(token.word == "CHECK" for token in tokens_of(str(sql[0])))
    return [str(row[0]) for row in rows] + (["a check"] if has_checks else [])


def take_place(session: Session, new: str, name: str) -> None:
    """The new table takes the old one's name; needs a transaction."""
    # Triggers of other tables name this one, and would be read while it is away.
    session.execute("PRAGMA legacy_alter_table=ON")
    try:
        session.execute(f"DROP TABLE {quote(name)}")
        session.execute(f"ALTER TABLE {quote(new)} RENAME TO {quote(name)}")
    finally:
        session.execute("PRAGMA legacy_alter_table=OFF")


def _views_of(session: Session, name: str) -> list[str]:
    """The views that a renaming of the table would change."""
    question = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
    before = dict(session.execute(question).fetchall())
    if not before:
        return []
    session.execute("SAVEPOINT syncd_views")
    try:
        session.execute(f"ALTER TABLE {quote(name)} RENAME TO syncd_renamed")
        after = dict(session.execute(question).fetchall())
    finally:
        session.execute("ROLLBACK TO syncd_views")
        session.execute("RELEASE syncd_views")
    return sorted(view for view, sql in before.items() if after[view] != sql)
