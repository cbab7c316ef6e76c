"""What a SQLite file says about its tables."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from syncd.connectors.sqlite.definition import says
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.spatial import geometry_columns, is_layer, systems_of
from syncd.connectors.sqlite.types import PRODUCT, instant_type, read_type
from syncd.errors import FatalError, NotFoundError
from syncd.model.plan import LAST_MARK, NEXT_MARK, Relation
from syncd.model.table import Column, Kind, Table, TableName, Type

GENERATED = (2, 3)
"""`hidden` of columns that SQLite computes by itself."""


def find_table(session: Session, name: TableName) -> str | None:
    """The table's or view's name as it is spelt in the file, or None."""
    if name.schema.lower() not in {"", "main"}:
        return None
    row = session.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND lower(name) = lower(?)"
        " ORDER BY name = ? DESC LIMIT 1",
        (name.name, name.name),
    ).fetchone()
    return None if row is None else str(row[0])


def table_identity(session: Session, name: str) -> str:
    """A table told from all others: its file's device and number, and its name there."""
    device, number = session.file
    return f"{device}:{number}/{name.lower()}"


def read_table(session: Session, name: TableName, *, writable: bool = False) -> Table | None:
    """The table as declared, or None. With `writable`, columns that SQLite computes are left out."""
    found = find_table(session, name)
    if found is None:
        return None
    shapes = _shapes(session, found)
    strict, layer = _is_strict(session, found), is_layer(session, found)
    columns: list[Column] = []
    key: list[tuple[int, str]] = []
    for _, column, declared, not_null, _, place, hidden in session.execute(
        f"PRAGMA table_xinfo({quote(found)})"
    ):
        if hidden == 1 or (writable and hidden in GENERATED):
            continue
        srid = shapes.get(column.lower())
        # A STRICT table keeps values in its ANY columns as they are; elsewhere the word makes numbers of texts.
        free = strict and declared.upper() == "ANY"
        kind = read_type("" if free else declared)
        # A key stays as it is spelt: rows are told apart by it.
        if layer and declared.upper() == "DATETIME" and not place:
            kind = instant_type(declared)
        if srid is not None:
            kind = Type(Kind.GEOMETRY, declared, PRODUCT, srid=srid)
        columns.append(Column(column, kind, not (not_null or place)))
        if place:
            key.append((place, column))
    return Table(TableName(found), tuple(columns), tuple(column for _, column in sorted(key)))


def _is_strict(session: Session, table: str) -> bool:
    """Is it a STRICT table? A SQLite that has none does not know the pragma, and answers nothing."""
    listed = session.execute(f"PRAGMA main.table_list({quote(table)})").fetchall()
    return any(row[5] for row in listed if row[0] == "main")


def _shapes(session: Session, table: str) -> dict[str, int]:
    """The geometry columns of a table, in lower case, with the SRID of each."""
    numbers = geometry_columns(session, table)
    if not numbers:
        return {}
    srids = systems_of(session).srids
    return {name: srids.get(number, max(number, 0)) for name, number in numbers.items()}


def with_empty_keys(session: Session, table: Table) -> Table:
    """The table, told which columns of its key may be without a value: SQLite allows that where nothing forbids it."""
    rows = session.execute(f"PRAGMA table_xinfo({quote(table.name.name)})").fetchall()
    must = {name for _, name, _, not_null, *_ in rows if not_null}
    (sql,) = session.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table.name.name,)).fetchone()
    # A single one is the row's number.
    numbered = len(table.key) == 1 and [str(row[2]).upper() for row in rows if row[5]] == ["INTEGER"]
    if numbered or says(str(sql), "WITHOUT", "ROWID"):
        return table
    optional = set(table.key) - must
    return replace(
        table,
        columns=tuple(
            replace(column, nullable=True) if column.name in optional else column for column in table.columns
        ),
    )


def describe(session: Session, relation: Relation) -> Table:
    """The columns and key of what a relation reads.

    Raises:
        NotFoundError: no such table, with the nearest name.
        FatalError: the query does not run, or gives two columns the same name.
    """
    base = read_table(session, relation.table) if relation.table is not None else None
    if relation.select is not None:
        return _describe_select(session, relation, base)
    if base is None:
        raise _missing(session, relation.table or TableName(""))
    return base


def source_text(relation: Relation, table: Table, last: str = "NULL", upto: str = "NULL") -> str:
    """What follows FROM: the quoted table, or the query in parentheses, with literals for its two marks."""
    if relation.select is None:
        return quote(table.name.name)
    return f"({relation.select.replace(LAST_MARK, last).replace(NEXT_MARK, upto)}\n)"


def list_tables(session: Session) -> list[TableName]:
    """All tables and views but SQLite's own and syncd's."""
    rows = session.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'syncd\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [TableName(str(row[0])) for row in rows]


def origin_of(relation: Relation, base: Table, name: str) -> Column | None:
    """The column of the base table that a query gives under this name."""
    renamed = _renames(relation, base).get(name.lower())
    return base.column(renamed) if renamed is not None else None


def _describe_select(session: Session, relation: Relation, base: Table | None) -> Table:
    named = relation.table or TableName("query")
    cursor = session.execute(f"SELECT * FROM {source_text(relation, Table(named, ()))} LIMIT 0")
    names = [entry[0] for entry in cursor.description or ()]
    refuse_twins(names)
    renames = _renames(relation, base)
    columns = []
    for name in names:
        origin = base.column(renames[name.lower()]) if base is not None and name.lower() in renames else None
        columns.append(
            Column(name, origin.type, origin.nullable)
            if origin is not None
            else Column(name, Type(Kind.ANY, "", "sqlite"))
        )
    key: tuple[str, ...] = ()
    if base is not None:
        out = {renames[name.lower()]: name for name in names if name.lower() in renames}
        if base.key and all(column in out for column in base.key):
            key = tuple(out[column] for column in base.key)
    return Table(named, tuple(columns), key)


def _renames(relation: Relation, base: Table | None) -> dict[str, str]:
    """Output name in lower case -> column of the base table."""
    if base is None:
        return {}
    found = {column.name.lower(): column.name for column in base.columns} if relation.star else {}
    spelt = {column.name.lower(): column.name for column in base.columns}
    for origin, output in relation.outputs:
        if origin.lower() in spelt:
            found[output.lower()] = spelt[origin.lower()]
    return found


def refuse_twins(names: Sequence[str]) -> None:
    """Two output columns of one name cannot both have a place.

    Raises:
        FatalError: names the first such column.
    """
    seen: set[str] = set()
    for name in names:
        # SQLite itself calls the second v of a query v:1.
        plain = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
        if name.lower() in seen or (plain != name and plain.lower() in seen):
            raise FatalError(
                f"the query gives two columns the name '{plain}'", hint="rename one: SELECT a AS b"
            )
        seen.add(name.lower())


def _missing(session: Session, name: TableName) -> NotFoundError:
    if name.schema.lower() not in {"", "main"}:
        return NotFoundError(
            f"there is no table {name} in {session.path}",
            hint="a SQLite file has no schemas: name the table alone",
        )
    tables = [
        row[0] for row in session.execute("SELECT name FROM sqlite_master WHERE type IN ('table','view')")
    ]
    near = get_close_matches(name.name, tables, 1)
    hint = (
        f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(sorted(tables)[:10]) or 'no tables'}"
    )
    return NotFoundError(f"there is no table {name.name} in {session.path}", hint=hint)


def has_defaults(session: Session, name: TableName, columns: Sequence[str]) -> bool:
    """Has each of these columns a default, or is it the number of the row?"""
    rows = session.execute(
        "SELECT name, type, dflt_value, pk FROM pragma_table_info(?)", (name.name,)
    ).fetchall()
    single = sum(1 for row in rows if row[3]) == 1
    filled = {
        str(column)
        for column, kind, default, key in rows
        if default is not None or (single and key and str(kind).upper() == "INTEGER")
    }
    return set(columns) <= filled
