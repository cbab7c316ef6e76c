"""How a cluster stands as seen from the site of a child, where nobody can ask the parent."""

from shlex import quote

import click

from syncd.cli.nodes import replica_at
from syncd.cli.table import grouped
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration


def show_site(configuration: Configuration, cluster: Cluster, *, as_json: bool) -> int:
    """Print what each child that has a connection here keeps for the cluster; always 0.

    Raises:
        SyncdError: a repository cannot be opened.
    """
    from syncd.worker.membership import kept_in

    found = []
    for child in cluster.children:
        if not child.connection:
            continue
        with replica_at(configuration, cluster, child.connection) as replica:
            kept = kept_in(replica)
        facts = {"cluster": cluster.name, "parent": cluster.parent, "child": child.repository}
        tables, unsent, held = (kept.tables, kept.unsent, kept.held) if kept else (0, 0, 0)
        found.append(
            {**facts, "member": kept is not None, "tables": tables, "unsent": unsent, "set_aside": held}
        )
        if not as_json:
            click.echo(f"cluster {cluster.name}: parent {cluster.parent} is at another site")
            if kept is None:
                click.echo(f"{child.repository}: it has received nothing yet")
            else:
                click.echo(
                    f"{child.repository}: {grouped(tables)} tables tracked, {grouped(unsent)} rows edited that the parent may"
                    f" not have, {grouped(held)} set aside"
                )
            names = f"{quote(cluster.name)} {quote(child.repository)}"
            click.echo(
                f"it takes part by files: syncd export {names} FILE, syncd import {quote(cluster.name)} FILE"
            )
    if as_json:
        from syncd.cli.control import print_json

        print_json(found)
    return 0
