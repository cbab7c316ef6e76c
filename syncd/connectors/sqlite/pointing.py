"""Rules of a SQLite file by which rows of one table point at rows of another."""

from typing import Any, Final

from syncd.connectors.sqlite.catalog import read_table
from syncd.connectors.sqlite.definition import says
from syncd.connectors.sqlite.session import Session
from syncd.model.table import TableName
from syncd.repository.store import ForeignKey

ACTS: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
RULES: Final = """
SELECT m.name, m.sql, f.id, f."table", f."from", f."to", f.on_delete, f.on_update
  FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq"""


def foreign_keys(session: Session) -> list[ForeignKey]:
    """All rules between tables of the file; one that may be deferred makes all of its table's count as such."""
    grouped: dict[tuple[str, str, int], list[Any]] = {}
    for name, sql, number, *part in session.execute(RULES):
        grouped.setdefault((str(name), str(sql), int(number)), []).append(part)
    found = []
    for (name, sql, _), parts in grouped.items():
        to, _, _, on_delete, on_update = parts[0]
        parent = read_table(session, TableName(str(to)))
        if parent is None:
            continue
        columns = tuple(str(part[1]) for part in parts)
        named = tuple(str(part[2]) for part in parts if part[2] is not None)
        acts = on_delete in ACTS or on_update in ACTS
        deferred = says(sql, "INITIALLY", "DEFERRED")
        found.append(ForeignKey(TableName(name), columns, parent.name, named or parent.key, acts, deferred))
    return found
