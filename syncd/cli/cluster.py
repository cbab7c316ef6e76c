"""`syncd cluster`: how clusters stand, who belongs to them, and what they keep."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.clustersite import show_site
from syncd.cli.membership import add_child, remove_child, untrack
from syncd.cli.nodes import cluster_of, clusters_of, nodes_of
from syncd.cli.table import columns, grouped, short_moment

if TYPE_CHECKING:
    from syncd.worker.standing import ChildStanding, ClusterStanding


@click.group()
def cluster() -> None:
    """Clusters: a parent and its children, kept equal in both directions."""


cluster.add_command(add_child)
cluster.add_command(remove_child)
cluster.add_command(untrack)


@cluster.command()
@click.argument("name", metavar="[CLUSTER]", required=False)
@config_option
@json_option
def status(name: str | None, config: Path | None, as_json: bool) -> int:
    """Show parent and children: who is there, what is on its way, what waits for a person.

    At a child's own site, what is known there. Exits with 0 when every connected child could be asked, else with 1.
    """
    from syncd.worker.meeting import meet
    from syncd.worker.standing import standing_of

    configuration = load(config)
    wanted = clusters_of(configuration, name)
    found = []
    if not wanted[0].can_run and any(child.connection for child in wanted[0].children):
        return show_site(configuration, wanted[0], as_json=as_json)
    for one in wanted:
        with nodes_of(configuration, one) as nodes:
            found.append(standing_of(meet(nodes)))
    if as_json:
        import msgspec

        from syncd.cli.control import print_json

        print_json(msgspec.to_builtins(found))
    else:
        click.echo("\n\n".join("\n".join(standing_lines(standing)) for standing in found))
    return 1 if any(child.failure for standing in found for child in standing.children) else 0


@cluster.command()
@click.argument("name", metavar="[CLUSTER]", required=False)
@click.option(
    "--repair", is_flag=True, help="Bring together what differs; rows that differ are judged as conflicts."
)
@config_option
@json_option
def verify(name: str | None, repair: bool, config: Path | None, as_json: bool) -> int:
    """Compare the tables of every child with the parent's. Rows on their way are no differences.

    Exits with 0 when all hold the same (after --repair: now), with 1 when they differ or rows are set aside.
    """
    from syncd.cli.verify import verify_work

    configuration = load(config)
    one = cluster_of(configuration, name)
    return verify_work(configuration, (one.name,), (), repair=repair, as_json=as_json)


@cluster.command()
@click.argument("name", metavar="[CLUSTER]", required=False)
@config_option
@json_option
def compact(name: str | None, config: Path | None, as_json: bool) -> None:
    """Forget now what no child can ask for any more. Runs do so by themselves, at most once an hour."""
    from syncd.worker.membership import compact_now

    configuration = load(config)
    one = cluster_of(configuration, name)
    with nodes_of(configuration, one, children=False) as nodes:
        gone, floor, holder, expired = compact_now(nodes, lambda: None)
    if as_json:
        from syncd.cli.control import print_json

        print_json(
            {"cluster": one.name, "forgotten": gone, "floor": floor, "holder": holder, "expired": expired}
        )
        return
    held = f", which '{holder}' still needs" if holder else ""
    click.echo(f"{one.name}: {grouped(gone)} old entries forgotten, up to generation {floor}{held}")
    for lost in expired:
        click.echo(f"warning: the lease of '{lost}' is over: when it comes back, it gets everything anew")


def standing_lines(standing: "ClusterStanding") -> list[str]:
    """How a cluster stands, as text."""
    generation = "never synchronised" if standing.generation is None else f"generation {standing.generation}"
    fresh = ", with edits that no run has counted yet" if standing.changed else ""
    lines = [
        f"cluster {standing.cluster}: parent {standing.parent} ({standing.place}), {generation}{fresh}",
        f"conflicts: {grouped(standing.conflicts)} on record, {grouped(standing.conflicts_open)} wait for you",
    ]
    if standing.generation is not None:
        held = f", held by '{standing.floor_holder}'" if standing.floor_holder else ""
        last = f", last compacted {short_moment(standing.compacted)}" if standing.compacted else ""
        lines.append(f"history: kept after generation {standing.floor}{held}{last}")
    heads = ("child", "state", "last seen", "unsent rows", "behind", "set aside", "open conflicts")
    lines += columns(heads, map(_row, standing.children))
    lines += [f"warning: {text}" for text in standing.problems]
    for child in standing.children:
        lines += [f"warning: {child.child}: {text}" for text in child.warnings]
        if child.failure:
            lines.append(f"failed: {child.child}: {child.failure.message}")
    return lines


def _row(child: "ChildStanding") -> tuple[str, ...]:
    return (
        child.child,
        child.state,
        short_moment(child.last_seen),
        *("" if number is None else grouped(number) for number in (child.unsent, child.behind)),
        grouped(child.held),
        grouped(child.conflicts_open),
    )
