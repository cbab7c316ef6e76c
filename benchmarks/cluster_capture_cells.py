"""What capture costs at each write: single-row statements on a plain table, on one with a log of keys, and under syncd."""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Final

from benchmarks.cell import Cell, Stage
from benchmarks.cluster_floors import write_all
from benchmarks.cluster_node import KEY, KINDS, TABLE, make_stores, open_node, run_script
from benchmarks.cluster_ours import first_sync, write_configuration
from benchmarks.cluster_workload import COLUMNS, PARENT, Phase, edits
from benchmarks.contest import fresh_folder
from benchmarks.measure import Sample, tree_cpu_seconds
from benchmarks.store import Store

ROWS: Final = 100_000
PHASES: Final = {"insert": Phase.INSERT_PARENT, "update": Phase.UPDATE_PARENT}
TAG: Final = "capture"


def changed_mask(differs: str) -> str:
    """An expression with a bit for each column but the key that an update changed; `differs` compares two values."""
    bits = (
        f"(CASE WHEN OLD.{column} {differs} NEW.{column} THEN {1 << place} ELSE 0 END)"
        for place, column in enumerate(name for name in COLUMNS if name != KEY)
    )
    return " | ".join(bits)


POSTGRESQL_LOG: Final = f"""
CREATE TABLE key_log (seq bigserial PRIMARY KEY, tbl int, key text, op int, mask bigint);
CREATE FUNCTION log_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO key_log (tbl, key, op, mask) VALUES (1, NEW.{KEY}::text, 1, -1);
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO key_log (tbl, key, op, mask) VALUES (1, NEW.{KEY}::text, 2, {changed_mask("IS DISTINCT FROM")});
  ELSE
    INSERT INTO key_log (tbl, key, op, mask) VALUES (1, OLD.{KEY}::text, 3, -1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER log_key AFTER INSERT OR UPDATE OR DELETE ON {TABLE} FOR EACH ROW
  WHEN (current_setting('bench.apply', true) IS DISTINCT FROM '1') EXECUTE FUNCTION log_key();
"""
SQLITE_LOG: Final = f"""
CREATE TABLE key_log (seq INTEGER PRIMARY KEY, tbl INT, key TEXT, op INT, mask INT);
CREATE TABLE applying (flag INT);
INSERT INTO applying VALUES (0);
CREATE TRIGGER log_insert AFTER INSERT ON {TABLE} WHEN (SELECT flag FROM applying) = 0
  BEGIN INSERT INTO key_log (tbl, key, op, mask) VALUES (1, NEW.{KEY}, 1, -1); END;
CREATE TRIGGER log_update AFTER UPDATE ON {TABLE} WHEN (SELECT flag FROM applying) = 0
  BEGIN INSERT INTO key_log (tbl, key, op, mask) VALUES (1, NEW.{KEY}, 2, {changed_mask("IS NOT")}); END;
CREATE TRIGGER log_delete AFTER DELETE ON {TABLE} WHEN (SELECT flag FROM applying) = 0
  BEGIN INSERT INTO key_log (tbl, key, op, mask) VALUES (1, OLD.{KEY}, 3, -1); END;
"""
LOG: Final = {"postgresql": POSTGRESQL_LOG, "sqlite": SQLITE_LOG}


def leave_plain(_: Stage, stores: list[Store]) -> None:
    """Nothing is captured."""


def add_key_log(_: Stage, stores: list[Store]) -> None:
    """A row trigger that appends key, kind and changed columns to a table: the least that capture can do."""
    run_script(stores[PARENT], LOG[stores[PARENT].kind])


def add_syncd(stage: Stage, stores: list[Store]) -> None:
    """What `syncd sync` installs at a parent."""
    folder = fresh_folder(stage, f"capture-{stores[PARENT].kind}")
    write_configuration(stores, folder)
    first_sync(folder)


CAPTURES: Final[dict[str, Callable[[Stage, list[Store]], None]]] = {
    "plain": leave_plain,
    "key-log": add_key_log,
    "syncd": add_syncd,
}


def prepare(stage: Stage, kind: str, capture: str, phase: Phase) -> None:
    """A parent and a child with the empty tables; before updates with the rows, written under capture too."""
    stores = make_stores(stage, kind, ["capture_parent", "capture_child"])
    CAPTURES[capture](stage, stores)
    if phase is Phase.UPDATE_PARENT:
        write_all(stores[PARENT], edits(Phase.INSERT_PARENT, TAG, min(ROWS, stage.rows)))
    stage.settle()


def run(stage: Stage, kind: str, phase: Phase) -> Sample:
    """All rows in one transaction, its commit included; client CPU is this program's."""
    store = stage.store(kind, "capture_parent")
    [work] = edits(phase, TAG, min(ROWS, stage.rows))
    servers = stage.servers(store)
    with closing(open_node(store)) as node:
        rows = node.bind(work)
        begin, server, client = time.perf_counter(), tree_cpu_seconds(servers), time.process_time()
        node.execute(work.act, rows)
        node.commit()
        return Sample(
            time.perf_counter() - begin,
            time.process_time() - client,
            tree_cpu_seconds(servers) - server,
            0,
        )


def cells() -> list[Cell]:
    """Inserts and updates on both products; the plain table is the limit."""
    return [
        Cell(
            f"cluster-capture-{place}-{word}",
            f"cluster-capture-{place}-{word}-{capture}",
            partial(run, kind=kind, phase=phase),
            partial(prepare, kind=kind, capture=capture, phase=phase),
        )
        for place, kind in KINDS.items()
        for word, phase in PHASES.items()
        for capture in CAPTURES
    ]
