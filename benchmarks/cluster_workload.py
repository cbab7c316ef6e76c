"""Workload W: what is written at which node of a cluster, as pure functions, so that every contestant gets the same bytes."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

CHILDREN: Final = 3
PARENT: Final = 0
"""Nodes are numbered, the parent first."""
STREETS: Final = 97
STATES: Final = 7
BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)


class Act(StrEnum):
    """What is done to rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Phase(StrEnum):
    """One part of the workload; each needs those before it."""

    INSERT_PARENT = "ins_parent"
    UPDATE_PARENT = "upd_parent"
    INSERT_SPREAD = "ins_spread"
    UPDATE_SPREAD = "upd_spread"
    DELETE_PARENT = "del_parent"


class Row(NamedTuple):
    """One row of the table `asset`, about 300 bytes."""

    gid: uuid.UUID
    code: str
    name: str
    status: int
    qty: int
    price: Decimal
    ratio: float
    note: str
    geom: bytes
    updated_at: datetime


COLUMNS: Final = Row._fields
KEPT: Final = ("gid", "code")
"""What an update leaves as it is: eight of ten columns change."""
CHANGED: Final = tuple(name for name in COLUMNS if name not in KEPT)


@dataclass(frozen=True)
class Edits:
    """What one node's applications do in one transaction."""

    node: int
    act: Act
    rows: Sequence[Row]


def key(tag: str, number: int) -> uuid.UUID:
    """The key of a row, the same in every revision."""
    return uuid.UUID(bytes=hashlib.blake2b(f"{tag} {number}".encode(), digest_size=16).digest(), version=4)


def row(tag: str, number: int, revision: int = 0) -> Row:
    """A row in one of its revisions; `tag` tells sets of rows apart."""
    noise = hashlib.blake2b(f"{tag} {number} {revision}".encode(), digest_size=64).digest()
    return Row(
        gid=key(tag, number),
        code=f"AS-{number:07d}",
        name=f"Asset {noise[:8].hex()} street {noise[8] % STREETS}",
        status=noise[9] % STATES,
        qty=int.from_bytes(noise[10:14], "big"),
        price=Decimal(int.from_bytes(noise[14:17], "big")) / 100,
        ratio=int.from_bytes(noise[17:20], "big") / 65_536,
        note=f"note {noise[20:50].hex()}",
        geom=noise,
        updated_at=BEGIN + timedelta(milliseconds=number * 10 + revision),
    )


def edits(phase: Phase, tag: str, count: int, children: int = CHILDREN) -> list[Edits]:
    """Who writes what in a phase: `count` rows in all, spread ones dealt to the children in turn."""
    spread = f"{tag} spread"
    shares = [(1 + child, range(child, count, children)) for child in range(children)]
    match phase:
        case Phase.INSERT_PARENT:
            return [Edits(PARENT, Act.INSERT, _rows(tag, range(count)))]
        case Phase.UPDATE_PARENT:
            return [Edits(PARENT, Act.UPDATE, _rows(tag, range(count), revision=1))]
        case Phase.INSERT_SPREAD:
            return [Edits(node, Act.INSERT, _rows(spread, share)) for node, share in shares]
        case Phase.UPDATE_SPREAD:
            return [Edits(node, Act.UPDATE, _rows(tag, share, revision=2)) for node, share in shares]
        case Phase.DELETE_PARENT:
            return [Edits(PARENT, Act.DELETE, _rows(spread, range(count)))]


def _rows(tag: str, numbers: range, revision: int = 0) -> list[Row]:
    return [row(tag, number, revision) for number in numbers]
