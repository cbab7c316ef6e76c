"""The state of one step while its windows are written, and what is done with one window."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from syncd.engine.careful import Careful
from syncd.engine.rowwise import Rowwise
from syncd.engine.shape import Shape, shape_of
from syncd.engine.surroundings import Surroundings, key_of
from syncd.engine.turns import Turns
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch, Format, size_bytes
from syncd.model.event import StepProgressed, WindowCommitted
from syncd.model.following import find_check_column
from syncd.model.options import Options, Write
from syncd.model.plan import Transfer
from syncd.model.reading import Window
from syncd.model.run import Counters, Status, StepResult
from syncd.model.table import Table
from syncd.model.writing import Mode, Reject, Standing, Target
from syncd.ports import Reading, Writing

PROGRESS_SECONDS: Final = 0.5
ODD_ROWS: Final = 1000
CAPTURED: Final = "captured"
"""The mode of a reading that gives what changed, and what is gone."""
ADDING: Final = frozenset({"incremental", "resume", "keys", CAPTURED})
"""Modes of readings that add to what is known; others count anew."""
ODD_SHARE: Final = 0.01
"""More rows, and a greater share of those known, than a run may read again for nothing without a word."""


class Step:
    """The working state of one step: counters so far and the revision of its cursor."""

    def __init__(
        self,
        step: Transfer,
        standing: Standing,
        around: Surroundings,
        reading: Reading,
        rejects: list[Reject],
    ) -> None:
        self.step = step
        self.standing = standing
        self.around = around
        self.reading = reading
        self.counters = Counters()
        self.revision = standing.revision
        self.cursor = standing.cursor
        self.rejects = {reject.key: reject for reject in rejects}
        # What a reading from the beginning finds counts anew; changes add to what was known.
        self.rows_known = standing.rows if reading.mode in ADDING else 0
        self.rows = 0
        self.bytes = 0
        self.told = 0.0
        self.roomy = False
        self.touched: set[str] = set()
        self.shape: Shape | None = None
        self.turns: Turns | None = None

    def beside(self, around: Surroundings, reading: Reading, turns: Turns) -> "Step":
        """A step that carries windows of the same load on other connections."""
        one = Step(self.step, self.standing, around, reading, [])
        one.turns = turns
        one.format = self.format
        one.rowwise = self.rowwise.anew()
        return one

    def take_over(self, turns: Turns, others: Sequence["Step"]) -> None:
        """Add what other lanes have done."""
        self.revision, self.cursor, self.rows_known = turns.revision, turns.cursor, turns.rows_known
        for one in others:
            self.counters = self.counters + one.counters
            self.rows += one.rows
            self.rejects |= one.rejects
            self.rowwise.add(one.rowwise)

    def prepare(self) -> Shape:
        """Look at the destination's table and change it where the options allow."""
        around = self.around
        shape = self.shape = shape_of(
            self.step,
            self.reading.table,
            self.check_column(),
            self.standing,
            (around.source, around.destination),
            full=around.full,
        )
        if shape.add or shape.widen:
            before = around.destination.table(self.step.target) or shape.table
            around.destination.alter(before, shape.add, shape.widen, around.check)
            shape = self.shape = replace(
                shape, table=around.destination.table(self.step.target) or shape.table
            )
        self.rowwise = Rowwise(self.reading.table, shape.table, shape.columns, self.step.options, shape.match)
        careful = self.rowwise.needed or bool(self.rejects)
        self.format = (
            Format.ROWS if careful else choose_format(self.step, around, self.reading.table, shape.table)
        )
        return shape

    def check_column(self) -> str | None:
        """The check column; a reading of single rows follows none, but their table has it."""
        candidates = self.step.options.check_columns
        write = self.step.options.write
        if self.reading.mode != "keys" or not candidates or write is Write.MERGE:
            return self.reading.check_column
        if write is Write.HISTORY:
            return candidates[0]
        found = find_check_column(self.reading.table, candidates)
        return found.name if found else None

    def mode(self, shape: Shape, window: Window, *, empty: bool) -> Mode:
        """How this window's rows meet what the table holds."""
        options = self.step.options
        if options.drop:
            return Mode.RECREATE
        if shape.replaced:
            return Mode.REPLACE
        if options.write is Write.HISTORY:
            return Mode.HISTORY
        return Mode.INSERT if empty and window.whole else Mode.MERGE

    def target(self, shape: Shape, mode: Mode, *, create: bool) -> Target:
        """Where a window's rows go."""
        return Target(
            key=key_of(self.step, self.around.job),
            table=shape.table,
            source=self.reading.table,
            columns=shape.columns,
            mode=mode,
            format=Format.ROWS if self.rejects else self.format,
            create=create,
            revision=self.revision,
            digest=self.standing.digest if self.reading.mode == "keys" else self.step.digest,
            match=shape.match,
            revive=shape.revive,
            careful=bool(self.rejects),
        )

    def result(self, shape: Shape) -> StepResult:
        """How the step ended."""
        reading = self.reading
        warnings = [*reading.warnings, *shape.warnings]
        warnings += [
            f"{count} text{'s' if count > 1 else ''} of column {name} had to be cut"
            for name, count in self.rowwise.truncated.items()
        ]
        warnings += self.oddities(shape)
        aside = len(self.rejects)
        if aside:
            warnings.append(f"{aside} row{'s are' if aside > 1 else ' is'} set aside: syncd rejects list")
        return StepResult(
            step=self.step.name,
            status=Status.PARTIAL if aside else Status.OK,
            counters=self.counters,
            mark_from=reading.mark_from,
            mark_to=reading.mark_to,
            rows_known=self.rows_known,
            warnings=tuple(warnings),
            truncated=tuple(sorted(self.rowwise.truncated.items())),
            deletes=self.step.options.deletes.value,
        )

    def oddities(self, shape: Shape) -> list[str]:
        """What is no error and still should make a person look."""
        counters, known = self.counters, self.standing.rows
        found = []
        idle = not counters.inserted and not counters.updated
        odd = counters.unchanged > max(ODD_ROWS, known * ODD_SHARE)
        if self.reading.mode == "incremental" and idle and odd:
            found.append(
                f"{counters.unchanged} rows were read again and none had changed: does {self.reading.check_column}"
                " change without need?"
            )
        if shape.replaced and not counters.read and known:
            found.append(f"0 rows: the source had none this time, and {known} rows went")
        elif self.reading.mode == "full" and not counters.read and known and not self.standing.empty:
            found.append(f"0 rows: the source had none this time, and {known} rows of the destination stay")
        return found

    def move(self, window: Window, target: Target) -> bool:
        """Read, write and commit one window. True when nothing had to be written, not even a table."""
        try:
            return self.attempt(window, target)
        except RowRejectedError:
            if self.makes_room(window, target):
                return self.move(window, replace(target, revision=self.revision))
            if not self.step.options.quarantine or target.careful:
                raise
        except SyncdError as error:
            if error.code != "key_exists" or target.careful or not target.match:
                raise
            if target.mode is Mode.INSERT:
                # Somebody else wrote into the table meanwhile: match the rows by key instead.
                return self.move(window, replace(target, mode=Mode.MERGE))
            if self.makes_room(window, target):
                return self.move(window, replace(target, revision=self.revision))
            if not self.step.options.quarantine:
                raise
        return self.attempt(window, replace(target, careful=True, format=Format.ROWS))

    def attempt(self, window: Window, target: Target) -> bool:
        """One try of a window; everything of it is undone when it fails. True when nothing had to be written."""
        around = self.around
        began = around.clock.monotonic()
        before, cut = self.rows, dict(self.rowwise.truncated)
        careful = (
            Careful(target, self.reading.table, dict(self.rejects), around.check) if target.careful else None
        )
        writing = around.destination.begin(target, around.check)
        try:
            counters = self.write(writing, window, target, careful)
            self.balance(self.rows - before, counters)
            written = self.commit(writing, window, target, counters, careful)
        except BaseException:
            self.rows = before
            self.rowwise.truncated = cut
            raise
        finally:
            writing.abandon()
        self.counters = self.counters + counters
        if not written:
            return True
        if careful is not None:
            self.rejects = careful.open
            self.touched |= careful.touched
        seconds = around.clock.monotonic() - began
        around.emit(WindowCommitted(around.run, around.job, self.step.name, window.number, counters, seconds))
        return False

    def write(self, writing: Writing, window: Window, target: Target, careful: Careful | None) -> Counters:
        """Read the window and write all of it; what became of its rows."""
        # Closed at once: a source in the middle of a window could not read it a second time.
        with closing(self.batches(window, target.format)) as batches:
            for batch in batches:
                if careful is None:
                    writing.write(batch)
                else:
                    careful.write(writing, batch)
        counters = writing.finish()
        if careful is not None:
            counters = careful.finish(writing, counters)
        return self.take_away(writing, window, counters, target)

    def commit(
        self, writing: Writing, window: Window, target: Target, counters: Counters, careful: Careful | None
    ) -> bool:
        """Make the window durable with its cursor; False when there is nothing to make durable."""
        if self.turns is not None:
            self.turns.wait(window.number, self.around.check)
            self.rows_known = self.turns.rows_known
        elif self.idle(window, target, counters, careful):
            return False
        rows = self.known_rows(counters)
        cursor = self.cursor_after(window)
        self.revision = writing.commit(cursor, self.mark_after(), rows)
        self.rows_known = rows
        self.cursor = cursor
        if self.turns is not None:
            self.turns.committed(self.revision, cursor, rows)
        return True

    def makes_room(self, window: Window, target: Target) -> bool:
        """Let go what a source with captured changes says is gone, before the others are tried again; was there any?

        A row may have taken over a value that no two rows may have. The cursor stays where it is.
        """
        if self.reading.mode != CAPTURED or self.roomy:
            return False
        self.roomy = True
        around = self.around
        # A raw format would be expected to begin with its own head.
        writing = around.destination.begin(replace(target, format=Format.ROWS), around.check)
        try:
            counters = self.take_away(writing, window, writing.finish(), target)
            if not counters.deleted:
                return False
            rows = self.known_rows(counters)
            self.revision = writing.commit(self.standing.cursor or "", self.standing.mark, rows)
        finally:
            writing.abandon()
        self.counters, self.rows_known = self.counters + counters, rows
        around.emit(WindowCommitted(around.run, around.job, self.step.name, window.number, counters, 0.0))
        return True

    def forget(self, keys: tuple[str, ...]) -> None:
        """Forget rows that were set aside, with the cursor as it stands; after its windows."""
        if not keys or self.shape is None:
            return
        target = replace(self.target(self.shape, Mode.MERGE, create=False), format=Format.ROWS)
        writing = self.around.destination.begin(target, self.around.check)
        try:
            writing.finish()
            writing.let_go(keys)
            self.revision = writing.commit(self.standing.cursor or "", self.standing.mark, self.rows_known)
        finally:
            writing.abandon()

    def idle(self, window: Window, target: Target, counters: Counters, careful: Careful | None) -> bool:
        """Has nothing changed at all, so that nothing needs to be written?"""
        moved = counters.inserted or counters.updated or counters.deleted
        if target.create or moved or target.mode in {Mode.REPLACE, Mode.RECREATE}:
            return False
        if self.standing.reset or self.standing.digest != target.digest:
            return False
        return not (careful and careful.changed) and self.cursor_after(window) == self.cursor

    def cursor_after(self, window: Window) -> str:
        """What is stored with a window's rows; a reading of single rows leaves the cursor where it is."""
        if self.reading.mode == "keys":
            return self.standing.cursor or ""
        return self.reading.cursor(window)

    def mark_after(self) -> str | None:
        """The mark for people that goes with it."""
        return self.standing.mark if self.reading.mode == "keys" else self.reading.mark_to

    def take_away(self, writing: Writing, window: Window, counters: Counters, target: Target) -> Counters:
        """Delete what a source with captured changes says is gone."""
        options = self.step.options
        if options.deletes.value == "off" or not target.match:
            return counters
        gone = 0
        for keys in self.reading.deleted(window, self.around.check):
            gone += writing.delete(keys, target.revive)
            refuse_too_many(self.step.name, gone, self.rows_known, options)
        return replace(counters, deleted=counters.deleted + gone) if gone else counters

    def known_rows(self, counters: Counters) -> int:
        """How many rows the destination holds at least, once this window is committed."""
        gone = 0 if self.step.options.deletes.value == "soft" else counters.deleted
        if self.reading.mode in ADDING:
            # A row that moved to a later window while the load was interrupted must not count twice.
            return max(0, self.rows_known + counters.inserted - gone)
        return self.rows_known + counters.inserted + counters.updated + counters.unchanged - gone

    def batches(self, window: Window, form: Format) -> Generator[Batch]:
        """The window's batches, counted, with progress told twice a second."""
        around = self.around
        with closing(self.reading.read(window, form, around.check)) as read:
            for batch in read:
                self.rows += batch.rows
                size = size_bytes(batch)
                self.bytes += size
                around.pace.moved(batch.rows, size, around.check)
                yield self.rowwise.apply(batch) if form is Format.ROWS else batch
                around.check()
                now = around.clock.monotonic()
                if now - self.told >= PROGRESS_SECONDS:
                    self.told = now
                    around.emit(StepProgressed(around.run, around.job, self.step.name, self.rows, self.bytes))

    def balance(self, read: int, counters: Counters) -> None:
        """Nothing is committed unless every row that was read is accounted for."""
        if counters.read != read or not counters.balanced:
            raise FatalError(
                f"the counters of {self.step.name} do not balance: {read} read, {counters.read} arrived, "
                f"{counters.inserted} inserted, {counters.updated} updated, {counters.unchanged} unchanged,"
                f" {counters.rejected} set aside",
                hint="nothing of this window was kept; this is a defect of syncd or of a connector: report it",
                code="counters_do_not_balance",
            )


def refuse_too_many(name: str, gone: int, rows: int, options: Options) -> None:
    """Guard a table against a source that lost its rows by accident.

    Raises:
        FatalError: more of the table's rows would go than the options allow; nothing was changed.
    """
    percent = 100.0 * gone / max(rows, gone, 1)
    if percent > options.max_delete_percent:
        raise FatalError(
            f"{gone} of {max(rows, gone)} rows of {name} are gone at the source: {percent:.1f} % is more than"
            f" {options.max_delete_percent:g} %",
            hint="nothing was deleted; if that is meant, raise max_delete_percent",
            code="too_many_deletes",
        )


def choose_format(step: Transfer, around: Surroundings, source: Table, table: Table) -> Format:
    """The cheapest format in which the rows can travel unharmed.

    Raises:
        FatalError: there is none.
    """
    ends = around.source.formats, around.destination.formats
    for form in ends[0]:
        if form in ends[1] and around.destination.takes(form, source, table):
            return form
    raise FatalError(
        f"the rows of {step.name} cannot travel between these two stores", code="no_common_format"
    )
