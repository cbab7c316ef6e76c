"""What the catalogue says of a table that takes part in a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.connectors.postgresql.catalog import Found, find, missing, read_table
from syncd.connectors.postgresql.merging import UNIQUE
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.types import is_exact
from syncd.errors import FatalError
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName
from syncd.repository.store import ForeignKey

FACTS: Final = """
SELECT c.relpersistence = 'p', c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid),
       row_security_active(c.oid)
  FROM pg_class c WHERE c.oid = %s"""

STAND_IN: Final = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place)
          FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %s AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
   AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                      AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
 ORDER BY i.indnkeyatts, c.relname LIMIT 1"""
"""The columns of the smallest unique index that can never hold NULL."""

COLUMNS: Final = f"""
SELECT ({UNIQUE}), (SELECT count(*) FROM pg_index i WHERE i.indrelid = %s AND i.indisunique AND i.indimmediate) > 1,
       EXISTS (SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = %s AND f.confdeltype IN ('c', 'n', 'd')),
       a.attname, a.attidentity = 'a', coalesce(o.collisdeterministic, true),
       a.attgenerated <> '', CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(n.nspname) || '.' || quote_ident(o.collname) END
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_collation o ON o.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = o.collnamespace
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped"""

FOREIGN_KEYS: Final = """
SELECT cn.nspname, c.relname, pn.nspname, p.relname, f.confdeltype IN ('c', 'n', 'd'),
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)
  FROM pg_constraint f
  JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
  JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE f.contype = 'f' AND f.conparentid = 0
 ORDER BY 1, 2, f.conname"""

TABLES: Final = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relname !~ '^syncd_'
   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2"""

STRUCTURE: Final = """
WITH c AS MATERIALIZED (SELECT oid, xmin FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'i', 'v') AND relpersistence <> 't'),
  v (what, number, version) AS (
    SELECT oid, 0, xmin FROM c
    UNION ALL SELECT attrelid, attnum, xmin FROM pg_attribute WHERE attrelid = ANY (ARRAY(SELECT oid FROM c)) AND attnum > 0
    UNION ALL SELECT indexrelid, 0, xmin FROM pg_index WHERE indrelid = ANY (ARRAY(SELECT oid FROM c))
    UNION ALL SELECT oid, 0, xmin FROM pg_constraint WHERE conrelid = ANY (ARRAY(SELECT oid FROM c UNION ALL SELECT 0))
    UNION ALL SELECT oid, 0, xmin FROM pg_trigger WHERE tgrelid = ANY (ARRAY(SELECT oid FROM c))
    UNION ALL SELECT oid, 0, xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT oid, 0, xmin FROM pg_type WHERE oid >= 16384 AND typtype IN ('d', 'e'))
SELECT concat_ws(' ', current_database(), current_user, current_schemas(false), count(*),
  sum(hashtextextended(concat_ws(' ', what, number, version), 0)), (SELECT count(*) FROM c WHERE row_security_active(oid)))
  FROM v"""
"""Each row of the catalogue gets another xmin when it is changed. What users made has numbers from 16384 on; temporary tables come
and go. Rights stand in pg_class, except those that are granted on schemas."""

KINDS: Final = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A tracked table as the catalogue has it.

    `collations`: for columns whose order of texts is not their type's own, its name as SQL. `exact`: columns in which equal values
    have equal bytes. `fixed`: identity columns that take no new value. `others`: columns that may be written and do not take part. `matched`: a unique index stands on exactly the key.
    `unique`: there is another unique index. `acts`: deleting a row changes rows of other tables.
    """

    tracked: Tracked
    found: Found
    collations: Mapping[str, str]
    exact: frozenset[str]
    fixed: frozenset[str]
    others: tuple[str, ...]
    matched: bool
    unique: bool
    acts: bool

    @property
    def settable(self) -> tuple[str, ...]:
        """Columns that an update may change: those in the key only where equal keys may be spelt differently."""
        key = self.tracked.key
        return tuple(
            column.name
            for column in self.tracked.columns
            if column.name not in self.fixed and not (column.name in key and column.name in self.exact)
        )

    def declared(self, column: Column) -> str:
        """Type and collation of a column, as SQL."""
        collation = self.collations.get(column.name)
        return column.type.native + (f" COLLATE {collation}" if collation else "")


def shape_of(session: Session, tracked: Tracked) -> Shape:
    """What there is to know before rows of a table are moved.

    Raises:
        NotFoundError: the table is gone.
    """
    found = find(session, tracked.name)
    if found is None:
        raise missing(session, tracked.name)
    key = sorted(quote(name) for name in tracked.key)
    rows = session.execute(COLUMNS, (found.text, key, found.oid, found.oid, found.oid)).fetchall()
    matched, unique, acts = rows[0][:3]
    columns = [row[3:] for row in rows]
    same = {name for name, _, deterministic, _, _ in columns if deterministic}
    taking_part = {column.name for column in tracked.columns}
    return Shape(
        tracked,
        found,
        {name: collation for name, _, _, _, collation in columns if collation},
        frozenset(c.name for c in tracked.columns if c.name in same and is_exact(c.type)),
        frozenset(name for name, always, _, _, _ in columns if always),
        tuple(name for name, _, _, computed, _ in columns if not computed and name not in taking_part),
        matched=matched,
        unique=unique,
        acts=acts,
    )


def read_member(session: Session, name: TableName) -> Table | None:
    """The table with what may be written of it, and its key or a unique index that can stand in for one; None: not there.

    Raises:
        FatalError: it cannot take part in a cluster (code ``cannot_take_part``).
    """
    found = find(session, name)
    if found is None:
        return None
    if found.kind in KINDS:
        raise _refused(found, f"it is {KINDS[found.kind]}", "name the tables that it reads")
    logged, inherited, secured = session.execute(FACTS, (found.oid,)).fetchall()[0]
    if not logged:
        raise _refused(found, "a crash empties it", f"ALTER TABLE {found.text} SET LOGGED")
    if inherited:
        raise _refused(found, "other tables inherit from it", "use partitions, or name the single tables")
    if secured:
        raise _refused(found, "row security hides rows of it", "log in as its owner, or with BYPASSRLS")
    table = read_table(session, found, writable=True)
    key = table.key or tuple(session.value(STAND_IN, (found.oid,)) or ())
    if not key:
        hint = "give it a primary key, or a unique index on columns that are NOT NULL"
        raise _refused(found, "no key tells its rows apart", hint)
    computed = [part for part in key if table.column(part) is None]
    if computed:
        raise _refused(found, f"the server computes {', '.join(computed)} of its key", "use another key")
    return Table(table.name, table.columns, key)


def list_members(session: Session) -> list[TableName]:
    """All tables, without the server's own, those of extensions, temporary ones and syncd's."""
    return [TableName(name, schema) for schema, name in session.execute(TABLES, ())]


def list_foreign_keys(session: Session) -> list[ForeignKey]:
    """All rules of the database by which rows point at rows."""
    return [
        ForeignKey(TableName(table, schema), tuple(columns), TableName(parent, place), tuple(named), acts)
        for schema, table, place, parent, acts, columns, named in session.execute(FOREIGN_KEYS, ())
    ]


def joined(key: Sequence[str], one: str, other: str) -> str:
    """When rows of two tables with the same key columns have the same key."""
    return " AND ".join(f"{one}.{quote(name)} = {other}.{quote(name)}" for name in key)


def listed(names: Sequence[str], of: str = "") -> str:
    """Columns as SQL, of a table's alias where one is given."""
    return ", ".join(f"{of}.{quote(name)}" if of else quote(name) for name in names)


def _refused(found: Found, why: str, hint: str) -> FatalError:
    return FatalError(
        f"{found.name} cannot take part in a cluster: {why}",
        hint=hint,
        where=str(found.name),
        code="cannot_take_part",
    )


def is_unique(session: Session, name: TableName, columns: Sequence[str]) -> bool:
    """Is there a unique index on exactly these columns of a table, none of which may be NULL?"""
    table, found = read_member(session, name), find(session, name)
    if table is None or found is None:
        return False
    if any(column.nullable for column in table.columns if column.name in columns):
        return False
    return session.value(UNIQUE, (found.text, sorted(quote(column) for column in columns))) is True
