"""One window into one table in memory."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncd.errors import BusyError, FatalError, RowRejectedError
from syncd.model.batch import Batch
from syncd.model.run import Counters
from syncd.model.writing import ACTIVE, SINCE, UNTIL, Mode, Reject, Target
from syncd.ports import Check
from tests.memory_store import Kept, MemoryPort, MemoryTable, Row, present


class MemoryWriting:
    """Rows that become the store's at commit; until then they stand in a copy."""

    def __init__(self, port: MemoryPort, target: Target, check: Check) -> None:
        self._port, self._target, self._check = port, target, check
        self._rows: list[Row] = []
        self._counters = Counters()
        self._done = False
        old = port.store.find(target.table.name)
        if target.mode is Mode.RECREATE and old is not None and old.watched:
            raise FatalError(
                f"table {target.table.name} cannot be replaced: a view reads it", code="table_in_use"
            )
        fresh = target.create or old is None or target.mode in {Mode.REPLACE, Mode.RECREATE}
        table = target.table if old is None or target.mode is Mode.RECREATE else old.table
        self._into = MemoryTable(
            table, [] if fresh or old is None else list(old.rows), positive=old.positive if old else ""
        )
        self._match = target.match or target.table.key
        self._aside = dict(port.store.rejects.get((target.key.job, target.key.step), {}))

    def write(self, batch: Batch) -> None:
        """Collect."""
        self._check()
        self._port.look()
        self._rows.extend(batch.data)  # type: ignore[arg-type]

    def finish(self) -> Counters:
        """Merge into the copy."""
        self._port.look()
        self._port.tell(f"write {self._target.table.name}")
        if not self._target.careful:
            self._counters = self._take(self._rows)
        return self._counters

    def apply(self, batch: Batch) -> Counters:
        """Merge into the copy at once, or leave it as it was."""
        self._port.look()
        before = list(self._into.rows)
        try:
            counters = self._take(list(batch.data))  # type: ignore[arg-type]
        except FatalError as error:
            self._into.rows = before
            if error.code != "key_exists":
                raise
            raise RowRejectedError(error.message, where=str(self._target.table.name)) from error
        self._counters = self._counters + counters
        return counters

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        """Out of the copy, or marked there."""
        self._port.look()
        wanted = set(keys)
        gone = [at for at, row in enumerate(self._into.rows) if self._key(row) in wanted]
        if self._target.mode is Mode.HISTORY:
            gone = [at for at in gone if self._value(self._into.rows[at], ACTIVE)]
            self._end(gone, self._moment(gone))
        elif mark:
            gone = [at for at in gone if self._value(self._into.rows[at], mark) is None]
            for at in gone:
                self._into.rows[at] = self._with(self._into.rows[at], {mark: present()})
        else:
            lost = set(gone)
            self._into.rows = [row for at, row in enumerate(self._into.rows) if at not in lost]
        return len(gone)

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Instead of older ones; the first time stays, and the attempts add up."""
        for reject in rejects:
            old = self._aside.get(reject.key)
            at = old.at if old else reject.at or present()
            attempts = reject.attempts + (old.attempts if old else 0)
            self._aside[reject.key] = replace(reject, at=at, attempts=attempts)

    def let_go(self, keys: Sequence[str]) -> None:
        """Out of the copy."""
        for key in keys:
            self._aside.pop(key, None)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Put the copy and the cursor in place together."""
        target, store = self._target, self._port.store
        key = (target.key.job, target.key.step)
        kept = store.cursors.get(key)
        if (kept.revision if kept else 0) != target.revision:
            raise BusyError(f"another run moved the cursor of {target.key.step}")
        if target.create or target.mode is Mode.RECREATE:
            store.create(target.table)
        table = store.tables[target.table.name.name]
        table.rows = self._into.rows
        if target.mode is Mode.REPLACE:
            others = [name for name, each in store.cursors.items() if each.number == table.number]
            for name in others:
                del store.cursors[name]
        store.cursors[key] = Kept(
            target.revision + 1, cursor, mark, target.digest, rows, table.number, target.key.target, present()
        )
        store.rejects[key] = self._aside
        self._done = True
        return target.revision + 1

    def abandon(self) -> None:
        """Forget the rows."""
        self._rows = []

    def _take(self, rows: list[Row]) -> Counters:
        target, into = self._target, self._into
        places = [into.table.column_names.index(name) for name in target.columns]
        matched = target.mode in {Mode.MERGE, Mode.HISTORY}
        names = [target.columns.index(name) for name in self._match] if matched else []
        if matched and len({tuple(row[at] for at in names) for row in rows}) < len(rows):
            raise FatalError(
                f"the query for {into.table.name} gives the same key more than once", code="duplicate_key"
            )
        given = [dict(zip((into.table.column_names[at] for at in places), row, strict=True)) for row in rows]
        match target.mode:
            case Mode.MERGE:
                return self._merge(given)
            case Mode.HISTORY:
                return self._keep_history(given)
            case _:
                return self._append(given)

    def _append(self, given: list[dict[str, Any]]) -> Counters:
        for values in given:
            self._into.rows.append(self._fitting(self._with(self._blank, values)))
        keys = [self._into.key_of(row) for row in self._into.rows]
        if self._into.table.key and len(set(keys)) < len(keys):
            raise FatalError("a row with the same key exists already", code="key_exists")
        return Counters(len(given), len(given))

    def _merge(self, given: list[dict[str, Any]]) -> Counters:
        places = {self._key(row): at for at, row in enumerate(self._into.rows)}
        inserted = updated = 0
        for values in given:
            at = places.get(tuple(values[name] for name in self._match))
            if self._target.revive:
                values = {**values, self._target.revive: None}
            if at is None:
                self._into.rows.append(self._fitting(self._with(self._blank, values)))
                inserted += 1
                continue
            row = self._fitting(self._with(self._into.rows[at], values))
            # As texts, since -0.0 is another value than 0.0.
            if repr(row) != repr(self._into.rows[at]):
                self._into.rows[at] = row
                updated += 1
        return Counters(len(given), inserted, updated, len(given) - inserted - updated)

    def _keep_history(self, given: list[dict[str, Any]]) -> Counters:
        active = {self._key(row): at for at, row in enumerate(self._into.rows) if self._value(row, ACTIVE)}
        new, ended = [], []
        for values in given:
            at = active.get(tuple(values[name] for name in self._match))
            if at is None:
                new.append(values)
            elif repr(self._with(self._into.rows[at], values)) != repr(self._into.rows[at]):
                new.append(values)
                ended.append(at)
        keys = {tuple(values[name] for name in self._match) for values in new}
        now = self._moment([at for at, row in enumerate(self._into.rows) if self._key(row) in keys])
        self._end(ended, now)
        for values in new:
            version = {**values, SINCE: now, UNTIL: None, ACTIVE: True}
            self._into.rows.append(self._fitting(self._with(self._blank, version)))
        return Counters(len(given), len(new) - len(ended), len(ended), len(given) - len(new))

    def _end(self, places: Sequence[int], now: str) -> None:
        for at in places:
            self._into.rows[at] = self._with(self._into.rows[at], {UNTIL: now, ACTIVE: False})

    def _moment(self, places: Sequence[int]) -> str:
        """The present, waited for until it is later than the beginnings and ends of these versions."""
        rows = [self._into.rows[at] for at in places]
        last = max((self._value(row, UNTIL) or self._value(row, SINCE) for row in rows), default="")
        while (now := present()) <= last:
            self._port.look()
        return now

    def _fitting(self, row: Row) -> Row:
        table = self._into.table
        for column, value in zip(table.columns, row, strict=True):
            where = f"{table.name}.{column.name}"
            if value is None and (not column.nullable or column.name in table.key):
                raise RowRejectedError(f"column {column.name} takes no NULL", where=where)
            if column.type.length and isinstance(value, str) and len(value) > column.type.length:
                raise RowRejectedError(f"a text is longer than {where} takes", where=where)
            if column.name == self._into.positive and value is not None and value < 0:
                raise RowRejectedError(f"a rule of column {column.name} refuses a row", where=where)
        return row

    @property
    def _blank(self) -> Row:
        return (None,) * len(self._into.table.columns)

    def _with(self, row: Row, values: dict[str, Any]) -> Row:
        names = self._into.table.column_names
        return tuple(values.get(name, value) for name, value in zip(names, row, strict=True))

    def _key(self, row: Row) -> Row:
        return self._into.key_of(row, self._match) if self._match else ()

    def _value(self, row: Row, name: str) -> Any:
        return row[self._into.table.column_names.index(name)]
