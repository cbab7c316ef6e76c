"""One row in a hundred changed, one in a thousand deleted, as many new: what it takes to bring that over."""

import shlex
from dataclasses import replace
from typing import Final

import psycopg

from benchmarks import limit, lineitem
from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, contestants, fresh_folder, run
from benchmarks.digest import Place, compare
from benchmarks.lineitem import CHECK_COLUMN, COLUMNS, KEY, TABLE
from benchmarks.load import Load, Tool
from benchmarks.measure import Command
from benchmarks.ours import SYNCD_KEEPS
from benchmarks.store import Store

GROUP: Final = "changes"
PAIR: Final = ("postgresql", "postgresql")
SLOT: Final = "(l_orderkey * 4 + l_linenumber) % 1000"
"""Spreads changes evenly over the table; the same rows every time."""
FIRST_DELETED_SLOT: Final = 500

_CHANGE: Final = f"""
UPDATE {TABLE} SET l_tax = l_tax + 1,
  {CHECK_COLUMN} = timestamptz '2025-02-01 00:00:00Z' + {{turn}} * interval '1 day' + {SLOT} * interval '1 millisecond'
WHERE {SLOT} BETWEEN {{first}} AND {{last}} OR l_orderkey > {{old_key}}
"""

_UPDATE: Final = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)
_MERGE: Final = f"""
ANALYZE staged;
INSERT INTO {TABLE} AS t SELECT * FROM staged ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {_UPDATE}
WHERE ({", ".join(f"t.{name}" for name in COLUMNS)})
  IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in COLUMNS)});
CREATE TEMP TABLE present (l_orderkey bigint, l_linenumber int) ON COMMIT DROP;
COPY present FROM STDIN (FORMAT text);
"""
_DELETE: Final = f"""
ANALYZE present;
DELETE FROM {TABLE} AS t WHERE NOT EXISTS
  (SELECT FROM present p WHERE p.l_orderkey = t.l_orderkey AND p.l_linenumber = t.l_linenumber);
COMMIT;
"""


def merge_by_hand(load: Load) -> Command:
    """What a careful person writes in SQL: staging, upsert of what differs, deletion of keys that are gone."""
    if not (load.folder / "loaded").exists():
        (load.folder / "loaded").touch()
        return limit.command(load)
    source, copy = shlex.join(load.source.client()), shlex.join(load.destination.client())
    begin = f"BEGIN; CREATE TEMP TABLE staged (LIKE {TABLE}) ON COMMIT DROP; COPY staged FROM STDIN;"
    mark = f"$({copy} --no-align --tuples-only --command='SELECT max({CHECK_COLUMN}) FROM {TABLE}')"
    changed = f"COPY (SELECT * FROM {TABLE} WHERE {CHECK_COLUMN} >= '$mark') TO STDOUT"
    script = f"""
    set -e
    mark="{mark}"
    {{
      echo {shlex.quote(begin)}
      {source} --command="{changed}"
      echo '\\.'
      echo {shlex.quote(_MERGE.strip())}
      {source} --command='COPY (SELECT {", ".join(KEY)} FROM {TABLE}) TO STDOUT'
      echo '\\.'
      echo {shlex.quote(_DELETE.strip())}
    }} | {copy}
    """
    return Command([["sh", "-c", script]], limit.UTC)


BY_HAND: Final = Tool("limit", merge_by_hand, frozenset({PAIR}))


def make(stage: Stage, tool: Tool) -> Load:
    """A source of the tool's own, copied before the first round, and changed before every round."""
    name = _name(tool)
    load = Load(
        stage.store("postgresql", f"{name}_source"),
        stage.store("postgresql", f"{name}_copy"),
        (TABLE,),
        KEY,
        stage.folder / name,
        check_column=CHECK_COLUMN,
        deletes=tool is not SYNCD_KEEPS,
    )
    if name not in stage.done:
        load_first(stage, tool, load)
        stage.done[name] = 0
    stage.done[name] += 1
    change(stage, load.source, stage.done[name])
    return load


def _name(tool: Tool) -> str:
    return f"changes_{tool.name}".replace("-", "_")


def load_first(stage: Stage, tool: Tool, load: Load) -> None:
    """Make both databases and let the tool copy all rows."""
    origin = lineitem.make_source(stage.postgres, stage.rows)
    stage.empty_store("postgresql", load.source.database, origin)
    # Who follows a column has an index on it.
    stage.postgres.execute(f"CREATE INDEX ON {TABLE} ({CHECK_COLUMN})", load.source.database)
    lineitem.destination(stage, "postgresql", load.destination.database)
    fresh_folder(stage, load.folder.name)
    run(stage, tool, load)
    stage.postgres.execute("VACUUM ANALYZE", load.destination.database)


def change(stage: Stage, source: Store, turn: int) -> None:
    """Make the changes of this round, counted from 1."""
    new = max(1, stage.rows // 1000)
    last = stage.rows + turn * new
    change_rows = _CHANGE.format(
        turn=turn, first=10 * turn, last=10 * turn + 9, old_key=(last - new - 1) // 4 + 1
    )
    with psycopg.connect(source.url(), autocommit=True) as connection:
        connection.execute(lineitem.fill(last - new + 1, last))
        connection.execute(change_rows)
        connection.execute(f"DELETE FROM {TABLE} WHERE {SLOT} = {FIRST_DELETED_SLOT + turn}")
        connection.execute(f"ANALYZE {TABLE}")


def judge(stage: Stage, tool: Tool, load: Load) -> str:
    """Whether both tables hold the same, and whether deleted rows are still there."""
    turn = stage.done[_name(tool)]
    gone = f"{SLOT} BETWEEN {FIRST_DELETED_SLOT + 1} AND {FIRST_DELETED_SLOT + turn} AND l_orderkey <= {_keys(stage)}"
    place = tool.place(load, TABLE)
    with psycopg.connect(load.destination.url()) as connection:
        query = f"SELECT count(*) FROM {place.schema}.{place.table} WHERE {gone}"
        row = connection.execute(query).fetchone()
    origin = Place(load.source, load.source.schema)
    if not row or not row[0]:
        return compare(origin, place)
    rest = compare(origin, replace(place, where=f"NOT ({gone})"))
    asked = "as asked, " if tool is SYNCD_KEEPS else ""
    return f"{asked}KEEPS deleted rows; without them {rest}"


def _keys(stage: Stage) -> int:
    """The highest order of the first load; orders after it are new."""
    return (stage.rows - 1) // 4 + 1


def cells() -> list[Cell]:
    """By hand, syncd with and without deletes, and every rival that follows changes."""
    syncd, *rivals = contestants(PAIR, follows=True)
    tools = [BY_HAND, syncd, SYNCD_KEEPS, *rivals]
    return all_cells([Contest(GROUP, tools, make, judge)])
