"""The part of `syncd plan` that is about clusters."""

from syncd.cli.nodes import nodes_of
from syncd.cli.table import columns, grouped
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration
from syncd.worker.foresight import ChildForecast, ClusterForecast, foresee
from syncd.worker.meeting import meet


def preview_cluster(configuration: Configuration, cluster: Cluster) -> ClusterForecast:
    """Ask all repositories of a cluster what a run would do; nothing is written in them.

    Raises:
        SyncdError: the parent cannot be reached.
    """
    with nodes_of(configuration, cluster) as nodes:
        return foresee(meet(nodes), lambda: None)


def cluster_lines(forecast: ClusterForecast) -> list[str]:
    """A cluster's forecast as text."""
    lines = [f"cluster {forecast.cluster}: parent {forecast.parent}"]
    rows = [
        (
            child.child,
            table.table,
            *(grouped(number) for number in (table.up, table.down, table.conflicts, table.held)),
        )
        for child in forecast.children
        for table in child.tables
    ]
    if rows:
        heads = ("child", "table", "rows up", "rows down", "conflicts expected", "set aside")
        lines += ["", *(f"  {line}" for line in columns(heads, rows)), ""]
    if forecast.triggers:
        lines.append(f"  triggers:     {forecast.parent}: {', '.join(forecast.triggers)}")
    lines += [f"  would fail:   {text}" for text in forecast.problems]
    lines += [f"  warning:      {text}" for text in forecast.warnings]
    for child in forecast.children:
        lines += [f"  {line}" for line in _child_lines(child)]
    return [*lines, ""]


def _child_lines(child: ChildForecast) -> list[str]:
    lines = []
    if child.triggers:
        lines.append(f"triggers:     {child.child}: {', '.join(child.triggers)}")
    if child.whole:
        lines.append(f"all rows:     {child.child} gets everything, not only what changed")
    if child.said:
        lines.append(f"left out:     {child.child}: {child.said.removeprefix('left out: ')}")
    lines += [f"warning:      {text}" for text in (*child.problems, *child.warnings, *child.unmatched)]
    if child.failure:
        lines.append(f"would fail:   {child.child}: {child.failure.message}")
        if child.failure.hint:
            lines.append(f"try:          {child.failure.hint}")
    return lines
