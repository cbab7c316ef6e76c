"""A table that takes another one's place: made beside it, filled, and renamed when all rows are there."""

import hashlib
from dataclasses import replace
from typing import Final

from syncd.connectors.postgresql.creation import create_statement, full_name
from syncd.connectors.postgresql.session import Session, quote
from syncd.errors import FatalError
from syncd.model.table import Table, TableName
from syncd.model.writing import StepKey, Target

PREFIX: Final = "syncd_new_"
LONGEST_NAME: Final = 63

STANDING: Final = """
SELECT c.oid, c.relkind::text, c.relispartition, c.relrowsecurity, quote_ident(pg_get_userbyid(c.relowner))
  FROM pg_class c WHERE c.oid = to_regclass(%s)"""

DEPENDENTS: Final = """
SELECT 'the view ' || r.ev_class::regclass::text
  FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
 WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND r.ev_class <> d.refobjid
 UNION
SELECT 'the foreign key ' || quote_ident(conname) || ' of ' || conrelid::regclass::text
  FROM pg_constraint WHERE contype = 'f' AND confrelid = %s AND conrelid <> confrelid
 UNION
SELECT 'the child table ' || inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s
 ORDER BY 1 LIMIT 5"""

RIGHTS: Final = """
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type, '',
       a.is_grantable
  FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = %s AND a.grantee <> c.relowner
 UNION ALL
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type, t.attname,
       a.is_grantable
  FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
  CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE c.oid = %s AND a.grantee <> c.relowner"""
"""Who may do what with a table, and with which of its columns."""

EXTRAS: Final = """
SELECT 'index ' || quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = to_regclass(%s)
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid AND conrelid = i.indrelid)
UNION ALL
SELECT 'trigger ' || quote_ident(tgname) FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal
UNION ALL
SELECT 'constraint ' || quote_ident(conname) FROM pg_constraint
 WHERE conrelid = to_regclass(%s) AND contype IN ('c', 'f', 'u', 'x')
 ORDER BY 1"""

NAMED: Final = """
SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND starts_with(conname, %s)"""


def successor(key: StepKey, table: Table) -> Table:
    """The table that is filled in the place of another: always of the same name for the same step."""
    said = "\x1f".join([key.job, key.step, str(table.name)])
    return replace(
        table, name=TableName(PREFIX + hashlib.sha256(said.encode()).hexdigest()[:16], table.name.schema)
    )


def prepare(session: Session, target: Target, new: Table) -> None:
    """Make the new table, without its key; refuse when the old one could not go.

    Raises:
        FatalError: something stands on the old table (code ``table_in_use``).
    """
    row = session.execute(STANDING, (full_name(target.table.name),)).fetchone()
    if row is not None:
        _refuse_in_use(session, target.table.name, *row[:4])
    session.execute(f"DROP TABLE IF EXISTS {full_name(new.name)}")
    session.execute(create_statement(new))


def extras(session: Session, name: TableName) -> list[str]:
    """What the table has beside columns and key; its owner and rights go over to a new one."""
    text = full_name(name)
    return [str(row[0]) for row in session.execute(EXTRAS, (text, text, text)).fetchall()]


def take_place(session: Session, target: Target, new: Table) -> None:
    """Drop the old table, if there is one, and give the new one its name, owner and rights.

    Raises:
        FatalError: something stands on the old table (code ``table_in_use``).
    """
    old, run = full_name(target.table.name), session.execute
    row = run(STANDING, (old,)).fetchone()
    granted: list[tuple[str, str, str, bool]] = []
    if row is not None:
        granted = [(each[0], each[1], each[2], each[3]) for each in run(RIGHTS, (row[0], row[0]))]
        run(f"DROP TABLE {old}")
    run(f"ALTER TABLE {full_name(new.name)} RENAME TO {quote(target.table.name.name)}")
    _rename_constraints(session, target.table.name, new.name)
    if row is not None:
        _give_rights(session, target.table, str(row[4]), granted)


def _refuse_in_use(
    session: Session, name: TableName, oid: int, kind: str, is_partition: bool, has_policies: bool
) -> None:
    users = [str(row[0]) for row in session.execute(DEPENDENTS, (oid, oid, oid))]
    if kind not in {"r", "p"}:
        users = ["that it is no table"]
    elif is_partition:
        users = ["the table that it is a partition of"]
    elif has_policies:
        users = ["its row security policies"]
    if users:
        raise FatalError(
            f"table {name} cannot be replaced by a new one because of {', '.join(users)}",
            hint="replace its rows instead: truncate in place of drop; or drop what stands on it",
            where=str(name),
            code="table_in_use",
        )


def _rename_constraints(session: Session, name: TableName, made: TableName) -> None:
    """Names as the server gives them to a table that is created under its own name."""
    run = session.execute
    table = full_name(name)
    for (said,) in run(NAMED, (table, made.name)).fetchall():
        ending = str(said)[len(made.name) :]
        room = LONGEST_NAME - len(ending.encode())
        plain = name.name.encode()[:room].decode(errors="ignore") + ending
        wanted, number = plain, 0
        while session.value("SELECT to_regclass(%s) IS NOT NULL", (full_name(replace(name, name=wanted)),)):
            number += 1
            wanted = f"{plain}{number}"
        run(f"ALTER TABLE {table} RENAME CONSTRAINT {quote(said)} TO {quote(wanted)}")


def _give_rights(
    session: Session, table: Table, owner: str, granted: list[tuple[str, str, str, bool]]
) -> None:
    run, text = session.execute, full_name(table.name)
    row = run(STANDING, (text,)).fetchone()
    if row is None:
        return
    for grantee in {str(each[0]) for each in run(RIGHTS, (row[0], row[0])).fetchall()}:
        run(f"REVOKE ALL ON {text} FROM {grantee}")
    if row[4] != owner:
        run(f"ALTER TABLE {text} OWNER TO {owner}")
    for grantee, privilege, column, grantable in granted:
        if column and table.column(column) is None:
            continue
        what = f"{privilege} ({quote(column)})" if column else privilege
        option = " WITH GRANT OPTION" if grantable else ""
        run(f"GRANT {what} ON {text} TO {grantee}{option}")
