"""A MariaDB or MySQL database as a source: what changed since a cursor, in one snapshot."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from syncd.connectors.mysql.bounded import bind_marks
from syncd.connectors.mysql.catalog import TABLES, Stamp, chosen, find, size_bytes, stamps_of, table_identity
from syncd.connectors.mysql.comparing import key_range, rows_of_chunks, sums
from syncd.connectors.mysql.ground import (
    Described,
    Ground,
    find_ground,
    look_up,
    lowest,
    mark_literal,
    mark_text,
    named,
    since,
    sum_of,
    went_back,
    where,
    without_cursor,
)
from syncd.connectors.mysql.horizon import TIMES, Horizon, ended, look
from syncd.connectors.mysql.observe import observe
from syncd.connectors.mysql.reading import MysqlReading
from syncd.connectors.mysql.session import Session
from syncd.connectors.mysql.types import PRODUCT
from syncd.connectors.mysql.window import Selector, by_keys, cut
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.cursor import Cursor, Seen, Value, cursor_from_text
from syncd.model.following import follows, mode_of, next_mark, warnings_of
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums, Tuning, Window
from syncd.model.table import Table, TableName
from syncd.ports import Check, Reading

SETTLE_SECONDS: Final = 5.0
"""How long a first load waits for transactions that were open before it, so that its mark can be trusted at once."""
COUNTED_ROWS: Final = 100_000
"""Up to how many rows the server's estimate is not good enough, and a first load without check column is summed."""
SUMMED_BYTES: Final = 64 * 1024 * 1024
"""And up to about how many bytes."""
SNAPSHOT: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
BLIND: Final = "the source does not show its open transactions: grant the user PROCESS, or give lookback_seconds for long ones"

NODES: Final = """
SELECT TABLE_NAME FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = DATABASE() AND LEFT(TABLE_NAME, 6) = 'syncd_' AND RIGHT(TABLE_NAME, 5) = '_node' ORDER BY 1"""


class MysqlSource:
    """Reads one database through one connection."""

    formats: tuple[Format, ...] = (Format.COPYTEXT, Format.ROWS)
    apart = True
    product: str = PRODUCT

    def __init__(self, session: Session, window_rows: int) -> None:
        self._session = session
        self._window_rows = window_rows
        self._known: dict[TableName, tuple[Stamp, Described]] = {}

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query."""
        return chosen(self._session, relation)[0]

    def identity(self, relation: Relation) -> str:
        """The table by its server, name and number there."""
        found = find(self._session, relation.table) if relation.table is not None else None
        return table_identity(self._session, found)

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen? One question for all sums."""
        same = [False] * len(extracts)
        branches: list[str] = []
        cursors: dict[int, Cursor] = {}
        stamps = stamps_of(
            self._session, {e.relation.table for e in extracts if e.relation.table is not None}
        )
        for index, extract in enumerate(extracts):
            cursor = cursor_from_text(extract.cursor)
            if (
                cursor is None
                or cursor.loading
                or extract.relation.bounded
                or not follows(cursor, extract.check_columns, extract.lookback_seconds)
            ):
                continue
            try:
                ground = find_ground(self._session, extract, self._described(extract.relation, stamps))
            except SyncdError:
                # The run itself will say what is wrong.
                continue
            if ground.cursor is None or cursor.seen is None:
                continue
            cursors[index] = cursor
            condition = since(ground.column, cursor.seen.since, ground.start)
            branches.append(f"SELECT {index}, {sum_of(ground.table)} FROM {ground.text}{where(condition)}")
        if not branches:
            return same
        try:
            rows = self._session.execute(" UNION ALL ".join(branches)).rows
        except SyncdError:
            # One of the tables changed its shape; the run of that step says what is wrong.
            return same if len(extracts) == 1 else [self.unchanged([extract])[0] for extract in extracts]
        for index, count, total in rows:
            seen = cursors[int(index)].seen
            same[int(index)] = seen is not None and (seen.rows, seen.sum) == (int(count), total)
        return same

    def accounted(self, cursor: str) -> str | None:
        """None: a table does not say which rows are gone."""
        return None

    def clusters(self) -> list[str]:
        """Those that keep something in this database, by their parts of names."""
        rows = self._session.execute(NODES).rows
        return [str(name).removeprefix("syncd_").removesuffix("_node") for (name,) in rows]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Look at the horizon, take a snapshot and cut what is to be read into windows."""
        if extract.keys is not None:
            return self._open_keys(extract, extract.keys)
        ground = find_ground(self._session, extract)
        ground, horizon, candidate = self._look(ground)
        open_now = self._settle(horizon.open, check, wait=ground.first and ground.column is not None)
        pending = ground.cursor.pending if ground.cursor else None
        settled = pending is None or ended(self._session, pending.open)
        self._session.begin(SNAPSHOT)
        try:
            if went_back(self._session, ground):
                ground = without_cursor(ground, "the source has no row at its mark any more")
            final = next_mark(ground.cursor, candidate, open_now, settled=settled)
            return self._reading(ground, horizon, final)
        except BaseException:
            self._session.rollback()
            raise

    def join(self, reading: Reading) -> Reading:
        """Never: the server lets nobody join a snapshot."""
        raise FatalError("the snapshots of this server cannot be shared", code="not_shared")

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        ground, horizon, _ = self._look(find_ground(self._session, extract))
        condition = self._changed(ground)
        rows, null_rows, future_rows = self._count(ground, horizon, condition)
        return {
            "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{where(condition)}",
            "windows": len(self._windows(ground, horizon, rows, condition)),
            "rows_estimated": rows,
            "null_rows": null_rows,
            "future_rows": future_rows,
            "index": self._indexed(ground),
        }

    def tables(self) -> list[TableName]:
        """All tables and views that may be read."""
        return [TableName(name, schema) for schema, name in self._session.execute(TABLES).rows]

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """How many rows, and the lowest and highest value of a whole-number key column."""
        return key_range(self._session, relation, column)

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Rows and checksum of each chunk, grouped by the server in one scan."""
        return sums(self._session, relation, chunks, check)

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """These columns of all rows, or of the rows in `chunks.only`."""
        return rows_of_chunks(self._session, relation, columns, chunks, check)

    def tune(self, tuning: Tuning) -> None:
        """Behave so until told otherwise."""
        self._session.tune(tuning)

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _described(self, relation: Relation, stamps: Mapping[TableName, Stamp]) -> Described:
        """What the catalogue says about a relation; not asked again while the table keeps its stamp."""
        name = relation.table
        stamp = stamps.get(name) if name is not None and relation.select is None else None
        if name is None or stamp is None:
            return look_up(self._session, relation)
        known = self._known.get(name)
        if known is None or known[0] != stamp:
            # The stamp was taken before: a change that comes meanwhile is noticed the next time.
            known = self._known[name] = (stamp, look_up(self._session, Relation(table=name)))
        return known[1]

    def _open_keys(self, extract: Extract, keys: Sequence[tuple[object, ...]]) -> MysqlReading:
        ground = find_ground(self._session, replace(extract, cursor=None, start=None, check_columns=()))
        self._session.begin(SNAPSHOT)
        try:
            windows = by_keys(ground.table, keys)
            table = ground.table
            for window in windows:
                # All keys in one statement might be more than the server takes.
                table = observe(self._session, table, ground.text, cast("Selector", window.selector).where)
        except BaseException:
            self._session.rollback()
            raise
        return MysqlReading(
            self._session,
            table,
            ground.text,
            windows,
            Cursor("", None),
            extract,
            mode="keys",
            rows_estimated=len(keys),
        )

    def _look(self, ground: Ground) -> tuple[Ground, Horizon, Value]:
        """The horizon, what could become the mark below it, and the ground with its marks in the query."""
        column = ground.column
        if column is None:
            return ground, Horizon(None, None, ()), None
        if column.type.kind in TIMES:
            horizon = look(self._session, column.type.kind)
            ground = bind_marks(self._session, ground, horizon)
            return ground, horizon, self._candidate(ground, horizon)
        # A number is given out before it is seen: who holds a lower one still was open after the highest was read.
        ground = bind_marks(self._session, ground, Horizon(None, None, ()))
        candidate = self._candidate(ground, Horizon(None, None, ()))
        return ground, look(self._session, column.type.kind), candidate

    def _changed(self, ground: Ground) -> str:
        """The rows at and after the mark, and those without a value; empty for everything."""
        if ground.extract.relation.bounded:
            return ""
        if ground.cursor is None or ground.cursor.loading:
            return since(ground.column, None, ground.start)
        return since(ground.column, lowest(ground, ground.cursor.mark), ground.start)

    def _candidate(self, ground: Ground, horizon: Horizon) -> Value:
        column = ground.column
        if column is None:
            return None
        upper = f"{named(column)} < {mark_literal(horizon.upper, column)}" if horizon.upper else ""
        value: Value = self._session.value(
            f"SELECT {mark_text(f'MAX({named(column)})', column)} FROM {ground.text}{where(upper)}"
        )
        return value

    def _settle(self, numbers: tuple[str, ...], check: Check, *, wait: bool) -> tuple[str, ...]:
        """Those of the transactions that still run, after a short wait when one is worth it."""
        deadline = time.monotonic() + (SETTLE_SECONDS if wait else 0)
        while not ended(self._session, numbers):
            check()
            if time.monotonic() >= deadline:
                return numbers
        return ()

    def _reading(self, ground: Ground, horizon: Horizon, final: Cursor) -> MysqlReading:
        cursor = ground.cursor
        condition = self._changed(ground)
        name = ground.column.name if ground.column else None
        bounded = ground.extract.relation.bounded
        if cursor is not None and ground.loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            final = replace(cursor, loading=False, position=None, seen=None)
        else:
            final = replace(final, identity=ground.identity, column=name, columns=ground.table.shape)
        rows, null_rows, future_rows = self._count(ground, horizon, condition)
        small = rows <= COUNTED_ROWS and size_bytes(self._session, ground.found) <= SUMMED_BYTES
        summed = ground.column is not None or cursor is not None or small
        if not ground.loading and summed and not bounded and ground.extract.changes is None:
            final = replace(final, seen=self._sum(ground, final.mark))
        warnings = warnings_of(
            ground.column, null_rows, future_rows, pending=final.pending is not None, resumed=ground.loading
        )
        if horizon.blind and not ground.extract.lookback_seconds:
            warnings += (BLIND,)
        return MysqlReading(
            self._session,
            observe(self._session, ground.table, ground.text, condition),
            ground.text,
            self._windows(ground, horizon, rows, condition),
            final,
            ground.extract,
            mode=mode_of(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not ground.loading else None,
            rows_estimated=rows,
            warnings=warnings,
        )

    def _windows(self, ground: Ground, horizon: Horizon, rows: int, condition: str) -> list[Window]:
        if ground.extract.relation.bounded:
            return [Window(1, "between the marks", whole=False, selector=Selector(""))]
        if not ground.first and ground.column is not None:
            return [Window(1, "changes", whole=False, selector=Selector(condition))]
        return cut(self._session, ground, rows, self._window_rows, horizon.present)

    def _count(self, ground: Ground, horizon: Horizon, condition: str) -> tuple[int, int, int]:
        tail = where(condition)
        column = ground.column
        if column is None:
            # On a first load of a large table the server's estimate will do: counting is worth a scan.
            whole = not condition and ground.extract.changes is None
            if ground.found is not None and whole and ground.found.rows > COUNTED_ROWS:
                return ground.found.rows, 0, 0
            return int(self._session.value(f"SELECT COUNT(*) FROM {ground.text}{tail}")), 0, 0
        future = f"{named(column)} > {mark_literal(horizon.present, column)}" if horizon.present else "FALSE"
        row = self._session.execute(
            f"SELECT COUNT(*), IFNULL(SUM({named(column)} IS NULL), 0), IFNULL(SUM({future}), 0)"
            f" FROM {ground.text}{tail}"
        ).rows[0]
        return int(row[0]), int(row[1]), int(row[2])

    def _sum(self, ground: Ground, mark: Value) -> Seen:
        low = lowest(ground, mark)
        condition = since(ground.column, low, ground.start)
        row = self._session.execute(
            f"SELECT {sum_of(ground.table)} FROM {ground.text}{where(condition)}"
        ).rows[0]
        return Seen(int(row[0]), str(row[1]), low, ground.extract.lookback_seconds)

    def _indexed(self, ground: Ground) -> bool:
        if ground.column is None or ground.found is None:
            return ground.column is None and bool(ground.table.key)
        name = ground.found.name
        found = self._session.value(
            "SELECT COUNT(*) FROM information_schema.STATISTICS"
            " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s AND SEQ_IN_INDEX = 1",
            (name.schema, name.name, ground.column.name),
        )
        return int(found) > 0
