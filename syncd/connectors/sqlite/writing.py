"""One window into one table of a SQLite file, in one transaction with its cursor."""

from collections.abc import Sequence
from typing import Final

from syncd.connectors.sqlite import ledger
from syncd.connectors.sqlite.creation import create_statement, refuse_dependents, shadow_name, take_place
from syncd.connectors.sqlite.loading import Loader
from syncd.connectors.sqlite.merging import STAGE, Matching
from syncd.connectors.sqlite.session import Session, quote
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch
from syncd.model.following import unbalanced
from syncd.model.run import Counters
from syncd.model.writing import Mode, Reject, Target
from syncd.ports import Check

KEYS_AT_ONCE: Final = 10_000
SAVEPOINT: Final = "syncd_rows"


class SqliteWriting:
    """Collects rows in the table itself, or beside it when they have to be matched by key."""

    def __init__(self, session: Session, target: Target, check: Check) -> None:
        self._session = session
        self._target = target
        self._check = check
        self._rows = 0
        self._counters = Counters()
        self._done = False
        self._name = target.table.name.name
        self._new = shadow_name(target.key) if target.mode is Mode.RECREATE and not target.create else ""
        self._staged = target.mode in {Mode.MERGE, Mode.HISTORY}
        session.begin_writing(check)
        try:
            self._prepare()
        except BaseException:
            self.abandon()
            raise

    def write(self, batch: Batch) -> None:
        """Insert one batch."""
        try:
            self._loader.put(batch)
        except SyncdError as error:
            raise self._matching.named(error) from error
        self._rows += batch.rows

    def finish(self) -> Counters:
        """Merge what was staged and count what became of it."""
        if not self._target.careful:
            self._counters = self._settle(self._rows)
        if self._before is not None:
            self._recount(self._before)
        return self._counters

    def apply(self, batch: Batch) -> Counters:
        """Write and merge one batch, or leave everything as it was."""
        self._session.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            self.write(batch)
            counters = self._settle(batch.rows)
        except SyncdError as error:
            raise self._undone(error) from error
        self._session.execute(f"RELEASE {SAVEPOINT}")
        self._counters = self._counters + counters
        return counters

    def delete(self, keys: Sequence[tuple[object, ...]], mark: str = "") -> int:
        """Take rows away by their keys, mark them, or end their active versions."""
        gone = 0
        for start in range(0, len(keys), KEYS_AT_ONCE):
            self._check()
            part = keys[start : start + KEYS_AT_ONCE]
            if self._target.mode is Mode.HISTORY:
                gone += self._matching.end(part)
            else:
                gone += self._matching.delete(part, mark)
        return gone

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep refused rows with this window."""
        ledger.set_aside(self._session, self._target.key, rejects)

    def let_go(self, keys: Sequence[str]) -> None:
        """Forget refused rows with this window."""
        ledger.let_go(self._session, self._target.key, keys)

    def commit(self, cursor: str, mark: str | None, rows: int) -> int:
        """Store the cursor and end the transaction."""
        target = self._target
        if target.mode in {Mode.REPLACE, Mode.RECREATE}:
            relation = ledger.relation_of(self._session, self._name)
            self._session.execute(ledger.FORGET_OTHERS, (relation, target.key.job, target.key.step))
        if self._new:
            take_place(self._session, self._new, self._name)
        ledger.store_cursor(self._session, target, cursor, mark, rows)
        self._session.patient("COMMIT", self._check)
        self._done = True
        return target.revision + 1

    def abandon(self) -> None:
        """Undo the window unless it was committed."""
        if not self._done:
            self._done = True
            self._session.rollback()

    def _prepare(self) -> None:
        target, run = self._target, self._session.execute
        run(ledger.CREATE_CURSORS)
        if self._new:
            refuse_dependents(self._session, self._name)
            run(f"DROP TABLE IF EXISTS {quote(self._new)}")
        if target.create or self._new:
            run(create_statement(target.table, self._new))
        if target.mode is Mode.REPLACE:
            run(f"DELETE FROM {quote(self._name)}")
        fresh = target.create or self._new
        self._before = self._count() if not fresh and self._has_own_rules() else None
        match = target.match or target.table.key
        if self._staged and not match:
            raise FatalError(
                f"{target.table.name} has no key by which rows could be matched",
                hint="name the key's columns",
                code="key_missing",
            )
        self._matching = Matching(self._session, target, match)
        if self._staged:
            self._matching.stage()
        into = STAGE if self._staged else quote(self._new or self._name)
        self._loader = Loader(self._session, target, into, self._check)

    def _settle(self, rows: int) -> Counters:
        """What was written becomes the table's."""
        if not self._staged:
            return Counters(read=rows, inserted=rows)
        self._check()
        merge = self._matching.merge if self._target.mode is Mode.MERGE else self._matching.keep_history
        counters = merge(rows)
        self._session.execute(f"DELETE FROM {STAGE}" if self._target.careful else f"DROP TABLE {STAGE}")
        return counters

    def _undone(self, error: SyncdError) -> SyncdError:
        """Go back to before the batch, and say what is wrong with it."""
        name = str(self._target.table.name)
        if self._session.in_transaction:
            self._session.execute(f"ROLLBACK TO {SAVEPOINT}")
            self._session.execute(f"RELEASE {SAVEPOINT}")
        elif isinstance(error, FatalError):
            return FatalError(
                f"a rule of {name} undoes the whole transaction when it refuses a row",
                hint="use ABORT instead of ROLLBACK in that conflict clause or trigger",
                where=name,
            )
        if error.code == "key_exists":
            return RowRejectedError(error.message, hint=error.hint, where=name)
        return error

    def _has_own_rules(self) -> bool:
        """May the table take a row without keeping it? Triggers, further unique columns and conflict clauses do."""
        row = self._session.execute(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE tbl_name = ?1"
            " AND (type = 'trigger' OR (type = 'table' AND upper(sql) LIKE '%ON CONFLICT%')))"
            " OR EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk')",
            (self._name,),
        ).fetchone()
        return bool(row[0])

    def _count(self) -> int:
        return int(self._session.execute(f"SELECT count(*) FROM {quote(self._name)}").fetchone()[0])

    def _recount(self, before: int) -> None:
        counters = self._counters
        expected = counters.inserted + (counters.updated if self._target.mode is Mode.HISTORY else 0)
        found = self._count() - before
        if found != expected:
            raise unbalanced(str(self._target.table.name), expected, found)
