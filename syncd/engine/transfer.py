"""One step: the rows of one relation into one table, window by window, each durable with its cursor."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

from syncd.engine.evolve import key_in_target, match_columns, refuse_losses
from syncd.errors import FatalError, SyncdError
from syncd.model.batch import Batch, Format
from syncd.model.event import StateReset, StepProgressed, StepStarted, WindowCommitted
from syncd.model.plan import Transfer
from syncd.model.reading import Extract, Window
from syncd.model.run import Counters, Status, StepResult
from syncd.model.table import Table
from syncd.model.writing import Mode, Standing, StepKey, Target
from syncd.ports import Check, Clock, Destination, Emit, Reading, Source

PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every step of a run works with."""

    run: str
    job: str
    source: Source
    destination: Destination
    full: bool
    emit: Emit
    check: Check
    clock: Clock


def key_of(step: Transfer, job: str) -> StepKey:
    """Under which name the destination keeps this step's cursor."""
    return StepKey(job, step.name, step.target)


def extract_of(step: Transfer, standing: Standing, full: bool) -> Extract:
    """What to ask the source, given what the destination has."""
    usable = not full and not standing.reset and standing.digest == step.digest
    options = step.options
    return Extract(
        step.relation, options.check_columns, options.lookback_seconds, standing.cursor if usable else None
    )


def transfer(step: Transfer, standing: Standing, around: Surroundings) -> StepResult:
    """Move what has to be moved and say what became of it.

    Raises:
        SyncdError: the step failed; windows that were committed before stay, and the next run goes on after them.
    """
    _tell_reset(step, standing, around)
    reading = around.source.open(
        extract_of(step, standing, around.full), around.destination.formats, around.check
    )
    try:
        return _Step(step, standing, around, reading).run()
    finally:
        reading.close()


def refuse_own_source(step: Transfer, table: Table, source: Source, destination: Destination) -> None:
    """A table that is copied onto itself could only lose or repeat rows.

    Raises:
        FatalError: both ends mean the same table.
    """
    read = source.identity(step.relation)
    if read and read == destination.identity(step.target):
        raise FatalError(
            f"source and destination of {step.name} are the same table, {table.name}",
            hint="name another destination: REPLICATE [copy] SELECT ...",
            code="same_table",
        )


def refuse_foreign_rows(table: Table, standing: Standing) -> None:
    """Without a key all rows are replaced; those that this step did not write may be somebody's.

    Raises:
        FatalError: the table is not empty, and this step never filled it.
    """
    if standing.revision == 0 and not standing.empty:
        raise FatalError(
            f"table {table.name} holds rows that this job did not write, and without a key all would be replaced",
            hint="empty it, name another destination, or run once with --full to let its rows go",
            code="foreign_rows",
        )


def _tell_reset(step: Transfer, standing: Standing, around: Surroundings) -> None:
    reason = standing.reset
    if not reason and standing.cursor is not None and standing.digest != step.digest:
        reason = "the query changed"
    if reason:
        around.emit(StateReset(around.run, around.job, step.name, reason))


class _Step:
    """The working state of one step: counters so far and the revision of its cursor."""

    def __init__(self, step: Transfer, standing: Standing, around: Surroundings, reading: Reading) -> None:
        self.step = step
        self.standing = standing
        self.around = around
        self.reading = reading
        self.counters = Counters()
        self.revision = standing.revision
        self.cursor = standing.cursor
        # What a reading from the beginning finds counts anew; changes add to what was known.
        self.rows_known = standing.rows if reading.mode in {"incremental", "resume"} else 0
        self.rows = 0
        self.bytes = 0
        self.told = 0.0

    def run(self) -> StepResult:
        around, reading = self.around, self.reading
        if reading.reset:
            around.emit(StateReset(around.run, around.job, self.step.name, reading.reset))
        table, columns, create = self.design()
        form = self.agree(table)
        empty = create or self.standing.empty
        replace_all = not reading.table.key
        mode = "replace" if replace_all else reading.mode
        around.emit(
            StepStarted(
                around.run, around.job, self.step.name, mode, reading.rows_estimated, reading.mark_from
            )
        )
        for window in reading.windows():
            around.check()
            direct = Mode.INSERT if empty and window.whole else Mode.MERGE
            target = Target(
                key=key_of(self.step, around.job),
                table=table,
                source=reading.table,
                columns=columns,
                mode=Mode.REPLACE if replace_all else direct,
                format=form,
                create=create,
                revision=self.revision,
                digest=self.step.digest,
            )
            create = self.move(window, target) and create
        return StepResult(
            step=self.step.name,
            status=Status.OK,
            counters=self.counters,
            mark_from=reading.mark_from,
            mark_to=reading.mark_to,
            rows_known=self.rows_known,
            warnings=reading.warnings,
        )

    def design(self) -> tuple[Table, tuple[str, ...], bool]:
        """The destination's table, its columns in the source's order, and whether it has to be created."""
        source = self.reading.table
        if not source.key and self.reading.check_column is not None:
            raise FatalError(
                f"{self.step.relation.table or 'the query'} has no primary key, so changed rows cannot be matched",
                hint="add a primary key at the source, or leave out the check column to replace all rows each run",
                code="key_missing",
            )
        table = self.around.destination.table(self.step.target)
        if table is None:
            table = self.around.destination.design(source, self.step.target)
            return table, table.column_names, True
        refuse_own_source(self.step, table, self.around.source, self.around.destination)
        if not source.key and not self.around.full:
            refuse_foreign_rows(table, self.standing)
        columns = match_columns(source, table)
        refuse_losses(source, table, columns)
        key_in_target(source, table, columns)
        return table, columns, False

    def agree(self, table: Table) -> Format:
        """The cheapest format in which the rows can travel unharmed."""
        source, destination = self.around.source, self.around.destination
        for form in source.formats:
            if form in destination.formats and destination.takes(form, self.reading.table, table):
                return form
        raise FatalError(
            f"the rows of {self.step.name} cannot travel between these two stores", code="no_common_format"
        )

    def move(self, window: Window, target: Target) -> bool:
        """Read, write and commit one window. True when nothing had to be written, not even a table."""
        try:
            return self.attempt(window, target)
        except SyncdError as error:
            if error.code != "key_exists" or target.mode is not Mode.INSERT:
                raise
        # Somebody else wrote into the table meanwhile: match the rows by key instead.
        return self.attempt(window, replace(target, mode=Mode.MERGE))

    def attempt(self, window: Window, target: Target) -> bool:
        around, reading = self.around, self.reading
        began = around.clock.monotonic()
        before = self.rows
        writing = around.destination.begin(target, around.check)
        try:
            # Closed at once: a source in the middle of a window could not read it a second time.
            with closing(self.batches(window, target.format)) as batches:
                for batch in batches:
                    writing.write(batch)
            counters = writing.finish()
            self.balance(self.rows - before, counters)
            cursor = reading.cursor(window)
            idle = not (target.create or counters.inserted or counters.updated or target.mode is Mode.REPLACE)
            if idle and cursor == self.cursor:
                self.counters = self.counters + counters
                return True
            rows = self.known_rows(counters)
            self.revision = writing.commit(cursor, reading.mark_to, rows)
            self.rows_known = rows
            self.cursor = cursor
        except BaseException:
            self.rows = before
            raise
        finally:
            writing.abandon()
        self.counters = self.counters + counters
        seconds = around.clock.monotonic() - began
        around.emit(WindowCommitted(around.run, around.job, self.step.name, window.number, counters, seconds))
        return False

    def known_rows(self, counters: Counters) -> int:
        """How many rows the destination holds at least, once this window is committed."""
        if self.reading.mode in {"incremental", "resume"}:
            # A row that moved to a later window while the load was interrupted must not count twice.
            return self.rows_known + counters.inserted
        return self.rows_known + counters.inserted + counters.updated + counters.unchanged

    def batches(self, window: Window, form: Format) -> Generator[Batch]:
        """The window's batches, counted, with progress told twice a second."""
        around = self.around
        with closing(self.reading.read(window, form, around.check)) as read:
            for batch in read:
                self.rows += batch.rows
                self.bytes += len(batch.data) if isinstance(batch.data, bytes) else 0
                yield batch
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
                f"{counters.inserted} inserted, {counters.updated} updated, {counters.unchanged} unchanged",
                hint="nothing of this window was kept; this is a defect of syncd or of a connector: report it",
                code="counters_do_not_balance",
            )
