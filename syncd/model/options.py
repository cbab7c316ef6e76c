"""How a query is carried out: every option of a job or of a query's WITH, typed, with the meaning of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from syncd.model.table import TableName


class Write(StrEnum):
    """How rows meet those that a table holds already."""

    MERGE = "merge"
    """Matched by key: new rows are inserted, changed ones updated."""
    APPEND = "append"
    """Added as they come, whatever is there."""
    HISTORY = "history"
    """Every version of a row is kept, with the time from which and until which it was the present one."""


class Deletes(StrEnum):
    """What becomes of rows that are gone at the source."""

    OFF = "off"
    HARD = "hard"
    """They are deleted."""
    SOFT = "soft"
    """They stay, and a column says since when they are gone."""


class Verify(StrEnum):
    """How a run proves that both tables hold the same."""

    OFF = "off"
    COUNT = "count"
    CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of time by the calendar (`months`) or exact (`seconds`); exactly one of them is not 0."""

    months: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a job says for all its queries and a query may say otherwise in WITH.

    `check_columns` are candidates: the first that a table has is followed. `lookback_seconds` re-reads that much
    before the mark. `start` is the lowest check value that is ever read, as ISO text or a whole number. `interval`
    cuts a first load into windows of that length, `window_rows` into windows of about so many rows (0: the
    connection's own). `batch_rows` and `batch_bytes` bound what is handed over at once (0: adaptive).

    `truncate` replaces all rows each run, `drop` replaces the table; readers see the old rows until the new set is
    complete. `truncate_strings` cuts texts that are too long and counts them. `alter_schema` adds missing columns
    and widens narrow ones. `quarantine` sets rows aside that the destination refuses. `utc_times` says in which zone
    times without zone are written: UTC or the server's own; None refuses such a pairing.

    `max_delete_percent` is the most that one run may delete; `allow_empty` lets it empty a table whose source has no
    rows. `destination_schema` and `table_prefix` name the target. `key` overrides the source's key.
    """

    check_columns: tuple[str, ...] = ()
    lookback_seconds: float = 0.0
    start: str | int | None = None
    interval: Interval | None = None
    window_rows: int = 0
    batch_rows: int = 0
    batch_bytes: int = 0
    command_timeout_seconds: float = 0.0
    write: Write = Write.MERGE
    truncate: bool = False
    drop: bool = False
    truncate_strings: bool = False
    alter_schema: bool = False
    quarantine: bool = False
    utc_times: bool | None = None
    deletes: Deletes = Deletes.OFF
    max_delete_percent: float = 20.0
    allow_empty: bool = False
    verify: Verify = Verify.OFF
    destination_schema: str = ""
    table_prefix: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Options that cannot stand together: their fields, the one to mend last, and what to say about it."""

    fields: tuple[str, ...]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What one REPLICATE says of itself: the fields of Options that it sets, and the table it names; None for a wildcard."""

    settings: Mapping[str, object]
    names: TableName | None


def target_of(name: TableName, options: Options) -> TableName:
    """The table that a query fills: the schema that the options name, else its own, and the prefix before its name."""
    return TableName(f"{options.table_prefix}{name.name}", options.destination_schema or name.schema)


def conflicts(options: Options) -> Iterator[Conflict]:
    """What is wrong with these options taken together, in the words of a job's YAML."""
    for field in ("truncate", "drop"):
        if not getattr(options, field):
            continue
        if options.write is not Write.MERGE:
            yield _apart(field, "write", f"write: {options.write}")
        if options.deletes is not Deletes.OFF:
            yield _apart(
                field,
                "deletes",
                f"deletes: {options.deletes}",
                "a table that is loaded anew has no rows too many",
            )
    if options.truncate and options.drop:
        yield _apart("truncate", "drop", "drop", "drop empties the table as well")
    if options.write is Write.APPEND and options.deletes is not Deletes.OFF:
        yield _apart("deletes", "write", "write: append", "rows that are only added are never compared")
    if options.check_columns:
        return
    needing = {
        "write": options.write is not Write.MERGE,
        "interval": options.interval is not None,
        "lookback_seconds": options.lookback_seconds > 0,
        "start": options.start is not None,
    }
    for field, given in needing.items():
        if given:
            name = f"write: {options.write}" if field == "write" else field
            yield Conflict(
                (field,), f"{name} needs a check_column", "name the column that shows what changed"
            )


def _apart(first: str, second: str, shown: str, hint: str = "remove one of them") -> Conflict:
    return Conflict((first, second), f"{first} cannot stand together with {shown}", hint)
