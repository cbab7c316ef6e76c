"""What a delta file says of itself, beside its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

import msgspec

from syncd.model.cluster import Direction
from syncd.model.exchange import Mark, Tracked

FORMAT: Final = 1
"""The version of delta files."""


class Cargo(StrEnum):
    """Which way a file goes."""

    EDITS = "edits"
    """From a child to the parent: what was edited at the child."""
    VERSIONS = "versions"
    """From the parent to a child: the parent's rows."""


@dataclass(frozen=True, slots=True)
class DeltaTable:
    """One table in a file: as the sender has it, and under which names its rows stand in the file.

    `whole`: all rows are there, under the condition `where`, so that others at the receiver go. `key`: the columns that the
    parent's configuration names as those that tell rows apart.
    """

    tracked: Tracked
    table: str
    columns: tuple[str, ...]
    direction: Direction = Direction.BOTH
    whole: bool = False
    where: str = ""
    rows: int = 0
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """Whose state a file carries, for whom, and from which state on.

    A receiver that has the sender's state `since`, or any later one before `mark`, has `mark` afterwards; START needs nothing. `received`
    is what the sender has of the receiver: the acknowledgement. `marks` are the sender's states from `since` on. A child says with
    `oldest_base` on which of the parent's generations its oldest unsent edit was made; a parent lists in `held` rows of the child that it has set
    aside (number of the table, key as JSON), and in `filters` which tables the child has under which conditions.
    `ack_only`: the file acknowledges and carries no rows.
    """

    cluster: str
    kind: Cargo
    sender: str
    sender_id: str
    sender_epoch: int
    receiver: str
    receiver_id: str
    receiver_epoch: int
    since: Mark
    mark: Mark
    received: Mark
    marks: tuple[Mark, ...] = ()
    tables: tuple[DeltaTable, ...] = ()
    held: tuple[tuple[int, str], ...] = ()
    filters: str = ""
    oldest_base: int | None = None
    ack_only: bool = False
    format: int = FORMAT

    def token(self, gen: int) -> str | None:
        """The sender's token at a generation, None when the file does not say it."""
        return next((mark.token for mark in self.marks if mark.gen == gen), None)

    def table(self, number: int) -> DeltaTable | None:
        """The table of that number."""
        return next((table for table in self.tables if table.tracked.number == number), None)


def header_rows(header: Header) -> dict[str, str]:
    """The header as names and JSON texts, as they stand in the file."""
    return {field.name: msgspec.json.encode(getattr(header, field.name)).decode() for field in fields(header)}


def header_of(rows: Mapping[str, str]) -> Header:
    """The header again.

    Raises:
        msgspec.MsgspecError: these rows are none of a header.
    """
    plain: dict[str, Any] = {name: msgspec.json.decode(text) for name, text in rows.items()}
    return msgspec.convert(plain, Header)


def tables_text(tables: tuple[DeltaTable, ...]) -> str:
    """Tables as one text, to be kept by their receiver."""
    return msgspec.json.encode(tables).decode()


def tables_of(text: str) -> tuple[DeltaTable, ...]:
    """The tables again."""
    return msgspec.json.decode(text, type=tuple[DeltaTable, ...])
