"""What all sources that follow a check column have in common: finding it, naming the mode, and what people are told."""

from difflib import get_close_matches

from syncd.errors import BusyError, FatalError, TransientError
from syncd.model.cursor import Cursor, Pending, Value
from syncd.model.table import Column, Table


def find_check_column(table: Table, candidates: tuple[str, ...]) -> Column | None:
    """The first of the candidates that the table has, by its exact name or else ignoring case; None without candidates.

    Raises:
        FatalError: it has none of them.
    """
    for name in candidates:
        column = table.column(name) or next(
            (each for each in table.columns if each.name.lower() == name.lower()), None
        )
        if column is not None:
            return column
    if not candidates:
        return None
    near = get_close_matches(candidates[0], table.column_names, 1)
    raise FatalError(
        f"table {table.name} has no column '{candidates[0]}' to check for changes",
        hint=f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(table.column_names[:12])}",
        code="check_column_missing",
    )


def mode_of(cursor: Cursor | None, column: Column | None) -> str:
    """How a reading goes on from a cursor: first load, resume, full (no check column) or incremental."""
    if cursor is None:
        return "first load"
    if cursor.loading:
        return "resume"
    return "full" if column is None else "incremental"


def follows(cursor: Cursor, check_columns: tuple[str, ...], lookback_seconds: float) -> bool:
    """Was the cursor made by following one of these check columns, with this lookback?"""
    if (cursor.column is None) != (not check_columns):
        return False
    if cursor.seen is None or cursor.seen.lookback_seconds != lookback_seconds:
        return False
    return cursor.column is None or cursor.column.lower() in {name.lower() for name in check_columns}


def next_mark(cursor: Cursor | None, candidate: Value, open_now: tuple[str, ...], *, settled: bool) -> Cursor:
    """The cursor's mark and what waits to become one; identity, column and checksum are the caller's.

    `settled` says that everything the old cursor waited for has ended before the snapshot.
    """
    old = cursor.mark if cursor else None
    pending = cursor.pending if cursor else None
    if not open_now:
        return Cursor("", None, mark=candidate if candidate is not None else old)
    if pending is not None and not settled:
        return Cursor("", None, mark=old, pending=pending)
    base = pending.mark if pending is not None else old
    return Cursor(
        "", None, mark=base, pending=Pending(candidate, open_now) if candidate is not None else None
    )


def warnings_of(
    column: Column | None,
    null_rows: int,
    future_rows: int,
    *,
    pending: bool,
    resumed: bool,
    standby: bool = False,
) -> tuple[str, ...]:
    """What a person should know about the rows of a reading; no row values."""
    said = []
    if column is not None and null_rows:
        said.append(f"{_rows(null_rows, 'has', 'have')} no {column.name}: every run reads such rows again")
    if column is not None and future_rows:
        said.append(f"{_rows(future_rows, 'is', 'are')} dated in the future: such rows do not move the mark")
    if pending:
        said.append("the mark waits for transactions that are still open at the source")
    if standby and column is not None:
        said.append(
            "the source is a standby, which shows no transaction before it writes: give lookback_seconds for longer ones"
        )
    if resumed and column is None:
        said.append("rows that changed before the load was resumed arrive with the next run: no check column")
    return tuple(said)


def cursor_moved(step: str, job: str) -> BusyError:
    """What a destination raises when somebody else committed under the same cursor since the run looked."""
    return BusyError(
        f"another run moved the cursor of {step} in job '{job}'", hint="nothing was changed; run again"
    )


def unbalanced(table: str, sent: int, kept: int) -> TransientError:
    """What a destination raises when it did not keep every row that was new or had changed.

    A second try helps when somebody else wrote the same rows meanwhile, and says the same again when it is a rule.
    """
    return TransientError(
        f"{sent} rows are new to {table} or have changed, and it kept {kept} of them",
        hint="nothing of this window was kept; a trigger or a conflict clause of that table may take rows away",
        code="counters_do_not_balance",
    )


def _rows(count: int, one: str, many: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count} rows {many}"
