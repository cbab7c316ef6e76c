"""A PostgreSQL database as a source: what changed since a cursor, in one snapshot."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from syncd.connectors.postgresql.bounded import fill_marks
from syncd.connectors.postgresql.catalog import database_identity, describe, find, list_tables
from syncd.connectors.postgresql.ground import (
    Ground,
    find_ground,
    lowest,
    since,
    sum_branch,
    went_back,
)
from syncd.connectors.postgresql.horizon import Horizon, ended, look
from syncd.connectors.postgresql.reading import PostgresqlReading
from syncd.connectors.postgresql.rows import lines_to_rows
from syncd.connectors.postgresql.session import Session
from syncd.connectors.postgresql.start import TIMES
from syncd.connectors.postgresql.sums import find_relation, key_range, make_sums, select_chunks, snapshot
from syncd.connectors.postgresql.tally import Tally, find_candidate, is_indexed, see, take_tally, width
from syncd.connectors.postgresql.types import PRODUCT
from syncd.connectors.postgresql.window import interval_windows, key_windows, row_windows, single_window
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.choice import choose_columns
from syncd.model.cursor import Cursor, Value, cursor_from_text
from syncd.model.following import follows, mode_of, next_mark, warnings_of
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums, Tuning, Window
from syncd.model.table import Table, TableName
from syncd.ports import Check, Reading

SETTLE_SECONDS: Final = 5.0
"""How long a first load waits for transactions that were open before it, so that its mark can be trusted at once."""
SETTLE_STEP_SECONDS: Final = 0.02
SUMMED_ROWS: Final = 100_000
SUMMED_BYTES: Final = 64 * 1024 * 1024
"""Up to how many rows, and about how many bytes, a first load is summed, so that the next run can find it unchanged."""

NODES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind = 'r'
   AND left(relname, 6) = 'syncd_' AND right(relname, 5) = '_node' ORDER BY relname"""


class PostgresqlSource:
    """Reads one database through one connection."""

    formats: tuple[Format, ...] = (Format.PGCOPY, Format.UTCTEXT, Format.COPYTEXT, Format.ROWS)
    apart = True

    def __init__(self, session: Session, window_rows: int) -> None:
        self._session = session
        self._window_rows = window_rows
        # Names as they are spelt in the catalogue; the question itself notices when one means another table now.
        self._names: dict[TableName, str] = {}
        self._place = database_identity(session)
        # A row's text is summed as the database keeps it.
        self.product = PRODUCT if session.encoding == "UTF8" else f"{PRODUCT}/{session.encoding}"

    def describe(self, relation: Relation) -> Table:
        """The chosen columns and the key of a table or query."""
        return choose_columns(describe(self._session, relation)[0], relation)

    def identity(self, relation: Relation) -> str:
        """The table by its database and its number there."""
        found = find(self._session, relation.table) if relation.table is not None else None
        return f"{self._place}/{found.oid}" if found else ""

    def tables(self) -> list[TableName]:
        """All tables and views that may be read; schemas are always named."""
        return list_tables(self._session)

    def tune(self, tuning: Tuning) -> None:
        """Set the limit for statements without progress, and who hears of each statement."""
        self._session.tune(tuning)

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen? One question for all of them."""
        cursors = [cursor_from_text(extract.cursor) for extract in extracts]
        branches: list[str] = []
        for index, (extract, cursor) in enumerate(zip(extracts, cursors, strict=True)):
            if (
                cursor is None
                or cursor.loading
                or not follows(cursor, extract.check_columns, extract.lookback_seconds)
            ):
                continue
            named = self._name_of(extract.relation)
            text = named if extract.relation.select is None else f"({extract.relation.select}\n)"
            if not text or extract.relation.bounded or extract.keys is not None:
                continue
            branches.append(sum_branch(index, named, text, cursor, extract.start))
        same = [False] * len(extracts)
        if not branches:
            return same
        try:
            rows = self._session.execute(" UNION ALL ".join(branches)).fetchall()
        except SyncdError:
            # One of the tables changed its shape; the run of that step says what is wrong.
            return same if len(extracts) == 1 else [self.unchanged([extract])[0] for extract in extracts]
        for index, identity, count, total in rows:
            cursor = cursors[index]
            same[index] = (
                cursor is not None
                and cursor.seen is not None
                and (cursor.seen.rows, cursor.seen.sum) == (count, total)
                and cursor.identity == f"{self._place}/{identity}"
            )
        return same

    def accounted(self, cursor: str) -> str | None:
        """None: a table does not say which rows are gone."""
        return None

    def clusters(self) -> list[str]:
        """Those that keep something in the schema of this connection, by their parts of names."""
        return [name[len("syncd_") : -len("_node")] for (name,) in self._session.execute(NODES).fetchall()]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Look at the horizon, take a snapshot and cut what is to be read into windows."""
        if extract.keys is not None:
            extract = replace(extract, cursor=None, check_columns=(), start=None)
        ground = self._find_ground(extract)
        if extract.keys is not None:
            return self._reading_of_keys(ground, extract, extract.keys)
        horizon = self._horizon(ground)
        if ground.bounded:
            ground = fill_marks(self._session, ground, extract, horizon)
        candidate: Value = None
        if ground.column is not None and ground.column.type.kind not in TIMES:
            # A number is given out before it is seen: who holds a lower one still was open after the highest was read.
            candidate = find_candidate(self._session, ground, horizon)
            horizon = self._horizon(ground)
        first = ground.cursor is None or ground.cursor.loading
        open_now = self._settle(horizon.open, check, wait=first and ground.column is not None)
        pending = ground.cursor.pending if ground.cursor else None
        settled = pending is None or ended(self._session, pending.open)
        self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            if went_back(self._session, ground):
                reset = "the source has no row at its mark any more"
                ground = replace(ground, cursor=None, reset=reset)
            where = self._changed(ground)
            tally = take_tally(self._session, ground, horizon, where)
            if horizon.upper is not None:
                # Whoever may still write below that bound was open when it was taken, and has bounded it.
                candidate = tally.candidate
            final = next_mark(ground.cursor, candidate, open_now, settled=settled)
            return self._reading(ground, extract, horizon, tally, where, final)
        except BaseException:
            self._session.rollback()
            raise

    def join(self, reading: Reading) -> Reading:
        """Take the snapshot of a reading that another session holds open.

        Raises:
            FatalError: it is no reading of this connector.
        """
        if not isinstance(reading, PostgresqlReading):
            raise FatalError("this reading cannot be shared", code="not_shared")
        return reading.on(self._session)

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        ground = self._find_ground(extract)
        horizon = self._horizon(ground)
        if ground.bounded:
            ground = fill_marks(self._session, ground, extract, horizon)
        where = self._changed(ground)
        tally = take_tally(self._session, ground, horizon, where)
        tail = f" WHERE {where}" if where else ""
        return {
            "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{tail}",
            "windows": len(self._windows(ground, extract, tally, where, None)),
            "rows_estimated": tally.rows,
            "null_rows": tally.null_rows,
            "future_rows": tally.future_rows,
            "index": is_indexed(self._session, ground),
        }

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """How many rows, and the lowest and highest value of a whole-number key column (0, 0, 0 without rows)."""
        return key_range(self._session, relation, column)

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Rows and checksum of each chunk, in one scan."""
        return make_sums(self._session, relation, chunks, check)

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """These columns of all rows, or of the rows in `chunks.only`, as tuples."""
        table, text = find_relation(self._session, relation)
        wanted = replace(table, columns=tuple(c for name in columns if (c := table.column(name))))
        sql = select_chunks(table, text, columns, chunks)
        with (
            snapshot(self._session),
            closing(self._session.copy_out(f"COPY ({sql}) TO STDOUT", check)) as blocks,
        ):
            for data, rows in blocks:
                yield Batch(Format.ROWS, lines_to_rows(data, wanted), rows)

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _find_ground(self, extract: Extract) -> Ground:
        ground = find_ground(self._session, extract, self._place)
        if (
            extract.interval is not None
            and ground.column is not None
            and ground.column.type.kind not in TIMES
        ):
            raise FatalError(
                f"{ground.table.name} cannot be read in stretches of time: {ground.column.name} is {ground.column.type}",
                hint="follow a column of a time type, or cut by rows: window_rows",
                code="bad_interval",
            )
        return ground

    def _name_of(self, relation: Relation) -> str:
        """The quoted name of the relation's one table; empty when it has none, or the table is not there."""
        if relation.table is None:
            return ""
        if relation.table not in self._names:
            found = find(self._session, relation.table)
            if found is None:
                return ""
            self._names[relation.table] = found.text
        return self._names[relation.table]

    def _horizon(self, ground: Ground) -> Horizon:
        return look(self._session, ground.column.type.kind) if ground.column else Horizon(None, None, ())

    def _changed(self, ground: Ground) -> str:
        """The rows at and after the mark, and those without a value; empty for everything."""
        if ground.cursor is None or ground.cursor.loading or ground.bounded:
            return ""
        return since(ground.column, lowest(self._session, ground, ground.cursor.mark))

    def _settle(self, numbers: tuple[str, ...], check: Check, *, wait: bool) -> tuple[str, ...]:
        """Those of the transactions that still run, after a short wait when one is worth it."""
        deadline = time.monotonic() + (SETTLE_SECONDS if wait else 0)
        while not ended(self._session, numbers):
            check()
            if time.monotonic() >= deadline:
                return numbers
            time.sleep(SETTLE_STEP_SECONDS)
        return ()

    def _reading(
        self, ground: Ground, extract: Extract, horizon: Horizon, tally: Tally, where: str, final: Cursor
    ) -> PostgresqlReading:
        cursor = ground.cursor
        loading = cursor is not None and cursor.loading
        name = ground.column.name if ground.column else None
        if cursor is not None and loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            final = replace(cursor, loading=False, position=None, seen=None)
        else:
            final = replace(final, identity=ground.identity, column=name, columns=ground.table.shape)
            if extract.changes is None and self._is_worth_summing(ground, tally):
                final = replace(final, seen=see(self._session, ground, final.mark))
        position = cursor.position if cursor is not None and loading else None
        return PostgresqlReading(
            self._session,
            ground.table,
            ground.text,
            self._windows(ground, extract, tally, where, position),
            final,
            mode=mode_of(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not loading else None,
            rows_estimated=tally.rows,
            warnings=warnings_of(
                ground.column,
                tally.null_rows,
                tally.future_rows,
                pending=final.pending is not None,
                resumed=loading,
                standby=horizon.standby and not ground.lookback_seconds,
            ),
            batch_rows=extract.batch_rows,
            batch_bytes=extract.batch_bytes,
            changes=extract.changes,
        )

    def _reading_of_keys(
        self, ground: Ground, extract: Extract, keys: tuple[tuple[object, ...], ...]
    ) -> PostgresqlReading:
        windows = key_windows(ground, keys)
        self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return PostgresqlReading(
            self._session,
            ground.table,
            ground.text,
            windows,
            Cursor(ground.identity, None),
            mode="keys",
            reset="",
            mark_from=None,
            rows_estimated=len(keys),
            warnings=(),
            batch_rows=extract.batch_rows,
            batch_bytes=extract.batch_bytes,
        )

    def _is_worth_summing(self, ground: Ground, tally: Tally) -> bool:
        """Shall the next run be able to find everything unchanged? A first load is not worth a scan more for it."""
        if ground.bounded:
            return False
        if ground.cursor is not None:
            return True
        if tally.rows <= SUMMED_ROWS:
            return ground.column is not None or tally.rows * width(self._session, ground) <= SUMMED_BYTES
        return ground.column is not None and is_indexed(self._session, ground)

    def _windows(
        self, ground: Ground, extract: Extract, tally: Tally, where: str, position: Value
    ) -> list[Window]:
        if ground.bounded:
            return single_window("between two marks", whole=ground.cursor is None)
        if where:
            return single_window("changes", where, whole=False)
        if extract.single:
            return row_windows(self._session, ground, 0, 1, position)
        if extract.interval is not None and ground.column is not None:
            return interval_windows(self._session, ground, extract.interval, tally.candidate, position)
        window_rows = extract.window_rows or self._window_rows
        return row_windows(self._session, ground, tally.rows, window_rows, position)
