"""Every row that was written or decided at a parent is a new version, and says whose edit it is."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.repository.node import Node
from syncd.repository.placing import BUMP, WRITTEN, WRITTEN_AS_OURS
from syncd.repository.store import ALL_COLUMNS, NUMBER, STATE, Stage, stage_columns

ADOPTED: Final = 6
"""The state of a row that is the same on both sides and whose version takes the child's edit for its own."""
KEPT: Final = 7
"""The state of a row of ours that stays as its author made it, and goes to the loser of a conflict."""
MERGED: Final = 0
"""The `op` of a staged row that was made here out of two."""
STANDS: Final = -2
"""STANDS - n as a mask: a generation changed nothing, the row stands as generation n made it."""
AUTHORED: Final = -(2**62)
"""AUTHORED - n as a mask: until this generation, the row that stands was counted as child n's."""


def write_versions(node: Node, stage: Stage, peer: int, gen: int, mask: str) -> None:
    """Put the versions of a child's staged rows into `row`, and what changed in them into `past`: `mask`, as SQL."""
    upsert = node.store.upsert_rows
    upsert(node.names, stage, f"({WRITTEN} OR s.{STATE} = {ADOPTED})", gen, str(peer), "s.s_gen")
    # A row of the child's that won stays its own: what it builds on that row is no conflict.
    ours = f"s.s_op = {MERGED} OR s.{STATE} = {BUMP}"
    upsert(
        node.names,
        stage,
        WRITTEN_AS_OURS,
        gen,
        f"CASE WHEN {ours} THEN 0 ELSE {peer} END",
        f"CASE WHEN {ours} THEN {gen} ELSE s.s_gen END",
    )
    unchanged = f"s.{STATE} IN ({KEPT}, {BUMP}, {ADOPTED})"
    if node.store.run(f"SELECT 1 FROM {stage.name} s WHERE {unchanged} LIMIT 1").rows:
        _count_anew(node, stage, gen)
        _note(node, stage, gen, unchanged, f"{STANDS} - s.s_base")
    if stage.table.by_column:
        _note(node, stage, gen, WRITTEN, mask)
        _note(node, stage, gen, f"{WRITTEN_AS_OURS} AND NOT {unchanged}", str(ALL_COLUMNS))


def _count_anew(node: Node, stage: Stage, gen: int) -> None:
    """Rows of ours that stay as their author made them go to whoever lost against them."""
    quote = node.store.quote
    keys = ", ".join(quote(key) for key in stage.table.key)
    staged = ", ".join(f"s.{name}" for name in stage.key_columns)
    node.store.run(
        f"UPDATE {quote(node.names.row(stage.table.number))} SET gen = {gen}"
        f" WHERE ({keys}) IN (SELECT {staged} FROM {stage.name} s WHERE s.{STATE} = {KEPT})"
    )


def note_author(node: Node, stage: Stage, number: int, author: int, gen: int) -> None:
    """Another child made the very row that child `author` had made: both may build on it."""
    _note(node, stage, gen, f"s.{NUMBER} = {number}", str(AUTHORED - author))


def _note(node: Node, stage: Stage, gen: int, which: str, mask: str) -> None:
    quote = node.store.quote
    keys = ", ".join(quote(key) for key in stage.table.key)
    staged = ", ".join(f"s.{name}" for name in stage.key_columns)
    node.store.run(
        f"INSERT INTO {quote(node.names.past(stage.table.number))} ({keys}, gen, mask)"
        f" SELECT {staged}, {gen}, {mask} FROM {stage.name} s WHERE {which}"
    )


def standing_of(node: Node, stage: Stage, number: int, gen: int) -> tuple[int, set[int]]:
    """The generation that made our row as it is, though a later one counts it anew, and who else made it the same."""
    past = past_of(node, stage, number)
    stands = [STANDS - mask for counted, mask in past if counted == gen and AUTHORED < mask <= STANDS]
    since = stands[0] if stands else gen
    return since, {AUTHORED - mask for counted, mask in past if mask <= AUTHORED and counted > since}


def past_of(node: Node, stage: Stage, number: int) -> list[tuple[int, int]]:
    """Generations of our row, found by the key of a staged one, with the columns that they changed."""
    table, quote = stage.table, node.store.quote
    place = dict(zip(table.names, stage_columns(table), strict=True))
    meeting = " AND ".join(f"p.{quote(key)} = s.{place[key]}" for key in table.key)
    rows: Sequence[Any] = node.store.run(
        f"SELECT p.gen, p.mask FROM {quote(node.names.past(table.number))} p JOIN {stage.name} s ON {meeting}"
        f" WHERE s.{NUMBER} = {number}"
    ).rows
    return [(int(gen), int(mask)) for gen, mask in rows]
