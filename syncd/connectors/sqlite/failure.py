"""Errors of the driver as ours."""

from syncd.errors import FatalError, RowRejectedError, RunCancelledError, SyncdError, TransientError


def translate(error: BaseException, path: str) -> SyncdError:
    """A driver error as one of ours, without a row's values."""
    text = str(error)
    low = text.lower()
    if getattr(error, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_TRIGGER":
        # What a trigger says may hold a row's values.
        return RowRejectedError(
            "a trigger of the destination refuses a row", where=path, hint="mend the row, or the trigger"
        )
    if "locked" in low or "busy" in low:
        return TransientError(
            f"the SQLite file {path} is locked by another program",
            hint="it is tried again; close long transactions",
        )
    return _of_a_row(text, low, path) or _of_the_file(error, text, low, path)


def _of_a_row(text: str, low: str, path: str) -> SyncdError | None:
    """What is wrong with a row; None when the file is to blame."""
    if "unique constraint failed" in low or "primary key must be unique" in low:
        return FatalError(
            f"a row with the same key exists already ({text.rpartition(': ')[2]})",
            hint="a unique rule of the destination forbids it",
            code="key_exists",
            where=path,
        )
    if "constraint failed" in low:
        return RowRejectedError(
            f"a row breaks a rule of the destination: {text}",
            where=path,
            hint="mend the row, or the constraint",
        )
    if "datatype mismatch" in low or "cannot store" in low:
        return RowRejectedError(
            f"a value does not fit its column: {text}",
            where=path,
            hint="mend the value, or give the column a type that takes it",
        )
    if "string or blob too big" in low:
        return RowRejectedError(
            "a value is larger than SQLite takes", where=path, hint="leave its column out with a SELECT"
        )
    if "could not decode" in low:
        column = text.partition("column '")[2].partition("'")[0]
        return RowRejectedError(
            f"the text in column {column or '?'} is not valid UTF-8",
            where=path,
            hint=f"SELECT CAST({column} AS BLOB)",
        )
    return None


def _of_the_file(error: BaseException, text: str, low: str, path: str) -> SyncdError:
    if "disk is full" in low or (isinstance(error, OSError) and error.errno == 28):
        return FatalError(
            f"the disk that holds {path} is full", hint="free space and run again", code="disk_full"
        )
    if "not a database" in low or "malformed" in low:
        return FatalError(
            f"{path} is not a sound SQLite database: {text}", hint="check `path`; restore a backup"
        )
    if "readonly" in low or "unable to open" in low or isinstance(error, PermissionError):
        return FatalError(
            f"cannot open the SQLite file {path}: {text}", hint="check its permissions and its folder's"
        )
    if "interrupted" in low:
        return RunCancelledError("the run was stopped")
    return FatalError(f"{path}: {text}", where=path, hint="check the query and the table")
