"""What the next run would move and find in conflict, asked without counting or writing anything in a database."""

from collections.abc import Generator, Sequence
from typing import Any

from syncd.model.batch import Batch, Format
from syncd.model.exchange import UNKNOWN_BASE, Tracked
from syncd.model.table import Column
from syncd.ports import Check
from syncd.repository.node import PARENT, Node
from syncd.repository.store import (
    ALL_COLUMNS,
    BORN,
    DELETED,
    FACTS_OF_EDITS,
    INSERTED,
    WHOLE,
    Stage,
    Store,
    stage_columns,
)


def unsent_edits(node: Node, table: Tracked, received: int, *, fresh: bool, check: Check) -> Generator[Batch]:
    """A child's edits that its parent does not have, in tuples with the facts of edits, as a run would send them.

    `received` is what the parent has of the child. `fresh`: the child does not track the table yet, and offers all rows.
    """
    store = node.store
    first = store.quote(table.key[0])
    plain = ", ".join(f"t.{store.quote(name)}" for name in table.names)
    if fresh:
        facts = f"{UNKNOWN_BASE}, {INSERTED}, {ALL_COLUMNS}, 0"
        select = f"SELECT 0, 0, {facts}, {plain} FROM {store.text_of(table.name)} t"
    else:
        keys = set(table.key)
        columns = ", ".join(f"{'e' if name in keys else 't'}.{store.quote(name)}" for name in table.names)
        facts = f"e.gen, e.base, e.op, {ALL_COLUMNS}, 0"
        select = (
            f"SELECT CASE WHEN t.{first} IS NULL THEN 1 ELSE 0 END, {facts}, {columns}"
            f" FROM {_edited(node, table, received)} e"
            f" LEFT JOIN {store.text_of(table.name)} t ON {_same(store, table, 't', 'e')}"
        )
    every = [*(Column(fact, WHOLE) for fact in FACTS_OF_EDITS), *table.columns]
    yield from store.extract(select, every, Format.ROWS, check)


def count_unsent(node: Node, table: Tracked, received: int) -> int:
    """How many rows of a child have edits that the parent does not have, whether a generation counts them yet or not."""
    return _count(node.store, f"SELECT count(*) FROM {_edited(node, table, received)} e")


def count_staged(store: Store, stage: Stage) -> int:
    """How many rows a stage has."""
    return _count(store, f"SELECT count(*) FROM {stage.name}")


def part_of(store: Store, table: Tracked, where: str) -> str:
    """The SELECT of a table's rows that meet a condition."""
    columns = ", ".join(map(store.quote, table.names))
    return f"SELECT {columns} FROM {store.text_of(table.name)} WHERE ({where})"


def unsent_keys(node: Node, table: Tracked, check: Check) -> Generator[tuple[Any, ...]]:
    """The keys of a node's edits that the other side may not have."""
    names, store = node.names, node.store
    keys = ", ".join(store.quote(name) for name in table.key)
    parts = " UNION ".join(
        f"SELECT {keys} FROM {store.quote(name)}"
        for name in (names.own(table.number), names.log(table.number))
    )
    yield from _keys(store, table, parts, check)


def fresh_keys(node: Node, table: Tracked, since: int, check: Check) -> Generator[tuple[Any, ...]]:
    """The keys of a parent's rows that changed after a generation."""
    yield from _keys(node.store, table, _changed(node, table, since, None), check)


def count_conflicts(
    node: Node, stage: Stage, earlier: Sequence[Stage], peer: int, *, tracked: bool, summed: bool
) -> int:
    """How many staged edits were not made on the parent's present version, and have other content.

    `earlier` are stages of children that are consolidated before; `tracked`: the parent has versions of this table;
    `summed`: both sides may have added the same to a column.
    """
    store, table = node.store, stage.table
    first = store.quote(table.key[0])
    there = f"t.{first} IS NOT NULL"
    parts = [f"FROM {stage.name} s LEFT JOIN {store.text_of(table.name)} t ON {_staged(store, table, 't')}"]
    inserted = f"(s.s_op >= {BORN} OR (s.s_op % 2 = 1 AND s.s_op < {DELETED}))"
    disputed = f"({there} AND {inserted} AND s.s_gone = 0)"
    if tracked:
        parts.append(
            f"LEFT JOIN {store.quote(node.names.row(table.number))} v ON {_staged(store, table, 'v')}"
        )
        keys = ", ".join(store.quote(name) for name in table.key)
        log = f"(SELECT DISTINCT {keys} FROM {store.quote(node.names.log(table.number))})"
        parts.append(f"LEFT JOIN {log} l ON {_staged(store, table, 'l')}")
        version = f"v.{first} IS NOT NULL"
        behind = f"(({there} OR {version}) AND coalesce(v.gen, 0) > s.s_base)"
        forgotten = f"(s.s_base >= 0 AND s.s_base < {node.oldest()} AND v.{first} IS NULL AND NOT {inserted})"
        own = f"(v.nid = {peer} AND v.ngen <= s.s_gen)"
        disputed = (
            f"(l.{first} IS NOT NULL OR (({behind} OR {disputed} OR {forgotten})"
            f" AND (v.{first} IS NULL OR NOT {own})))"
        )
    unlike = _other_content(store, table, first)
    if summed:
        unlike = f"({unlike} OR ({there} AND s.s_gone = 0 AND s.s_base >= 0))"
    either = [f"({disputed} AND {unlike})"]
    for at, other in enumerate(earlier):
        parts.append(f"LEFT JOIN {other.name} e{at} ON {_stages_meet(stage, other, f'e{at}')}")
        # Whether both edits come to the same is not looked at: two children touch one row, and that is rare.
        either.append(
            f"(e{at}.{other.key_columns[0]} IS NOT NULL AND NOT (s.s_gone = 1 AND e{at}.s_gone = 1))"
        )
    return _count(store, f"SELECT count(*) {' '.join(parts)} WHERE ({' OR '.join(either)})")


def count_down(
    node: Node, table: Tracked, others: Sequence[Stage], since: int | None, peer: int, where: str
) -> int:
    """How many rows a child would be sent: those that changed after `since` and that others will have edited.

    `since` None stands for all rows. Under a condition a child is also told which rows left its part.
    """
    store = node.store
    keys = ", ".join(store.quote(name) for name in table.key)
    if since is None:
        limit = f" WHERE ({where})" if where else ""
        parts = [f"SELECT {keys} FROM {store.text_of(table.name)}{limit}"]
        gone = " WHERE s_gone = 0"
    else:
        parts = [_changed(node, table, since, None if where else peer)]
        gone = ""
    parts += [f"SELECT {', '.join(other.key_columns)} FROM {other.name}{gone}" for other in others]
    return _count(store, f"SELECT count(*) FROM ({' UNION '.join(parts)}) u")


def _edited(node: Node, table: Tracked, received: int) -> str:
    """Keys with generation, base and what happened; edits that no generation counts yet get the present state as theirs."""
    store, names = node.store, node.names
    keys = ", ".join(store.quote(name) for name in table.key)
    later, base = node.gen() + 1, node.peer(PARENT).received.gen
    happened = (
        f"max(op % 2) + max(CASE WHEN op % {BORN} >= {DELETED} THEN {DELETED} ELSE 0 END)"
        f" + max(CASE WHEN op >= {BORN} THEN {BORN} ELSE 0 END)"
    )
    return (
        f"(SELECT {keys}, max(gen) AS gen, min(base) AS base, {happened} AS op FROM ("
        f"SELECT {keys}, gen, base, op FROM {store.quote(names.own(table.number))} WHERE gen > {received}"
        f" UNION ALL SELECT {keys}, {later}, {base}, op FROM {store.quote(names.log(table.number))}"
        f") u GROUP BY {keys})"
    )


def _changed(node: Node, table: Tracked, since: int, but_of: int | None) -> str:
    store, names = node.store, node.names
    keys = ", ".join(store.quote(name) for name in table.key)
    author = "" if but_of is None else f" AND nid <> {but_of}"
    return (
        f"SELECT {keys} FROM {store.quote(names.row(table.number))} WHERE gen > {since}{author}"
        f" UNION SELECT {keys} FROM {store.quote(names.log(table.number))}"
    )


def _keys(store: Store, table: Tracked, select: str, check: Check) -> Generator[tuple[Any, ...]]:
    columns = [table.column(name) for name in table.key]
    for batch in store.extract(select, columns, Format.ROWS, check):
        rows: Sequence[Any] = batch.data
        yield from rows


def _other_content(store: Store, table: Tracked, first: str) -> str:
    """The staged row and the table's are not the same, a deleted row being the same as none."""
    there = f"t.{first} IS NOT NULL"
    differs = store.differs(table, table.others, "t", "s") if table.others else "1 = 0"
    return f"((s.s_gone = 1 AND {there}) OR (s.s_gone = 0 AND (t.{first} IS NULL OR {differs})))"


def _staged(store: Store, table: Tracked, alias: str) -> str:
    place = dict(zip(table.names, stage_columns(table), strict=True))
    return " AND ".join(f"{alias}.{store.quote(name)} = s.{place[name]}" for name in table.key)


def _stages_meet(stage: Stage, other: Stage, alias: str) -> str:
    pairs = zip(stage.key_columns, other.key_columns, strict=True)
    return " AND ".join(f"s.{mine} = {alias}.{theirs}" for mine, theirs in pairs)


def _same(store: Store, table: Tracked, one: str, other: str) -> str:
    return " AND ".join(f"{one}.{store.quote(name)} = {other}.{store.quote(name)}" for name in table.key)


def _count(store: Store, sql: str) -> int:
    rows: Sequence[Any] = store.run(sql).rows
    return int(rows[0][0])
