"""Rows that arrived and that a table does not take: kept with all their values, and tried again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.errors import SyncdError
from syncd.model.exchange import Tracked
from syncd.repository.image import image_of, row_of
from syncd.repository.node import REFUSED, Node

FIRST_WAIT_SECONDS: Final = 10
LONGEST_WAIT_SECONDS: Final = 3600
PARENTS: Final = 0
"""Under which number a child keeps rows of its parent that it could not take."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One such row. `facts` are those of an edit in their order; for a parent's rows all but the first and `base` are 0.

    `row` has the tracked columns in order; where it is deleted only its key counts. `told`: see `addition`.
    """

    table: int
    peer: int
    facts: tuple[int, ...]
    row: tuple[Any, ...]
    error: SyncdError
    told: str | None = None


def set_aside(node: Node, table: Tracked, refused: Refused, now: float) -> None:
    """Keep a row, in place of an older one with its key; each further try waits longer."""
    names, store = node.names, node.store
    key = key_text(table, refused.row)
    at = f"{store.quote(names.refused)}"
    found: Sequence[Any] = store.run(
        f"SELECT tries, first_seen, base FROM {at} WHERE tbl = {table.number} AND peer = {refused.peer} AND row_key = ?",
        (key,),
    ).rows
    tries, first = (int(found[0][0]) + 1, int(found[0][1])) if found else (1, round(now * 1000))
    let_go(node, table, refused.peer, [key])
    # A row that could not be taken for some time was last seen before the first of these times.
    oldest = min([refused.facts[2], *(int(row[2]) for row in found)])
    wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(tries - 1, 12))
    gone, gen, _, op, mask, moment = refused.facts
    base = oldest if refused.peer == 0 else refused.facts[2]
    columns = ", ".join(REFUSED)
    numbers = f"{gone}, {gen}, {base}, {op}, {mask}, {moment}"
    store.run(
        f"INSERT INTO {at} ({columns}) VALUES ({node.next_id(names.refused)}, {refused.peer}, {table.number}, ?, ?,"
        f" {numbers}, ?, ?, ?, {tries}, {round((now + wait) * 1000)}, {first})",
        (key, image_of(table.names, refused.row), refused.error.code, refused.error.message, refused.told),
    )


def let_go(node: Node, table: Tracked, peer: int, keys: Sequence[str]) -> None:
    """Forget refused rows with these keys (see `key_text`)."""
    at = node.store.quote(node.names.refused)
    for key in keys:
        node.store.run(
            f"DELETE FROM {at} WHERE tbl = {table.number} AND peer = {peer} AND row_key = ?", (key,)
        )


def forget_refused(node: Node, peer: int) -> None:
    """Forget all rows of a peer."""
    node.store.run(f"DELETE FROM {node.store.quote(node.names.refused)} WHERE peer = {peer}")


def all_refused(node: Node, peer: int | None = None) -> list[dict[str, Any]]:
    """The rows that are set aside, oldest first, each as a mapping with the columns of `REFUSED`."""
    condition = "" if peer is None else f" WHERE peer = {peer}"
    columns = ", ".join(REFUSED)
    at = node.store.quote(node.names.refused)
    rows = node.store.run(f"SELECT {columns} FROM {at}{condition} ORDER BY id").rows
    return [dict(zip(REFUSED, row, strict=True)) for row in rows]


def count_refused(node: Node) -> dict[int, int]:
    """How many rows are set aside here, by the number of their peer; empty where nothing ever was."""
    at = node.store.quote(node.names.refused)
    rows: Sequence[Any] = node.store.run(f"SELECT peer, count(*) FROM {at} GROUP BY peer").rows
    return {int(peer): int(count) for peer, count in rows}


def refused_keys(node: Node, table: Tracked) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Key values and base of each refused row of a table."""
    at = node.store.quote(node.names.refused)
    rows: Sequence[Any] = node.store.run(f"SELECT image, base FROM {at} WHERE tbl = {table.number}").rows
    for image, base in rows:
        yield key_of(table, row_of(table.names, str(image))), int(base)


def key_of(table: Tracked, row: Sequence[Any]) -> tuple[Any, ...]:
    """The values of a row's key."""
    places = [table.names.index(name) for name in table.key]
    return tuple(row[place] for place in places)


def key_text(table: Tracked, row: Sequence[Any]) -> str:
    """A row's key as JSON, by which people and programs name it."""
    return key_text_of(table, key_of(table, row))


def key_text_of(table: Tracked, key: Sequence[Any]) -> str:
    """The values of a key as `key_text` gives them."""
    image = image_of(table.key, key)
    return image if image is not None else json.dumps({})
