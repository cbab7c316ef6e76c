"""Questions to a source, and the parts in which it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from syncd.model.options import Interval
from syncd.model.plan import Relation

Trace = Callable[[str], None]
"""Hears every statement that a port sends, as text without values."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a port behaves during one run.

    `command_timeout_seconds` is how long one statement may go without any progress, 0 for no limit; when it is over,
    a TransientError with the code ``timeout`` is raised. `trace` is None when nobody listens.
    """

    command_timeout_seconds: float = 0.0
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a source with captured changes reads in place of its table, in its own SQL.

    `rows` gives the table's columns of the rows that changed, `gone` the values of `key` of rows that are gone.
    """

    rows: str
    gone: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extract:
    """A question to a source: this relation, following a check column, from this cursor on.

    The first of `check_columns` that exists is followed; when some are given and none exists, it is an error.
    `cursor` is text that the same source made earlier, or None to read from the beginning. `key` overrides the key
    that the source knows. Rows whose check column is below `start` (ISO text or a whole number) are never read.
    `interval` cuts a first load by time, `window_rows` by rows (0: the source's own choice); `single` wants
    everything in one window. A batch has at most `batch_rows` rows and about `batch_bytes` bytes (0: its own choice).

    `keys` limits the reading to the rows with these keys (values in key order, as in ROWS batches); cursor and check
    columns do not matter then, and no cursor is made.

    `reader` names the job and step that ask, so that a source with captured changes keeps what they need; empty for a
    look that may write nothing. `deletes`: rows that are gone will be let go. `changes` is a source's question to itself.
    """

    relation: Relation
    check_columns: tuple[str, ...] = ()
    lookback_seconds: float = 0.0
    cursor: str | None = None
    key: tuple[str, ...] = ()
    start: str | int | None = None
    interval: Interval | None = None
    window_rows: int = 0
    single: bool = False
    batch_rows: int = 0
    batch_bytes: int = 0
    keys: tuple[tuple[object, ...], ...] | None = None
    reader: str = ""
    deletes: bool = False
    changes: Changes | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a relation that is read, written and made durable in one go.

    `number` counts from 1. `whole` is true when the window needs no merge as far as the source knows: its rows cannot
    meet rows of earlier windows of the same reading. `selector` belongs to the source.
    """

    number: int
    text: str
    whole: bool
    selector: object = None


class Scheme(StrEnum):
    """How a chunk's checksum is made.

    INTEGER: of one whole-number key column, by arithmetic that every store can do: with d = key - low and
    x = d & 0xffffffff, y = ((x ^ (x >> 16)) * 73244475) & 0xffffffff, the row's number is y ^ (y >> 15), plus d >> 32.
    NATIVE: of the columns' own text in one product; only comparable between stores of that product whose columns
    have the same types.
    """

    INTEGER = "integer"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a table is cut into chunks for comparing.

    `key` are the columns that tell rows apart, `of` the columns whose values are summed (empty: the key alone).
    With scheme INTEGER, and with NATIVE when `low` is not None, chunk n holds the keys from low + n * width up to the
    next chunk's first; the key is one whole-number column. Else chunk n holds the rows whose key's native checksum
    modulo `count` is n. `only` limits the question to some chunks.
    """

    scheme: Scheme
    key: tuple[str, ...]
    of: tuple[str, ...] = ()
    low: int | None = None
    width: int = 0
    count: int = 1
    only: tuple[int, ...] | None = None


Sums = dict[int, tuple[int, str]]
"""Of each chunk that is not empty: how many rows, and the sum of their numbers as text."""
