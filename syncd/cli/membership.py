"""The commands by which a child joins a cluster or leaves it, and by which a database gives back what a cluster keeps."""

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.nodes import cluster_of, nodes_of, replica_at
from syncd.cli.table import grouped
from syncd.errors import BusyError, FatalError, NotFoundError, SyncdError
from syncd.model.cluster import CONNECTED, Child, Cluster

if TYPE_CHECKING:
    from syncd.model.configuration import Configuration
    from syncd.worker.membership import Kept


@click.command("add-child")
@click.argument("name", metavar="CLUSTER")
@click.argument("repository", metavar="CHILD")
@click.option(
    "--join",
    type=click.Choice(["merge", "replace"]),
    help="What becomes of rows that it has: merge sends them to the parent, replace gives them up.",
)
@config_option
@json_option
def add_child(name: str, repository: str, join: str | None, config: Path | None, as_json: bool) -> None:
    """Bring one declared child into the cluster now: its first exchange with the parent."""
    from syncd.worker.membership import join as bring_in

    configuration = load(config)
    cluster = cluster_of(configuration, name)
    child = _child(cluster, repository)
    if not child.connection:
        raise FatalError(
            f"child '{repository}' has no connection, so it takes part by files",
            hint=f"syncd export {name} {repository} FILE",
            code="no_connection",
        )
    child = replace(child, connected=CONNECTED, on_join=join or child.on_join)
    with nodes_of(configuration, replace(cluster, children=(child,))) as nodes:
        member = bring_in(nodes, nodes.members[0], lambda: None)
    facts = {
        "cluster": name,
        "child": repository,
        "join": child.on_join,
        "sent": member.up.received,
        "received": member.down.received,
        "conflicts": member.up.conflicts,
        "set_aside": member.up.held + member.down.held,
        "warnings": member.warnings,
    }
    if as_json:
        _print(facts)
        return
    click.echo(
        f"{repository} has joined {name}: {grouped(member.up.received)} rows sent, {grouped(member.down.received)}"
        f" received, {grouped(member.up.conflicts)} conflicts, {grouped(member.up.held + member.down.held)} set aside"
    )
    for text in member.warnings:
        click.echo(f"warning: {text}")


@click.command("remove-child")
@click.argument("name", metavar="CLUSTER")
@click.argument("repository", metavar="CHILD")
@click.option(
    "--force", is_flag=True, help="Also with edits that were not sent, or when it cannot be reached."
)
@config_option
@json_option
def remove_child(name: str, repository: str, force: bool, config: Path | None, as_json: bool) -> None:
    """Take a child out of the cluster: triggers and tables of ours leave its database, and the parent forgets it.

    Its own tables and rows stay as they are.
    """
    from syncd.worker.membership import leave, unsent_at

    configuration = load(config)
    cluster = cluster_of(configuration, name)
    found = next((child for child in cluster.children if child.repository == repository), None)
    asked = () if found is None or not found.connection else (replace(found, connected=CONNECTED),)
    unsent: int | None = None
    with nodes_of(configuration, replace(cluster, children=asked)) as nodes:
        if found is None and all(peer.name != repository for peer in nodes.parent.peers()):
            _child(cluster, repository)
        member = nodes.members[0] if nodes.members else None
        if member is not None:
            try:
                unsent = unsent_at(nodes, member)
            except SyncdError as error:
                if not force:
                    raise _unknown(repository, error) from error
        if unsent and not force:
            raise BusyError(
                f"'{repository}' has {unsent} rows with edits that the parent does not have",
                hint=f"send them first: syncd sync {name}; or give them up with --force",
                code="unsent",
            )
        reached = member is not None and member.failure is None
        leave(nodes, member if reached else None, repository, lambda: None)
    if as_json:
        _print({"cluster": name, "child": repository, "unsent": unsent, "database_cleaned": reached})
        return
    click.echo(
        f"{repository} has left {name}; rows that were not sent: {'unknown' if unsent is None else unsent}"
    )
    if not reached:
        click.echo(_clean_hint(name, repository, declared=member is not None))
    if found is not None and found.takes_part:
        click.echo(
            "it is still declared: take it out of the configuration, or the next run lets it join again"
        )


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.argument("repository", required=False)
@click.option("--table", help="Only this table, as status and warnings call it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def untrack(
    name: str, repository: str | None, table: str | None, yes: bool, config: Path | None, as_json: bool
) -> None:
    """Take triggers and tables of ours out of one repository's database, or out of all; rows stay as they are.

    What is lost is told first. A single table is tracked again by the next run if the configuration names it.
    """
    from syncd.worker.membership import kept_in

    configuration = load(config)
    cluster = cluster_of(configuration, name)
    if table is not None:
        _untrack_table(configuration, cluster, repository, table, yes=yes, as_json=as_json)
        return
    done = []
    for one, connection in _databases(cluster, repository):
        with replica_at(configuration, cluster, connection) as replica:
            kept = kept_in(replica)
            if kept is None:
                done.append({"repository": one, "untracked": False})
                if not as_json:
                    click.echo(f"{one}: the cluster keeps nothing there")
                continue
            if not as_json:
                click.echo("\n".join(_loss_lines(one, kept, alone=repository is not None)))
            _confirm(one, yes=yes)
            replica.retire(lambda: None)
            done.append({"repository": one, "untracked": True, **_facts(kept)})
            if not as_json:
                click.echo(f"{one}: no trigger and no table of cluster {name} is left")
    if as_json:
        _print(done)


def _untrack_table(
    configuration: "Configuration",
    cluster: Cluster,
    repository: str | None,
    table: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Take one table out of one repository's part of a cluster, or out of all."""
    done = []
    for one, connection in _databases(cluster, repository):
        with replica_at(configuration, cluster, connection) as replica:
            tracked = table in replica.enrolled()
            if tracked:
                _confirm(f"{table} at {one}", yes=yes)
                replica.drop_table(table, lambda: None)
        done.append({"repository": one, "table": table, "untracked": tracked})
        if not as_json:
            click.echo(f"{one}: {table} is {'tracked no more' if tracked else 'not tracked'}")
    if as_json:
        _print(done)


def _databases(cluster: Cluster, repository: str | None) -> list[tuple[str, str]]:
    """Names and connections, the children first: a parent without its past would refuse them."""
    members = [(child.repository, child.connection) for child in cluster.children if child.connection]
    if cluster.can_run:
        members.append((cluster.parent, cluster.parent_connection))
    if repository is None:
        return members
    chosen = [member for member in members if member[0] == repository]
    if not chosen:
        known = ", ".join(member for member, _ in members)
        raise NotFoundError(
            f"cluster '{cluster.name}' has no repository '{repository}' with a connection",
            hint=f"it has: {known}",
        )
    return chosen


def _clean_hint(cluster: str, repository: str, *, declared: bool) -> str:
    """How to clean a database that was not touched: by its name, which must lead to a connection."""
    command = f"syncd cluster untrack {quote(cluster)} {quote(repository)}"
    if declared:
        return f"its database was not touched; clean it with: {command}"
    return (
        f"its database was not touched, since no connection of '{repository}' is declared; unless it is a member under"
        f" another name now, clean it: declare it again with its connection and `connected: false`, then: {command}"
    )


def _child(cluster: Cluster, repository: str) -> Child:
    found = next((child for child in cluster.children if child.repository == repository), None)
    if found is None:
        known = ", ".join(child.repository for child in cluster.children)
        raise NotFoundError(
            f"cluster '{cluster.name}' declares no child '{repository}'", hint=f"it declares: {known}"
        )
    return found


def _unknown(repository: str, error: SyncdError) -> SyncdError:
    return FatalError(
        f"it cannot be told whether '{repository}' has edits that were not sent: {error.message}",
        hint="mend that first, or give them up with --force",
        code=error.code,
    )


def _loss_lines(name: str, kept: "Kept", *, alone: bool) -> list[str]:
    lines = [f"{name}: {kept.role} '{kept.name}' with {grouped(kept.tables)} tracked tables"]
    if kept.unsent:
        lines.append(f"  lost: which {grouped(kept.unsent)} rows were edited and may not have been sent")
    if kept.conflicts:
        lines.append(
            f"  lost: {grouped(kept.conflicts)} records of conflicts (keep them: syncd conflicts export FILE)"
        )
    if kept.held:
        lines.append(f"  lost: {grouped(kept.held)} rows that are set aside")
    if kept.children and alone:
        lines.append(
            f"  its children ({', '.join(kept.children)}) will be refused until they are untracked, too"
        )
    return lines


def _confirm(name: str, *, yes: bool) -> None:
    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise BusyError(f"untracking {name} wants a yes", hint="add --yes", code="unconfirmed")
    click.confirm(f"untrack {name}?", abort=True)


def _facts(kept: "Kept") -> dict[str, object]:
    return {"role": kept.role, "unsent": kept.unsent, "conflicts": kept.conflicts, "set_aside": kept.held}


def _print(value: object) -> None:
    from syncd.cli.control import print_json

    print_json(value)
