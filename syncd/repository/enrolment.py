"""Makes a database a node of a cluster: its own tables, and triggers on the tracked ones."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Final

from syncd.errors import FatalError
from syncd.model.exchange import Role, Tracked
from syncd.ports import Check
from syncd.repository.absence import absent, leave
from syncd.repository.naming import Names
from syncd.repository.node import Node
from syncd.repository.offering import begin_unknown, offer, offer_again, offer_filled
from syncd.repository.own import send_again
from syncd.repository.readers import forget_feeds, restart_feeds
from syncd.repository.store import ALL_COLUMNS, Purpose, Store, keyed

REPLACE: Final = "replace"


def shape_of(table: Tracked) -> str:
    """What a table's triggers and tables of ours were made for, as one text."""
    columns = [[column.name, column.type.native] for column in table.columns]
    facts = [
        columns,
        table.key,
        table.captured,
        table.by_column,
        table.timed,
        *([table.sums] if table.sums else []),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def enrol(
    store: Store,
    names: Names,
    role: Role,
    name: str,
    tables: Sequence[Tracked],
    join: str,
    check: Check,
    declared: Collection[int] = (),
) -> tuple[list[str], list[Tracked]]:
    """Bring the node to exactly these tables; what was done, in words, and the tables that are kept beside them.

    A table that a child has rows in already, and that was not tracked before, counts as edited all over: its rows are
    offered to the parent. With `join` ``replace`` they are not, and give way to the parent's. Which others are kept says
    `absent`; nothing is written where nothing is missing.

    Raises:
        FatalError: the database has another part in a cluster of this name.
    """
    node = Node(store, names)
    fresh = not node.exists
    if not fresh:
        refuse_other_part(node, role, name)
    known = {} if fresh else node.tables()
    kept = absent(node, role, tables, declared) if set(known) - {table.number for table in tables} else []
    missing = _missing(node, tables, kept, known, {} if fresh else node.behind())
    if not fresh and missing == Missing():
        return [], kept
    store.begin(Purpose.SNAPSHOT, names, check)
    try:
        node.create(role, name)
        if missing.new and not fresh and role is Role.CHILD:
            # The parent may have this generation already: what is offered with it would count as received, and be deleted.
            node.advance()
        done = _make(node, missing, role, join)
        store.commit(check)
    finally:
        store.rollback()
    return done, kept


@dataclass(frozen=True, slots=True)
class Missing:
    """What is to be done about tables: `gone` are numbers; `left` take no part for now, and `back` did not until now."""

    gone: tuple[int, ...] = ()
    new: tuple[Tracked, ...] = ()
    changed: tuple[Tracked, ...] = ()
    left: tuple[Tracked, ...] = ()
    back: tuple[Tracked, ...] = ()


def _missing(
    node: Node,
    tables: Sequence[Tracked],
    kept: Sequence[Tracked],
    known: Mapping[int, tuple[str, str]],
    behind: Mapping[int, int],
) -> Missing:
    store, names = node.store, node.names
    replaced = {table.number for table in tables if _is_another(store, names, table, known, behind)}
    wanted = {table.number for table in (*tables, *kept)}
    return Missing(
        gone=tuple(number for number in known if number in replaced or number not in wanted),
        new=tuple(table for table in tables if table.number not in known or table.number in replaced),
        changed=tuple(t for t in _changed(store, names, tables, known) if t.number not in replaced),
        left=tuple(table for table in kept if table.number not in behind),
        back=tuple(table for table in tables if table.number in behind),
    )


def _make(node: Node, missing: Missing, role: Role, join: str) -> list[str]:
    """Do it, inside the caller's transaction; what was done, in words."""
    done = [_untrack(node, number, role) for number in missing.gone]
    for table in missing.new:
        done.append(f"tracks {table.name}" if table.captured else f"receives {table.name}")
        _track(node, table, role, join)
    for table in missing.changed:
        done.append(f"renews the triggers of {table.name}")
        known = node.recall(table.number).captured
        begins = table.captured and not known
        unheard = table.captured and known and not node.store.hears(node.names, table)
        gained = node.gained(table.number, table.names) if role is Role.CHILD else ()
        _forget_masks(node, table, role)
        _renew(node, table, role, gained)
        if unheard:
            done.append(_unheard(table, role))
        if role is Role.CHILD and (begins or unheard):
            offer_again(node, table, replaced=begins and join == REPLACE)
        elif gained:
            offer_filled(node, table, gained, replaced=join == REPLACE)
    leave(node, role, missing.left)
    for table in missing.back:
        _resume(node, role, table)
    return done


def _unheard(table: Tracked, role: Role) -> str:
    gone = f"the triggers of {table.name} were gone, so edits went unnoticed"
    if role is Role.CHILD:
        return f"compares all rows of {table.name}: {gone}"
    return f"{gone}: syncd cluster verify --repair finds them"


def _is_another(
    store: Store,
    names: Names,
    table: Tracked,
    known: Mapping[int, tuple[str, str]],
    behind: Mapping[int, int],
) -> bool:
    """Is it another table than the one that was tracked under its number?

    Without its triggers, though they would still be the same, a table that took no part was made anew meanwhile.
    """
    if table.number not in known:
        return False
    name, shape = known[table.number]
    lost = table.number in behind and table.captured and shape == shape_of(table)
    return name != str(table.name) or (lost and not store.captures(names, table))


def _resume(node: Node, role: Role, table: Tracked) -> None:
    """A table takes part again: a child sends what was kept, and stays at its old state until it has got all rows."""
    if role is Role.PARENT:
        node.leave_behind(table.number, None)
    elif table.captured:
        send_again(node, table)


def _changed(
    store: Store, names: Names, tables: Sequence[Tracked], known: Mapping[int, tuple[str, str]]
) -> list[Tracked]:
    """The known tables whose triggers are not as they would be made now."""
    return [
        table
        for table in tables
        if table.number in known
        and (
            known[table.number][1] != shape_of(table) or (table.captured and not store.captures(names, table))
        )
    ]


def planned(store: Store, names: Names, tables: Sequence[Tracked]) -> list[str]:
    """The tables whose triggers `enrol` would make or renew; writes nothing."""
    known = Node(store, names).tables() if Node(store, names).exists else {}
    return [
        str(table.name)
        for table in tables
        if table.captured
        and (
            table.number not in known
            or known[table.number][1] != shape_of(table)
            or not store.captures(names, table)
        )
    ]


def remembered(store: Store, names: Names) -> list[Tracked]:
    """The tables that a node tracks by its own account, as it has them now, whatever a configuration says.

    Columns are the table's own; what was dropped since is left out, and its triggers went with it.
    """
    node, found = Node(store, names), []
    for made in map(node.recall, node.tables()):
        table = store.table(made.name)
        if table is not None:
            found.append(replace(made, columns=table.columns))
    return found


def drop_table(store: Store, names: Names, name: str) -> None:
    """Track a table no more, whatever becomes of its edits."""
    node = Node(store, names)
    role = node.hello((), None).role
    numbers = [number for number, (known, _) in node.tables().items() if known == name]
    for number in numbers:
        _untrack(node, number, role)


def retire(store: Store, names: Names, check: Check) -> None:
    """Take everything of a cluster out of a database: triggers first, then the tables that only syncd reads."""
    node = Node(store, names)
    if not node.exists:
        return
    for table in remembered(store, names):
        # A trigger that stays would write into a table that goes, and no program could edit a row any more.
        store.release_capture(names, table)
    for number in node.tables():
        for name in (names.log, names.own, names.begun, names.row, names.past):
            store.drop(name(number))
    for other in (
        names.marks,
        names.tables,
        names.peers,
        names.conflicts,
        names.refused,
        names.files,
        names.node,
    ):
        store.drop(other)
    check()


def _track(node: Node, table: Tracked, role: Role, join: str) -> None:
    store, names = node.store, node.names
    store.create_log(names, table, parent=role is Role.PARENT)
    _capture(node, table)
    if role is Role.CHILD and table.captured and join != REPLACE:
        offer(store, names, table, node.gen())


def unkeyed(store: Store, table: Tracked) -> str:
    """What to say when a table has rows without a key; empty when all rows have one."""
    if not table.optional_key:
        return ""
    without = f"SELECT 1 FROM {store.text_of(table.name)} WHERE NOT ({keyed(store.quote, table)}) LIMIT 1"
    if not store.run(without).rows:
        return ""
    columns = ", ".join(table.optional_key)
    return f"{table.name}: rows in {store.place} without a value in {columns} are not synchronised: nothing tells them apart"


def _renew(node: Node, table: Tracked, role: Role, gained: Sequence[str]) -> None:
    """Nobody knows what was edited while the triggers were not as they should be."""
    if table.sums:
        node.store.create_log(node.names, table, parent=role is Role.PARENT)
        begin_unknown(node.store, node.names, table)
    _capture(node, table, gained)
    restart_feeds(node, table.number)


def _capture(node: Node, table: Tracked, gained: Sequence[str] = ()) -> None:
    if table.captured:
        node.store.capture(node.names, table)
    else:
        node.store.release_capture(node.names, table)
    node.put_table(table, shape_of(table), gained)


def _forget_masks(node: Node, table: Tracked, role: Role) -> None:
    """Masks that were recorded for other columns, or not at all, count as all columns from now on."""
    store, names = node.store, node.names
    if table.captured:
        store.run(f"UPDATE {store.quote(names.log(table.number))} SET mask = {ALL_COLUMNS}")
    if role is Role.PARENT:
        keys = ", ".join(store.quote(key) for key in table.key)
        past, row = store.quote(names.past(table.number)), store.quote(names.row(table.number))
        store.run(f"UPDATE {past} SET mask = {ALL_COLUMNS} WHERE mask > {ALL_COLUMNS}")
        store.run(f"INSERT INTO {past} ({keys}, gen, mask) SELECT {keys}, gen, {ALL_COLUMNS} FROM {row}")
    elif table.captured:
        store.run(f"UPDATE {store.quote(names.own(table.number))} SET mask = {ALL_COLUMNS}")


def _untrack(node: Node, number: int, role: Role) -> str:
    """Its triggers went with the table, or are dropped with the log that they write."""
    store, names = node.store, node.names
    table = node.recall(number)
    if table.name in store.tables():
        store.release_capture(names, table)
    for made in (
        (names.log, names.row, names.past) if role is Role.PARENT else (names.log, names.own, names.begun)
    ):
        store.drop(made(number))
    node.drop_table(number)
    forget_feeds(node, number)
    if role is Role.PARENT:
        _forget_filters(node, number)
    return f"tracks {table.name.name} no more"


def _forget_filters(node: Node, number: int) -> None:
    """Nothing is known of what the children have of a table: they get all its rows if it comes back."""
    for peer in node.peers():
        known = {} if peer.is_job else json.loads(peer.filters or "{}")
        if str(number) in known:
            del known[str(number)]
            node.put_peer(replace(peer, filters=json.dumps(known)))


def refuse_other_part(node: Node, role: Role, name: str) -> None:
    """Raise FatalError (code ``identity``) when the database has the other part in the cluster."""
    said = node.hello((), None)
    if said.role is not role:
        raise FatalError(
            f"{node.store.place} is the {said.role.value} '{said.name}' of this cluster, and is configured as its"
            f" {role.value} '{name}'",
            hint=f"was it copied from that database? Take its part out: syncd cluster untrack CLUSTER {quote(name)}",
            code="identity",
        )
