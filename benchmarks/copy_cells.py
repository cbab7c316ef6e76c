"""A first load for which syncd makes the table itself; the pipe needs one that is there."""

from benchmarks import lineitem
from benchmarks.cell import Cell, Stage
from benchmarks.contest import Contest, all_cells, fresh_folder
from benchmarks.limit import LIMIT
from benchmarks.load import Load, Tool
from benchmarks.ours import SYNCD, SYNCD_CHECK_COLUMN, check_column
from benchmarks.pair_cells import COPY, judge


def make(stage: Stage, tool: Tool) -> Load:
    """The rows, and a database that is empty but for the limit's table."""
    source = lineitem.source(stage, "postgresql", stage.rows)
    keyed = tool is LIMIT
    fresh = lineitem.destination if keyed else Stage.empty_store
    copy = fresh(stage, "postgresql", COPY)
    return Load(
        source,
        copy,
        (lineitem.TABLE,),
        lineitem.KEY,
        fresh_folder(stage, f"copy-{tool.name}"),
        check_column(tool, lineitem.CHECK_COLUMN),
        keyed=keyed,
    )


def cells() -> list[Cell]:
    """The limit, and syncd without and with a check column."""
    return all_cells([Contest("copy", (LIMIT, SYNCD, SYNCD_CHECK_COLUMN), make, judge)])
