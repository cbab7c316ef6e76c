"""One window into one table of a SQLite file, in one transaction with its cursor."""

from typing import Any, Final

from syncd.connectors.sqlite.copytext import converters_of, values_of
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.storage import keep, keepers_of
from syncd.connectors.sqlite.types import declaration
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch
from syncd.model.following import cursor_moved, unbalanced
from syncd.model.run import Counters
from syncd.model.writing import Mode, Target
from syncd.ports import Check

STAGE_NAME: Final = "syncd_stage"
STAGE: Final = f"temp.{STAGE_NAME}"
MOST_PARAMETERS: Final = 32_000
LINES_AT_ONCE: Final = 2_000
"""How many parameters a statement may bind, and after how many parameters a multi-row INSERT gains no more."""

UPDATE_CURSOR: Final = (
    "UPDATE syncd_cursors SET target = ?, digest = ?, revision = revision + 1, cursor = ?, mark = ?, relation = ?,"
    " row_count = ?, updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE job = ? AND step = ? AND revision = ?"
)
INSERT_CURSOR: Final = (
    "INSERT INTO syncd_cursors (target, digest, revision, cursor, mark, relation, row_count, updated, job, step)"
    " SELECT ?, ?, 1, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?"
    " WHERE NOT EXISTS (SELECT 1 FROM syncd_cursors WHERE job = ?7 AND step = ?8)"
)

FORGET_OTHERS: Final = "DELETE FROM syncd_cursors WHERE relation = ? AND NOT (job = ? AND step = ?)"
"""Whoever replaces all rows of a table makes the cursors of others who filled it worthless."""


class SqliteWriting:
    """Collects rows in the table itself, or beside it when they have to be matched by key."""

    def __init__(
        self, session: Session, target: Target, create_table: str, create_cursors: str, check: Check
    ) -> None:
        self._session = session
        self._target = target
        self._check = check
        self._rows = 0
        self._counters = Counters()
        self._done = False
        self._into = quote(target.table.name.name)
        session.begin_writing(check)
        try:
            self._prepare(create_table, create_cursors)
        except BaseException:
            self.abandon()
            raise

    def write(self, batch: Batch) -> None:
        """Insert one batch."""
        try:
            if isinstance(batch.data, bytes):
                if batch.data:
                    self._write_lines(batch.data, batch.rows)
            else:
                rows = keep(batch.data, self._keepers) if self._keepers else batch.data
                self._session.insert(self._one, rows)
        except SyncdError as error:
            raise self._named(error) from error
        self._rows += batch.rows

    def finish(self) -> Counters:
        """Merge what was staged and count what became of it."""
        if self._target.mode is Mode.MERGE:
            self._counters = self._merge()
        else:
            self._counters = Counters(read=self._rows, inserted=self._rows)
        if self._before is not None:
            self._recount(self._before)
        return self._counters

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Store the cursor and end the transaction."""
        target = self._target
        name = target.table.name.name
        row = self._session.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        values = (
            str(target.key.target),
            target.digest,
            cursor,
            mark,
            str(row[0]),
            rows,
            target.key.job,
            target.key.step,
        )
        if target.revision:
            changed = self._session.execute(UPDATE_CURSOR, (*values, target.revision)).rowcount
        else:
            changed = self._session.execute(INSERT_CURSOR, values).rowcount
        if changed != 1:
            raise cursor_moved(target.key.step, target.key.job)
        if target.mode is Mode.REPLACE:
            self._session.execute(FORGET_OTHERS, (str(row[0]), target.key.job, target.key.step))
        self._session.patient("COMMIT", self._check)
        self._done = True
        return target.revision + 1

    def abandon(self) -> None:
        """Undo the window unless it was committed."""
        if not self._done:
            self._done = True
            self._session.rollback()

    def _prepare(self, create_table: str, create_cursors: str) -> None:
        target = self._target
        run = self._session.execute
        run(create_cursors)
        if target.create:
            run(create_table)
        if target.mode is Mode.REPLACE:
            run(f"DELETE FROM {self._into}")
        self._before = self._count() if not target.create and self._has_own_rules() else None
        into = self._into
        if target.mode is Mode.MERGE:
            into = STAGE
            run(f"DROP TABLE IF EXISTS {STAGE}")
            run(f"CREATE TEMP TABLE {STAGE_NAME} ({self._stage_columns()})")
        names = ", ".join(quote(name) for name in target.columns)
        self._into_names = f"INSERT INTO {into} ({names}) VALUES "
        self._slots = f"({', '.join('?' * len(target.columns))})"
        self._one = self._into_names + self._slots
        self._lines = max(1, min(LINES_AT_ONCE, MOST_PARAMETERS) // len(target.columns))
        self._many = self._into_names + ", ".join([self._slots] * self._lines)
        self._converters = converters_of(target.source)
        self._keepers = keepers_of(target.source, target.table, target.columns)

    def _stage_columns(self) -> str:
        # The same declarations as the table's, so that a staged value has the same storage class.
        columns = []
        collations = self._key_collations()
        for name in self._target.columns:
            column = self._target.table.column(name)
            declared = declaration(column) if column else ""
            # A key without a value would match nothing, and be inserted by every run.
            rule = f" NOT NULL{collations.get(name, '')}" if name in self._target.table.key else ""
            columns.append(f"{quote(name)} {declared}{rule}")
        key = ", ".join(quote(name) for name in self._target.table.key)
        return ", ".join(columns) + f", PRIMARY KEY ({key})"

    def _key_collations(self) -> dict[str, str]:
        """COLLATE clauses of the key's columns: two keys that the table takes for one are one in the stage too."""
        found = self._session.execute(
            "SELECT x.name, x.coll FROM pragma_index_list(?) i, pragma_index_xinfo(i.name) x"
            " WHERE i.origin = 'pk' AND x.key AND x.name IS NOT NULL",
            (self._target.table.name.name,),
        )
        return {name: f" COLLATE {quote(collation)}" for name, collation in found}

    def _named(self, error: SyncdError) -> SyncdError:
        """The error with the table's own name for the place beside it where rows are collected."""
        name = str(self._target.table.name)
        if STAGE_NAME not in error.message:
            return error
        if error.code == "key_exists":
            return FatalError(
                f"the query for {name} gives the same key more than once",
                hint="a row of the destination can take only one of them: add a condition or GROUP BY",
                where=name,
                code="duplicate_key",
            )
        message = error.message.replace(STAGE_NAME, name)
        return type(error)(message, hint=error.hint, where=error.where, code=error.code)

    def _write_lines(self, data: bytes, rows: int) -> None:
        width = len(self._target.columns)
        values = values_of(data, width, self._converters)
        if len(values) != rows * width:
            raise FatalError(
                f"a block of {rows} lines gave {len(values)} values for {width} columns", code="bad_copy_text"
            )
        step = self._lines * width
        for start in range(0, len(values), step):
            self._check()
            part: list[Any] = values[start : start + step]
            sql = (
                self._many
                if len(part) == step
                else self._into_names + ", ".join([self._slots] * (len(part) // width))
            )
            self._session.execute(sql, part)

    def _has_own_rules(self) -> bool:
        """May the table take a row without keeping it? Triggers, further unique columns and conflict clauses do."""
        name = self._target.table.name.name
        row = self._session.execute(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE tbl_name = ?1"
            " AND (type = 'trigger' OR (type = 'table' AND upper(sql) LIKE '%ON CONFLICT%')))"
            " OR EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk')",
            (name,),
        ).fetchone()
        return bool(row[0])

    def _count(self) -> int:
        return int(self._session.execute(f"SELECT count(*) FROM {self._into}").fetchone()[0])

    def _recount(self, before: int) -> None:
        found = self._count() - before
        if found != self._counters.inserted:
            raise unbalanced(str(self._target.table.name), self._counters.inserted, found)

    def _merge(self) -> Counters:
        target = self._target
        run = self._session.execute
        keys = [quote(name) for name in target.table.key]
        others = [quote(name) for name in target.columns if name not in target.table.key]
        match = " AND ".join(f"t.{key} = s.{key}" for key in keys)
        differs = _any([_differs(f"t.{name}", f"s.{name}") for name in others])
        new = run(
            f"SELECT count(*) FROM {STAGE} s WHERE NOT EXISTS (SELECT 1 FROM {self._into} t WHERE {match})"
        ).fetchone()[0]
        changed = run(
            f"SELECT count(*) FROM {STAGE} s JOIN {self._into} t ON {match} WHERE {differs}"
        ).fetchone()[0]
        names = ", ".join(quote(name) for name in target.columns)
        action = "NOTHING"
        if others:
            sets = ", ".join(f"{name} = excluded.{name}" for name in others)
            differs = _any([_differs(f"{self._into}.{name}", f"excluded.{name}") for name in others])
            action = f"UPDATE SET {sets} WHERE {differs}"
        self._check()
        # WHERE true keeps SQLite from reading ON as a join condition.
        arrived = run(
            f"INSERT INTO {self._into} ({names}) SELECT {names} FROM {STAGE} WHERE true"
            f" ON CONFLICT ({', '.join(keys)}) DO {action}"
        ).rowcount
        run(f"DROP TABLE {STAGE}")
        if arrived != new + changed:
            raise unbalanced(str(target.table.name), new + changed, arrived)
        return Counters(self._rows, new, changed, self._rows - new - changed)


def _any(conditions: list[str]) -> str:
    """The conditions joined by OR as a balanced tree: SQLite limits how deep an expression may be."""
    if not conditions:
        return "0"
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({_any(conditions[:middle])} OR {_any(conditions[middle:])})"


def _differs(old: str, new: str) -> str:
    # Not equal bit by bit: no collation of the column's, and 1 is not 1.0 nor '1'.
    return f"({old} IS NOT {new} COLLATE BINARY OR typeof({old}) <> typeof({new}))"
