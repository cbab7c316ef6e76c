"""The children of a Synchronize Job Data call: rows of name, connected, URL and time, as a list or as one text.

Source: Synchronize Job Data, Input_Multi_Name. In a text, semicolons part the rows and blanks the fields; quotes keep both together. All after
the third field is the time, because the document's own sample writes one with a blank and without quotes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from syncd.errors import FatalError

FIELDS: Final = 4
BLANK: Final = "#"
"""What geoprocessing tools write for a field that is left out."""
TIME_FORMATS: Final = (
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y",
    "%m/%d/%y %H:%M:%S",
    "%m:%d:%y %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%c",
    "%x %X",
)
"""Times as systems write them; of two that fit, the document's own order of month and day comes first."""
DEFAULT_FORMAT: Final = "%Y-%m-%d %H:%M"
"""That of the document's sample."""


@dataclass(frozen=True, slots=True)
class ChildRow:
    """One child of a call, as it was written."""

    name: str
    connected: str
    url: str = ""
    last_sync_time: str = ""


def child_rows(multi: str | Sequence[Sequence[object]]) -> list[ChildRow]:
    """The children, in order.

    Raises:
        FatalError: a row lacks its name or `connected`, or has too many fields (code ``bad_arguments``).
    """
    rows = _rows_of(multi) if isinstance(multi, str) else [_listed(row) for row in multi]
    return [_child(fields, number) for number, fields in enumerate(rows, 1)]


def time_format(text: str) -> str | None:
    """The format of a time, None when it is none that is known."""
    for form in TIME_FORMATS:
        try:
            datetime.strptime(text, form)  # noqa: DTZ007  # only whether it fits is asked
        except ValueError:
            continue
        return form
    return None


def like(text: str, moment: datetime) -> str:
    """A moment in the format of another time; without one in that of the document's sample.

    `moment` is aware. A format with an offset gets the moment in the offset of `text`, the others in the moment's own.
    """
    form = time_format(text) or DEFAULT_FORMAT
    if not form.endswith("%z"):
        return moment.strftime(form)
    zone = datetime.strptime(text, form).tzinfo  # noqa: DTZ007  # the format has an offset
    written = moment.astimezone(zone).strftime(form)
    if text.endswith("Z"):
        return f"{written[:-5]}Z"
    return f"{written[:-2]}:{written[-2:]}" if text[-3] == ":" else written


def _listed(row: Sequence[object]) -> list[str]:
    if isinstance(row, str) or len(row) > FIELDS:
        raise bad_arguments(f"{row!r} is no row of name, connected, URL and time")
    return ["" if field is None else str(field).strip() for field in row]


def _child(fields: Sequence[str], number: int) -> ChildRow:
    plain = ["" if field == BLANK else field for field in fields]
    if len(plain) < 2 or not plain[0]:  # a name, and whether it is connected
        raise bad_arguments(f"row {number} of the children lacks a name or `connected`")
    return ChildRow(*plain)


def _rows_of(text: str) -> Iterator[list[str]]:
    for row in _parted(text, ";", len(text)):
        fields = list(_parted(row, " ", FIELDS - 1))
        if fields:
            yield [_bare(field) for field in fields]


def _parted(text: str, mark: str, most: int) -> Iterator[str]:
    """The parts between marks that stand outside of quotes, at most so many, then the rest; empty ones are left out."""
    part, quote, count = "", "", 0
    for place, sign in enumerate(text):
        outside = not quote
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and (not part.strip() or part.endswith(" ")):
            # Within a word it is an apostrophe.
            quote = sign
        if outside and sign == mark:
            if part.strip():
                yield part.strip()
                count += 1
                if count == most:
                    rest = text[place + 1 :].strip()
                    if rest:
                        yield rest
                    return
            part = ""
        else:
            part += sign
    if quote:
        raise bad_arguments(f"a quote in {text!r} is not closed")
    if part.strip():
        yield part.strip()


def _bare(field: str) -> str:
    quoted = len(field) > 1 and field[0] == field[-1] and field[0] in "'\""
    return field[1:-1].strip() if quoted else field


def bad_arguments(message: str) -> FatalError:
    """What a call says that cannot be meant."""
    return FatalError(
        message,
        hint="children are [[name, connected, URL, time], ...] or 'name connected URL time;...'",
        code="bad_arguments",
    )
