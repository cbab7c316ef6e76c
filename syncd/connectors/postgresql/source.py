"""A PostgreSQL database as a source: what changed since a cursor, in one snapshot."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from syncd.connectors.postgresql.catalog import database_identity, describe, find
from syncd.connectors.postgresql.ground import (
    SUM,
    TIMES,
    Ground,
    find_ground,
    follows,
    lowest,
    since,
    sum_branch,
    went_back,
)
from syncd.connectors.postgresql.horizon import Horizon, ended, look, next_mark
from syncd.connectors.postgresql.quoting import literal
from syncd.connectors.postgresql.reading import PostgresqlReading, Selector
from syncd.connectors.postgresql.session import Session, quote
from syncd.errors import SyncdError
from syncd.model.batch import Format
from syncd.model.cursor import Cursor, Seen, Value, cursor_from_text
from syncd.model.following import mode_of, warnings_of
from syncd.model.plan import Relation
from syncd.model.reading import Extract, Window
from syncd.model.table import Column, Kind, Table, TableName
from syncd.ports import Check, Reading

SETTLE_SECONDS: Final = 5.0
"""How long a first load waits for transactions that were open before it, so that its mark can be trusted at once."""
SETTLE_STEP_SECONDS: Final = 0.02
SUMMED_ROWS: Final = 100_000
"""Up to how many rows a first load without check column is summed, so that the next run can find it unchanged."""
FINITE: Final = {
    Kind.FLOAT: "{name} < 'Infinity'",
    Kind.DECIMAL: "{name}::text NOT IN ('NaN', 'Infinity')",
}
"""Nothing may ever follow these values, so they never become the mark."""


class PostgresqlSource:
    """Reads one database through one connection."""

    formats: tuple[Format, ...] = (Format.PGCOPY, Format.COPYTEXT, Format.ROWS)

    def __init__(self, session: Session, window_rows: int) -> None:
        self._session = session
        self._window_rows = window_rows
        # Names as they are spelt in the catalogue; the question itself notices when one means another table now.
        self._names: dict[TableName, str] = {}
        self._place = database_identity(session)

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query."""
        return describe(self._session, relation)[0]

    def identity(self, relation: Relation) -> str:
        """The table by its database and its number there."""
        found = find(self._session, relation.table) if relation.table is not None else None
        return f"{self._place}/{found.oid}" if found else ""

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: are the rows at and after its mark still those that were seen? One question for all of them."""
        cursors = [cursor_from_text(extract.cursor) for extract in extracts]
        branches: list[str] = []
        for index, (extract, cursor) in enumerate(zip(extracts, cursors, strict=True)):
            if cursor is None or cursor.loading or not follows(cursor, extract):
                continue
            named = self._name_of(extract.relation)
            text = named if extract.relation.select is None else f"({extract.relation.select}\n)"
            if not text:
                continue
            branches.append(sum_branch(index, named, text, cursor))
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

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Look at the horizon, take a snapshot and cut what is to be read into windows."""
        ground = find_ground(self._session, extract, self._place)
        horizon = self._horizon(ground)
        candidate = self._candidate(ground, horizon)
        if ground.column is not None and ground.column.type.kind not in TIMES:
            # A number is given out before it is seen: who holds a lower one still was open after the highest was read.
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
            final = next_mark(ground.cursor, candidate, open_now, settled=settled)
            return self._reading(ground, horizon, final)
        except BaseException:
            self._session.rollback()
            raise

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people."""
        ground = find_ground(self._session, extract, self._place)
        horizon = self._horizon(ground)
        where = self._changed(ground)
        rows, null_rows, future_rows = self._count(ground, horizon, where)
        tail = f" WHERE {where}" if where else ""
        return {
            "sql": f"SELECT {', '.join(ground.table.column_names)} FROM {ground.text}{tail}",
            "windows": 1 if where else len(self._windows(ground, rows, None)),
            "rows_estimated": rows,
            "null_rows": null_rows,
            "future_rows": future_rows,
            "index": self._indexed(ground),
        }

    def cancel(self) -> None:
        """Ask the server to stop whatever runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

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
        if ground.cursor is None or ground.cursor.loading:
            return ""
        return since(ground.column, lowest(self._session, ground, ground.cursor.mark))

    def _candidate(self, ground: Ground, horizon: Horizon) -> Value:
        if ground.column is None:
            return None
        name, native = f"t.{quote(ground.column.name)}", ground.column.type.native
        bound = FINITE.get(ground.column.type.kind, "").format(name=name)
        if horizon.upper is not None:
            bound = f"{name} < {literal(horizon.upper, native)}"
        where = f" WHERE {bound}" if bound else ""
        value: Value = self._session.value(f"SELECT max({name})::text FROM {ground.text}{where}")
        return value

    def _settle(self, numbers: tuple[str, ...], check: Check, *, wait: bool) -> tuple[str, ...]:
        """Those of the transactions that still run, after a short wait when one is worth it."""
        deadline = time.monotonic() + (SETTLE_SECONDS if wait else 0)
        while not ended(self._session, numbers):
            check()
            if time.monotonic() >= deadline:
                return numbers
            time.sleep(SETTLE_STEP_SECONDS)
        return ()

    def _reading(self, ground: Ground, horizon: Horizon, final: Cursor) -> PostgresqlReading:
        cursor = ground.cursor
        loading = cursor is not None and cursor.loading
        where = self._changed(ground)
        name = ground.column.name if ground.column else None
        if cursor is not None and loading:
            # Rows that changed since the load began are found by the mark of its first snapshot.
            final = replace(cursor, loading=False, position=None, seen=None)
        else:
            final = replace(final, identity=ground.identity, column=name, columns=ground.table.shape)
        rows, null_rows, future_rows = self._count(ground, horizon, where)
        if not loading and (ground.column is not None or cursor is not None or rows <= SUMMED_ROWS):
            final = replace(final, seen=self._sum(ground, final.mark))
        position = cursor.position if cursor is not None and loading else None
        windows = (
            [Window(1, "changes", whole=False, selector=Selector(where))]
            if where
            else self._windows(ground, rows, position)
        )
        return PostgresqlReading(
            self._session,
            ground.table,
            ground.text,
            windows,
            final,
            mode=mode_of(cursor, ground.column),
            reset=ground.reset,
            mark_from=cursor.mark if cursor and not loading else None,
            rows_estimated=rows,
            warnings=warnings_of(
                ground.column,
                null_rows,
                future_rows,
                pending=final.pending is not None,
                resumed=loading,
                standby=horizon.standby and not ground.lookback_seconds,
            ),
        )

    def _count(self, ground: Ground, horizon: Horizon, where: str) -> tuple[int, int, int]:
        tail = f" WHERE {where}" if where else ""
        if ground.column is None:
            # On a first load the planner's estimate will do: counting a large table is worth a scan.
            if ground.found is not None and not where and ground.found.rows >= 0:
                return ground.found.rows, 0, 0
            return int(self._session.value(f"SELECT count(*) FROM {ground.text}{tail}")), 0, 0
        name, native = f"t.{quote(ground.column.name)}", ground.column.type.native
        future = f"{name} > {literal(horizon.present, native)}" if horizon.present else "false"
        row = self._session.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {name} IS NULL), count(*) FILTER (WHERE {future})"
            f" FROM {ground.text}{tail}"
        ).fetchone()
        return (int(row[0]), int(row[1]), int(row[2])) if row else (0, 0, 0)

    def _sum(self, ground: Ground, mark: Value) -> Seen:
        low = lowest(self._session, ground, mark)
        where = since(ground.column, low)
        row = self._session.execute(
            f"SELECT {SUM} FROM {ground.text}{f' WHERE {where}' if where else ''}"
        ).fetchone()
        rows, total = (int(row[0]), str(row[1])) if row else (0, "0")
        return Seen(rows, total, low, ground.lookback_seconds)

    def _windows(self, ground: Ground, rows: int, position: Value) -> list[Window]:
        """Ranges of the check column, or of the key's first column, of about `window_rows` rows each."""
        by = ground.column or (ground.table.column(ground.table.key[0]) if ground.table.key else None)
        if by is None:
            return [Window(1, "all rows", whole=True, selector=Selector(""))]
        edges = self._edges(ground, by, rows, position) if rows > self._window_rows else []
        name, native = f"t.{quote(by.name)}", by.type.native
        windows = []
        low = position
        for number, high in enumerate([*edges, None], 1):
            parts = [f"{name} >= {literal(low, native)}"] if low is not None else []
            parts += [f"{name} < {literal(high, native)}"] if high is not None else []
            where = " AND ".join(parts)
            if high is None and low is not None:
                # Rows without a value come with the last window.
                where = f"({where} OR {name} IS NULL)"
            windows.append(
                Window(number, where or "all rows", whole=position is None, selector=Selector(where, high))
            )
            low = high
        return windows

    def _edges(self, ground: Ground, by: Column, rows: int, position: Value) -> list[Value]:
        """Values that cut the rows into about equal parts, from a sample; fewer when they are not distinct."""
        count = -(-rows // self._window_rows)
        share = min(100.0, max(1.0, 100.0 * 20_000 / max(rows, 1)))
        sampled = (
            f"{ground.found.text} AS t TABLESAMPLE SYSTEM ({share:.4f}) REPEATABLE (1)"
            if ground.found and ground.found.kind in {"r", "p", "m"} and ground.text.startswith('"')
            else ground.text
        )
        name, native = f"t.{quote(by.name)}", by.type.native
        since = f" WHERE {name} >= {literal(position, native)}" if position is not None else ""
        fractions = ", ".join(str(i / count) for i in range(1, count))
        row = self._session.execute(
            f"SELECT (percentile_disc(ARRAY[{fractions}]) WITHIN GROUP (ORDER BY {name}))::text[] FROM {sampled}{since}"
        ).fetchone()
        edges: list[Value] = []
        for edge in (row[0] if row else None) or []:
            if edge is not None and edge not in [*edges[-1:], position]:
                edges.append(edge)
        return edges

    def _indexed(self, ground: Ground) -> bool:
        if ground.column is None or ground.found is None:
            return ground.column is None and bool(ground.table.key)
        return bool(
            self._session.value(
                "SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
                " AND a.attnum = i.indkey[0] WHERE i.indrelid = %s AND a.attname = %s AND i.indpred IS NULL)",
                (ground.found.oid, ground.column.name),
            )
        )
