"""Where a reading stands, as a source writes it down for its next reading.

The engine and the destinations carry a cursor as opaque text. Sources that follow a check column share this form.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

FORM: Final = 2

Value = str | int | float | None
"""A value of a check column in the source's own literal form, never rounded."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A mark that may be used once the transactions in `open`, seen when it was taken, have ended."""

    mark: Value
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the next reading would read if nothing changed: how many rows, and a checksum of them.

    `since` is the lowest value that it would read, the mark less `lookback_seconds`; None for everything.
    """

    rows: int
    sum: str
    since: Value = None
    lookback_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cursor:
    """The whole state of one reading.

    `identity` changes when the relation is another one under the same name, and `columns` when it has other columns. `loading` is true until the first load
    has ended; `position` is then where its next window begins. `mark` is the highest value up to which nothing can
    be missing: the next reading takes rows at or above it, and rows without a value.
    """

    identity: str
    column: str | None
    loading: bool = False
    position: Value = None
    mark: Value = None
    pending: Pending | None = None
    seen: Seen | None = None
    columns: str = ""


def cursor_to_text(cursor: Cursor) -> str:
    """The cursor as one line of JSON, stable for equal cursors."""
    return json.dumps({"form": FORM, **asdict(cursor)}, separators=(",", ":"), sort_keys=True)


def cursor_from_text(text: str | None) -> Cursor | None:
    """The cursor that `cursor_to_text` wrote; None for None and for a form that this version does not know.

    An unknown form is not an error: reading again from the beginning is always right.
    """
    if text is None:
        return None
    try:
        document = json.loads(text)
        if document.pop("form") != FORM:
            return None
        pending = document.pop("pending")
        seen = document.pop("seen")
        return Cursor(
            **document,
            pending=Pending(pending["mark"], tuple(pending["open"])) if pending else None,
            seen=Seen(**seen) if seen else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
