"""The errors of MariaDB and MySQL as ours, without row values and passwords."""

import re
from typing import Final

import pymysql

from syncd.errors import FatalError, NotFoundError, RowRejectedError, SyncdError, TransientError

LOCK_WAIT: Final = 1205
TRANSIENT: Final = frozenset(
    {0, 1020, 1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1180, 1203, 1205, 1213, 1226, 1412, 1614, 1637}
    | {1836, 1927, 1969, 2002, 2003, 2006, 2012, 2013, 2014, 2027, 2055, 3024, 4031}
)  # fmt: skip
"""Numbers of errors that may pass by themselves: connection lost, lock wait, deadlock, shutdown, too many connections."""

INTERRUPTED: Final = 1317
LOCAL_REFUSED: Final = frozenset({1148, 2068, 3948, 4166})
"""The server takes no LOAD DATA LOCAL."""
DUPLICATE: Final = frozenset({1022, 1062, 1169, 1586, 1859})
EXISTS: Final = frozenset({1007, 1050})
MISSING: Final = frozenset({1049, 1146, 1932})
FORBIDDEN: Final = frozenset({1044, 1142, 1143, 1227, 1290, 1370, 1419, 1792, 1836})
FULL: Final = frozenset({1021, 1026, 1114, 3675})

ROW: Final = frozenset(
    {1048, 1216, 1217, 1230, 1263, 1264, 1265, 1292, 1300, 1301, 1364, 1366, 1367, 1369, 1406, 1411, 1416, 1425, 1441}
    | {1451, 1452, 1526, 1644, 1690, 1748, 3140, 3141, 3819, 3854, 4025, 4038}
)  # fmt: skip
"""Numbers of errors about what stands in a row."""

NULLS: Final = frozenset({1048, 1263, 1364})
TRIGGER: Final = 1644
TWICE: Final = 1060

REFUSALS: Final = (
    ({1045, 1698}, "password rejected", "check `user` and `password`", "connection_refused"),
    ({1044, 1049}, "there is no such database for this user", "check `database` and `user`", "not_found"),
    (
        {1129, 1130},
        "the server does not let us in from here",
        "ask its administrator to allow this host",
        "connection_refused",
    ),
    (
        {1251, 2059, 2061},
        "the server wants another way to log in",
        "switch TLS on, or ask its administrator for another authentication plugin",
        "connection_refused",
    ),
    (
        {2026},
        "no TLS connection that `ssl` asks for can be made",
        "check `ssl` and `ssl_ca`, or switch TLS on at the server",
        "connection_refused",
    ),
)
"""Numbers of a refused connection -> what it means, what to try, our code."""

REASONS: Final = (
    ("connection refused", "connection refused"),
    ("name or service not known", "no such host name"),
    ("name resolution", "no such host name"),
    ("nodename nor servname", "no such host name"),
    ("no address associated", "no such host name"),
    ("timed out", "no answer in time"),
    ("no such file", "no server listens on that socket"),
    ("too many connections", "the server has too many connections"),
)
"""Words of a connection that failed -> what it means."""

_COLUMN: Final = re.compile(r"(?:for column|Column|Field) (?:`[^`]*`\.)*[`']([^`']*)[`']", re.IGNORECASE)
_VALUE: Final = re.compile(r"value:? '.*?'(?= for (?:column|function)|$)|entry '.*'(?= for key)", re.DOTALL)
_ROW_NUMBER: Final = re.compile(r" at row \d+")
_QUOTED_EXPRESSION: Final = re.compile(r" in '.*'", re.DOTALL)


def connecting(error: pymysql.Error, place: str) -> SyncdError:
    """Why a connection could not be opened."""
    number, text = parts_of(error)
    low = text.lower()
    for numbers, meaning, hint, code in REFUSALS:
        if number in numbers:
            return FatalError(f"cannot connect to {place}: {meaning}", hint=hint, code=code)
    if "certificate" in low:
        meaning, hint, code = REFUSALS[-1][1:]
        return FatalError(f"cannot connect to {place}: {meaning}", hint=hint, code=code)
    reason = next((meaning for words, meaning in REASONS if words in low), "it does not answer")
    return TransientError(
        f"cannot connect to {place}: {reason}", hint="check `host` and `port`, and that the server runs"
    )


def running(error: pymysql.Error, place: str) -> SyncdError:
    """Why a statement failed."""
    number, text = parts_of(error)
    return refusal(number, text, place)


def refusal(number: int, text: str, place: str) -> SyncdError:
    """What an error or a warning with this number says."""
    if number == INTERRUPTED:
        # A stop of ours is known before it comes to this.
        return TransientError(
            f"{place}: somebody cancelled the statement at the server", hint="it is tried again"
        )
    if number in EXISTS:
        return TransientError(f"{place}: {text}", hint="somebody else has just created it; it is tried again")
    if number in DUPLICATE:
        return FatalError(
            f"{place}: {without_values(text)}",
            hint="a unique rule of the destination forbids a row",
            code="key_exists",
        )
    if number in ROW:
        return _of_a_row(number, text, place)
    if number == LOCK_WAIT:
        return TransientError(
            f"{place}: a transaction of somebody else holds rows that are needed",
            hint="end it (information_schema.innodb_trx shows it); it is tried again",
            code="row_locked",
        )
    if number in TRANSIENT:
        return TransientError(f"{place}: {text or 'the connection was lost'}", hint="it is tried again")
    if number in MISSING:
        return NotFoundError(f"{place}: {text}", hint="check the name and the database")
    if number in FORBIDDEN:
        return FatalError(
            f"{place}: permission denied: {text}", hint="grant the user that right", code="forbidden"
        )
    if number == TWICE:
        return FatalError(
            f"the query gives two columns the name '{_name_of(text)}'", hint="rename one: SELECT a AS b"
        )
    if number in FULL or "errno: 28" in text:
        return FatalError(f"{place}: {text}", hint="free space at the server and run again", code="disk_full")
    return FatalError(
        f"{place}: {without_values(text)}", hint="check the query and the table", where=column_of(text)
    )


def _of_a_row(number: int, text: str, place: str) -> SyncdError:
    """What is wrong with a row, without its values."""
    if number == TRIGGER:
        # Its words are its author's, who may have put a value into them.
        return RowRejectedError(
            f"{place}: a trigger of the table refuses a row", hint="see what its SIGNAL says"
        )
    hint = "mend the value, or give the column a type that takes it"
    if number in NULLS:
        hint = "give that column of the destination a default, allow NULL there, or mend the row"
    return RowRejectedError(f"{place}: {without_values(text)}", where=column_of(text), hint=hint)


def parts_of(error: pymysql.Error) -> tuple[int, str]:
    """The number and the words of a driver's error; 0 when the connection is closed."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return number, str(error.args[1]) if len(error.args) > 1 else ""


def _name_of(text: str) -> str:
    return text.partition("'")[2].rpartition("'")[0]


def column_of(text: str) -> str:
    """The column that a message names, else empty."""
    match = _COLUMN.search(text)
    return match.group(1) if match else ""


def without_values(text: str) -> str:
    """The message without values of rows and without their numbers in the block."""
    said = _VALUE.sub(lambda match: match.group(0).partition("'")[0].rstrip(": "), text)
    if "out of range in" in said:
        said = _QUOTED_EXPRESSION.sub("", said)
    return _ROW_NUMBER.sub("", said)
