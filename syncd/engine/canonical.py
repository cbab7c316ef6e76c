"""One text for each value, whatever store it comes from, so that two stores can be compared."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

from syncd.errors import RowRejectedError
from syncd.model.geometry import normal
from syncd.model.geopackage import from_geopackage, is_geopackage
from syncd.model.table import Kind, Table

Canonical = Callable[[Any], str]

_FRACTION: Final = re.compile(r"(\.\d*?)0+(?=$|[+\-Z])")


def canonicals(source: Table, target: Table, columns: Sequence[str]) -> tuple[Canonical, ...]:
    """For each column pair the function that gives equal texts for equal values of both sides.

    The type of the source decides, or where it is dynamic, that of the target.
    """
    found: list[Canonical] = []
    for column, name in zip(source.columns, columns, strict=True):
        place = target.column(name)
        kind = column.type.kind
        if kind is Kind.ANY and place is not None:
            kind = place.type.kind
        single = kind is Kind.FLOAT and (column.type.bits == 32 or bool(place and place.type.bits == 32))
        if kind is Kind.GEOMETRY:
            # A value without a reference system has its column's.
            srid = column.type.srid or (place.type.srid if place is not None else 0)
            found.append(partial(_geometry, srid))
            continue
        found.append(_single if single else _BY_KIND.get(kind, _text))
    return tuple(found)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _integer(value: Any) -> str:
    try:
        return str(int(value))
    except (ValueError, TypeError, OverflowError):
        return _decimal(value)


def _boolean(value: Any) -> str:
    text = str(value).lower()
    return "1" if text in {"1", "t", "true"} else "0" if text in {"0", "f", "false"} else text


def _decimal(value: Any) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite():
        return str(number).lower()
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if sign else ''}{stripped}e{int(exponent) + len(text) - len(stripped)}"


def _float(value: Any) -> str:
    try:
        return repr(float(value))
    except (ValueError, TypeError):
        return str(value).lower()


def _single(value: Any) -> str:
    import struct

    try:
        return repr(struct.unpack("f", struct.pack("f", float(value)))[0])
    except (ValueError, TypeError, OverflowError):
        return str(value).lower()


def _time(value: Any) -> str:
    text = str(value).replace("T", " ")
    return _FRACTION.sub(r"\1", text).replace(".+", "+").removesuffix(".")


def _moment(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return _time(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    except OverflowError:
        return str(value)


def _json(value: Any) -> str:
    try:
        document = json.loads(value, parse_float=_decimal, parse_int=_decimal)
    except (ValueError, TypeError, RecursionError):
        return str(value)
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _bytes(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else f"text:{value}"


def _geometry(srid: int, value: Any) -> str:
    if not isinstance(value, bytes):
        return f"text:{value}"
    try:
        # Between two files a table's blobs may have been copied as they are.
        known = from_geopackage(value) if is_geopackage(value) else value
        return normal(known, srid).hex()
    except RowRejectedError:
        return value.hex()


def _any(value: Any) -> str:
    return f"{type(value).__name__}:{_text(value)}"


_BY_KIND: Final[dict[Kind, Canonical]] = {
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.DECIMAL: _decimal,
    Kind.FLOAT: _float,
    Kind.TIME: _time,
    Kind.TIMESTAMP: _moment,
    Kind.TIMESTAMPTZ: _moment,
    Kind.JSON: _json,
    Kind.BYTES: _bytes,
    Kind.ANY: _any,
    Kind.UUID: lambda value: str(value).lower(),
}
