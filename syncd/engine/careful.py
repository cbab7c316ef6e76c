"""Writes rows so that those which the destination refuses are set aside, and all others arrive."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.errors import FatalError, RowRejectedError
from syncd.model.batch import Batch, Format
from syncd.model.run import Counters
from syncd.model.table import Table
from syncd.model.writing import Mode, Reject, Target
from syncd.ports import Check, Writing

AT_ONCE: Final = 500
MOST_REJECTS: Final = 10_000
"""How many rows of one window may be set aside: more is no poisoned row but a wrong table."""


class Careful:
    """One window's rows, in small blocks that are halved until the row is found that is refused.

    `open` are the rows that are set aside once the window is committed: `known` ones whose key did not arrive, and
    those refused now. A table without key forgets what was set aside before, because all its rows come again.
    """

    def __init__(self, target: Target, source: Table, known: dict[str, Reject], check: Check) -> None:
        self._target = target
        self._check = check
        self._names = source.column_names
        self._key = tuple(self._names.index(name) for name in source.key)
        replaced = target.mode in {Mode.REPLACE, Mode.RECREATE}
        self._known = known
        self.open = {} if replaced else dict(known)
        self._arrived: list[str] = list(known) if replaced else []
        self._refused: dict[str, Reject] = {}
        self._refusals = 0

    @property
    def touched(self) -> set[str]:
        """The keys, among those set aside before, of rows that came again."""
        return {*self._arrived, *self._refused}

    @property
    def changed(self) -> bool:
        """Has anything to be written about rows that are set aside?"""
        return bool(self._arrived or self._refused)

    def write(self, writing: Writing, batch: Batch) -> None:
        """Write what can be written of a batch of tuples.

        Raises:
            FatalError: too many rows are refused.
        """
        rows = list(batch.data)
        for start in range(0, len(rows), AT_ONCE):
            self._check()
            self._apply(writing, rows[start : start + AT_ONCE])

    def finish(self, writing: Writing, counters: Counters) -> Counters:
        """Store what is set aside and forget what has arrived; the counters with the refused rows among them."""
        if self._arrived:
            writing.let_go(self._arrived)
        if self._refused:
            writing.set_aside(tuple(self._refused.values()))
            self.open.update(self._refused)
        refused = self._refusals
        return replace(counters, read=counters.read + refused, rejected=refused)

    def _apply(self, writing: Writing, rows: Sequence[Any]) -> None:
        try:
            writing.apply(Batch(Format.ROWS, rows, len(rows)))
        except RowRejectedError as error:
            if len(rows) == 1:
                self._refuse(rows[0], error)
                return
            middle = len(rows) // 2
            self._apply(writing, rows[:middle])
            self._apply(writing, rows[middle:])
            return
        for row in rows if self._known else ():
            key = self._key_of(row)
            if self.open.pop(key, None) is not None:
                self._arrived.append(key)

    def _refuse(self, row: Sequence[Any], error: RowRejectedError) -> None:
        if len(self._refused) >= MOST_REJECTS:
            raise FatalError(
                f"more than {MOST_REJECTS} rows are refused by {self._target.table.name}: {error.message}",
                hint="nothing of this window was kept; mend the table or the query",
                code="too_many_rejects",
            ) from error
        key = self._key_of(row)
        # Rows without a key may be equal: they are one entry, and each of them counts.
        self._refusals += 1
        self._refused[key] = Reject(key, self._names, _json(row), error.message)

    def _key_of(self, row: Sequence[Any]) -> str:
        return _json([row[index] for index in self._key] if self._key else row)


def key_text(values: Sequence[Any]) -> str:
    """A key as rejects carry it."""
    return _json(values)


def key_values(text: str) -> tuple[Any, ...]:
    """The key that `key_text` wrote, as in ROWS batches."""
    return tuple(
        bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value for value in json.loads(text)
    )


def _json(values: Sequence[Any]) -> str:
    plain = [{"bytes": value.hex()} if isinstance(value, bytes) else value for value in values]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
