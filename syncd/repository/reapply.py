"""A person settles a conflict: the chosen image is written at the parent as an ordinary edit, and flows to everybody."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from syncd.errors import BusyError, FatalError, NotFoundError
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.ports import Check
from syncd.repository.image import row_of
from syncd.repository.node import Node
from syncd.repository.present import present_row
from syncd.repository.record import REFUSALS, conflicts_of, resolve, settle_refused
from syncd.repository.refused import all_refused, key_text, let_go
from syncd.repository.store import DELETED, UPDATED, Purpose, Stage

STAGE: Final = "syncd_stage_reapply"


def take(
    node: Node,
    tables: Sequence[Tracked],
    number: int,
    side: str,
    *,
    columns: Sequence[str] = (),
    by: str,
    at: str,
    force: bool = False,
    check: Check,
) -> str:
    """Put one image of a conflict in force: ``parent``, ``child`` or ``merged``; only some columns where they are named.

    Returns what was done, in words; `at` is the moment as ISO text. A row that was refused leaves the list of those that are tried again.

    Raises:
        NotFoundError: there is no such conflict, or its table is not tracked any more.
        BusyError: the row has changed since, and `force` was not given.
        FatalError: the table has no such column, the record has no such image, or the row is refused.
    """
    record = found_record(node, number)
    table = table_of(tables, str(record["tbl"]))
    _refuse_unknown(table, columns)
    if side == "merged" and record["merged_row"] is None:
        raise FatalError(f"conflict {number} has no merged row", hint="take parent or child")
    key = row_of(table.names, str(record["row_key"]))
    store = node.store
    # As a table without a log: an edit that no run has counted yet must not keep the row from being written.
    stage = Stage(STAGE, replace(table, captured=False), table, edits=False)
    # Not Purpose.APPLY: the triggers shall see an edit like any other.
    store.begin(Purpose.SNAPSHOT, node.names, check)
    try:
        present = present_row(node, table, key, check)
        _refuse_moved(record, table, present, force=force)
        wanted = _wanted(record, table, side, columns, present)
        done = _write(node, stage, key, wanted) or _count_anew(node, stage, at)
        _settle(node, table, key, at)
        resolve(node, number, by, at, f"took {side}{' of ' + ', '.join(columns) if columns else ''}")
        store.commit(check)
    finally:
        store.rollback()
        store.empty(stage)
    return done


def _wanted(
    record: dict[str, Any],
    table: Tracked,
    side: str,
    columns: Sequence[str],
    present: tuple[Any, ...] | None,
) -> tuple[Any, ...] | None:
    """The row that is to be in force, None for a deleted one."""
    if str(record["kind"]) in REFUSALS and side == "parent":
        # The parent never took the other one: its row stays, whatever it is by now.
        return present
    image = record[f"{side}_row"]
    if image is None:
        return None
    # Columns that the child does not have are in no image, and stay as they are.
    given = columns or tuple(json.loads(str(image)))
    return _mixed(table, present, row_of(table.names, str(image)), given)


def _settle(node: Node, table: Tracked, key: Sequence[Any], at: str) -> None:
    """Whoever waits with an edit of this row waits no more."""
    for row in all_refused(node):
        if str(row["row_key"]) == key_text(table, key) and int(row["tbl"]) == table.number:
            let_go(node, table, int(row["peer"]), [str(row["row_key"])])
    settle_refused(node, table, key, at)


def found_record(node: Node, number: int) -> dict[str, Any]:
    """The record of that number.

    Raises:
        NotFoundError: there is none.
    """
    records = conflicts_of(node, number=number)
    if not records:
        raise NotFoundError(f"there is no conflict {number}", hint="syncd conflicts list shows all")
    return records[0]


def _refuse_moved(
    record: dict[str, Any], table: Tracked, present: tuple[Any, ...] | None, *, force: bool
) -> None:
    image = record["parent_row"] if record["winner"] == "parent" else record[f"{record['winner']}_row"]
    then = None if image is None else row_of(table.names, str(image))
    if then is not None and present is not None:
        then = _mixed(table, present, then, tuple(json.loads(str(image))))
    if present != then and not force:
        raise BusyError(
            f"the row of {table.name} has changed since conflict {record['id']} was decided",
            hint=f"look: syncd conflicts diff {record['id']}; take it all the same with --force",
            code="row_moved",
        )


def _refuse_unknown(table: Tracked, columns: Sequence[str]) -> None:
    known = {name.lower() for name in table.names}
    unknown = [name for name in columns if name.lower() not in known]
    if unknown:
        raise FatalError(
            f"{table.name} has no column {', '.join(unknown)}",
            hint=f"columns: {', '.join(table.names)}",
            code="no_column",
        )


def _mixed(
    table: Tracked, present: tuple[Any, ...] | None, wanted: tuple[Any, ...], columns: Sequence[str]
) -> tuple[Any, ...]:
    if present is None:
        return wanted
    folded = {name.lower() for name in columns}
    return tuple(
        new if name.lower() in folded else old
        for name, old, new in zip(table.names, present, wanted, strict=True)
    )


def _write(node: Node, stage: Stage, key: Sequence[Any], wanted: tuple[Any, ...] | None) -> str:
    """Write the row; what was done, nothing when it is so already."""
    store = node.store
    store.make_stage(stage)
    row = (1, *key) if wanted is None else (0, *wanted)
    store.fill(stage, Batch(Format.ROWS, [row], 1), lambda: None)
    store.filled(stage)
    if wanted is None:
        return "deleted" if store.delete(stage, "s.s_gone = 1") else ""
    if store.update(stage, "s.s_gone = 0"):
        return "updated"
    return "inserted" if store.insert(stage, "s.s_gone = 0") else ""


def _count_anew(node: Node, stage: Stage, at: str) -> str:
    """Nothing is to be written, and yet it is an edit: who has another row gets this one, or hears that it is gone."""
    quote = node.store.quote
    keys = ", ".join(quote(key) for key in stage.table.key)
    staged = ", ".join(f"s.{name}" for name in stage.key_columns)
    moment = round(datetime.fromisoformat(at).timestamp() * 1000)
    node.store.run(
        f"INSERT INTO {quote(node.names.log(stage.table.number))} ({keys}, op, mask, at)"
        f" SELECT {staged}, CASE WHEN s.s_gone = 1 THEN {DELETED} ELSE {UPDATED} END, 0, {moment} FROM {stage.name} s"
    )
    return "as it was"


def table_of(tables: Sequence[Tracked], name: str) -> Tracked:
    """The tracked table of that name; raises NotFoundError when the cluster has none."""
    found = next((table for table in tables if str(table.name) == name), None)
    if found is None:
        raise NotFoundError(f"the cluster does not synchronise table {name} any more")
    return found
