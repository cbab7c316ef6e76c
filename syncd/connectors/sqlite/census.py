"""Counts what stands in columns of a SQLite relation: storage classes, forms of texts, and digits of numbers.

The form of a text is the text with a 0 for each digit. A million times have a handful of forms, so a whole batch is
brought into its forms by one call each of join, translate and split, and only a form that was not seen yet is looked at.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from syncd.connectors.sqlite.session import Session, quote
from syncd.model.table import Column, Kind

ROWS_AT_ONCE: Final = 1_000
MOST_FORMS: Final = 5_000
LONGEST_FORM: Final = 2_000
"""A column with more forms of texts, or longer ones, has none that a strict type would take."""

LOOKED_AT: Final = frozenset(
    {Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DECIMAL, Kind.FLOAT, Kind.BOOLEAN}
)
"""Families for which the values themselves matter; of the others, which may be long, the storage class alone is read."""

_CLASSES: Final = {int: "integer", float: "real", str: "text", bytes: "blob", type(None): "null"}
_BETWEEN: Final = "\0"
_DIGITS: Final = bytes(ord("0") if chr(code) in "0123456789" else code for code in range(256))
_FRACTION: Final = re.compile(rb"-?(0+)(?:\.(0+))?")


class Census:
    """What stands in one column.

    `forms` are those of its texts, None when there are too many. `whole_digits` and `scale` are the most digits before
    and after the point of its numbers, as their shortest texts have them; None when one of them is no plain decimal.
    """

    def __init__(self) -> None:
        self.classes: Counter[str] = Counter()
        self.forms: set[bytes] | None = set()
        self.bits = True
        self._fractions: set[bytes] = set()
        self._longest = 0

    def add_classes(self, names: Iterable[str]) -> None:
        """Count storage classes."""
        self.classes.update(names)

    def add(self, values: Sequence[Any]) -> None:
        """Count values."""
        kinds = Counter(map(type, values))
        for kind, count in kinds.items():
            self.classes[_CLASSES[kind]] += count
        if str in kinds and self.forms is not None:
            self.forms |= _forms(_only(values, kinds, str))
            if len(self.forms) > MOST_FORMS or max(map(len, self.forms)) > LONGEST_FORM:
                self.forms = None
        if float in kinds:
            self._fractions |= _forms(list(map(repr, _only(values, kinds, float))))
        if int in kinds:
            numbers = _only(values, kinds, int)
            self._longest = max(self._longest, len(str(max(map(abs, numbers)))))
        if self.bits and (int in kinds or float in kinds):
            self.bits = {value for value in values if type(value) in {int, float}} <= {0, 1}

    @property
    def numbers(self) -> int:
        """How many numbers there are."""
        return self.classes["integer"] + self.classes["real"]

    @property
    def digits(self) -> tuple[int, int] | None:
        """The most digits before and after the point of the numbers' shortest texts; None when one is no plain decimal."""
        found = [_FRACTION.fullmatch(form) for form in self._fractions]
        parts = [match.groups(b"") for match in found if match is not None]
        if len(parts) < len(found):
            return None
        whole = max([self._longest, *(len(before) for before, _ in parts)])
        return whole, max((len(after) for _, after in parts), default=0)


def take_census(
    session: Session, columns: Sequence[Column], rows: str, parameters: Mapping[str, Any]
) -> list[Census]:
    """What stands in each of these columns of all rows of `rows`, which is what may follow FROM."""
    found = [Census() for _ in columns]
    if not columns:
        return found
    looked_at = [column.type.kind in LOOKED_AT for column in columns]
    asked = ", ".join(
        quote(column.name) if whole else f"typeof({quote(column.name)})"
        for column, whole in zip(columns, looked_at, strict=True)
    )
    cursor = session.execute(f"SELECT {asked} FROM {rows}", parameters)
    while True:
        with session.errors():
            part = cursor.fetchmany(ROWS_AT_ONCE)
        if not part:
            return found
        for census, whole, values in zip(found, looked_at, zip(*part, strict=True), strict=True):
            if whole:
                census.add(values)
            else:
                census.add_classes(values)


def _only(values: Sequence[Any], kinds: Mapping[type, int], kind: type) -> Sequence[Any]:
    return values if len(kinds) == 1 else [value for value in values if type(value) is kind]


def _forms(texts: Sequence[str]) -> set[bytes]:
    together = _BETWEEN.join(texts).encode("utf-8", "surrogatepass")
    forms = together.translate(_DIGITS).split(b"\0")
    # A text that holds the separator has a form that no type takes.
    return set(forms) if len(forms) == len(texts) else {*forms, b"\0"}
