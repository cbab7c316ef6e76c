"""`syncd conflicts`: what both sides had, who won by which rule, and a way to put the other one in force."""

import base64
import getpass
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from syncd.cli.address import config_option, json_option, load
from syncd.cli.nodes import cluster_of, clusters_of, nodes_of
from syncd.cli.table import columns, short_moment
from syncd.errors import FatalError, RowRejectedError
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration
from syncd.model.wkt import text_of

if TYPE_CHECKING:
    from syncd.repository.replica import Replica

SIDES: Final = ("parent", "child", "merged")
COLUMN_NAMES: Final = {"tbl": "table", "row_key": "key", "child": "child_name"}
"""Names of the record in the database -> names in what is printed; `child` is the image of the child's row there."""

Record = dict[str, Any]


@click.group()
def conflicts() -> None:
    """Conflicts of clusters: every one is kept with both complete rows, also those that a policy decided."""


def cluster_option(command: Any) -> Any:
    """Adds ``--cluster NAME``."""
    text = "The cluster; may be left out when only one is declared."
    return click.option("--cluster", "name", metavar="CLUSTER", help=text)(command)


@conflicts.command("list")
@click.argument("name", metavar="[CLUSTER]", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for a person.")
@config_option
@json_option
def listed(name: str | None, only_open: bool, config: Path | None, as_json: bool) -> None:
    """Show the conflicts, the newest first."""
    configuration = load(config)
    wanted = clusters_of(configuration, name)
    found: list[Record] = []
    for one in wanted:
        found += records_of(configuration, one, state="open" if only_open else "")
    if as_json:
        _print(found)
        return
    if not found:
        click.echo("no conflict waits for you" if only_open else "no conflict is on record")
        return
    several = len(wanted) > 1
    heads = ("id", "at", "table", "key", "kind", "policy", "winner", "child", "state")
    rows = [(*((record["cluster"],) if several else ()), *_row(record)) for record in found]
    click.echo("\n".join(columns((*(("cluster",) if several else ()), *heads), rows)))


@conflicts.command()
@click.argument("number", metavar="ID", type=int)
@cluster_option
@config_option
@json_option
def show(number: int, name: str | None, config: Path | None, as_json: bool) -> None:
    """Show one conflict with all that is known of it."""
    configuration = load(config)
    record = _one(configuration, cluster_of(configuration, name), number)
    if as_json:
        _print(record)
        return
    width = max(map(len, record))
    for key, value in record.items():
        text = json.dumps(_readable(value), ensure_ascii=False) if isinstance(value, dict) else value
        if value is not None:
            click.echo(f"{key.ljust(width)}  {short_moment(text) if key == 'at' else text}")


@conflicts.command()
@click.argument("number", metavar="ID", type=int)
@cluster_option
@config_option
@json_option
def diff(number: int, name: str | None, config: Path | None, as_json: bool) -> None:
    """Show the columns of both rows side by side, with what is in force now; a star marks what differs."""
    configuration = load(config)
    cluster = cluster_of(configuration, name)
    record = _one(configuration, cluster, number)
    present = _present(configuration, cluster, record)
    sides = {side: record[side] for side in SIDES if side != "merged" or record[side] is not None}
    sides["now"] = present
    names = list(dict.fromkeys(key for image in sides.values() if image for key in image))
    if as_json:
        _print({"id": number, "columns": names, **sides})
        return
    rows = []
    for column in names:
        values = [_value(image, column) for image in sides.values()]
        rows.append(("*" if len(set(values)) > 1 else "", column, *values))
    click.echo(
        f"conflict {number}: {record['kind']} of {record['table']}, {record['policy']}: {record['winner']} won"
    )
    click.echo("\n".join(columns(("", "column", *sides), rows)))


@conflicts.command()
@click.argument("side", type=click.Choice(SIDES))
@click.argument("number", metavar="ID", type=int)
@click.option("--columns", "wanted", metavar="A,B", default="", help="Only these columns of that row.")
@click.option("--force", is_flag=True, help="Also when the row has changed since.")
@cluster_option
@config_option
@json_option
def take(
    side: str, number: int, wanted: str, force: bool, name: str | None, config: Path | None, as_json: bool
) -> None:
    """Put one row of a conflict in force: an ordinary edit at the parent, which the next run brings to everybody."""
    from syncd.repository.reapply import take as put_in_force

    configuration = load(config)
    cluster = cluster_of(configuration, name)
    with nodes_of(configuration, cluster, children=False) as nodes:
        done = put_in_force(
            nodes.parent.node,
            _tables(nodes.parent, cluster),
            number,
            side,
            columns=[part.strip() for part in wanted.split(",") if part.strip()],
            by=getpass.getuser(),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            force=force,
            check=lambda: None,
        )
    if as_json:
        _print({"id": number, "took": side, "done": done})
        return
    click.echo(f"conflict {number}: the {side}'s row is in force at {cluster.parent} ({done})")
    click.echo(f"bring it to everybody with: syncd sync {cluster.name}")


@conflicts.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for a person.")
@cluster_option
@config_option
def export(file: Path, only_open: bool, name: str | None, config: Path | None) -> None:
    """Write the conflicts to FILE: .csv, or .jsonl with a JSON object in each line."""
    configuration = load(config)
    kind = file.suffix.lower()
    if kind not in {".csv", ".jsonl"}:
        raise FatalError(f"{file} ends in neither .csv nor .jsonl", hint="name it so", code="unknown_format")
    found = records_of(configuration, cluster_of(configuration, name), state="open" if only_open else "")
    (_write_csv if kind == ".csv" else _write_lines)(file, found)
    click.echo(f"wrote {len(found)} conflicts to {file}")


def records_of(
    configuration: Configuration, cluster: Cluster, state: str = "", number: int | None = None
) -> list[Record]:
    """The records of a cluster, newest first, with images as objects under plain column names.

    Raises:
        SyncdError: the parent cannot be reached.
    """
    from syncd.repository.record import conflicts_of

    with nodes_of(configuration, cluster, children=False) as nodes:
        node = nodes.parent.node
        found = conflicts_of(node, state, number) if node.exists else []
    return [_plain(cluster, record) for record in found]


def _plain(cluster: Cluster, record: Record) -> Record:
    plain: Record = {"cluster": cluster.name}
    for key, value in record.items():
        if key == "row_key":
            plain["key"] = json.loads(value)
        elif not key.endswith("_row") and key != "mask":
            plain[COLUMN_NAMES.get(key, key)] = value
    for side in SIDES:
        image = record[f"{side}_row"]
        plain[side] = None if image is None else json.loads(image)
    return plain


def _one(configuration: Configuration, cluster: Cluster, number: int) -> Record:
    found = records_of(configuration, cluster, number=number)
    if not found:
        from syncd.errors import NotFoundError

        raise NotFoundError(
            f"cluster '{cluster.name}' has no conflict {number}", hint=f"syncd conflicts list {cluster.name}"
        )
    return found[0]


def _present(configuration: Configuration, cluster: Cluster, record: Record) -> Record | None:
    """The row as it is at the parent now, under plain column names; None when it is gone."""
    from syncd.repository.image import image_of, row_of
    from syncd.repository.present import present_row
    from syncd.repository.reapply import table_of

    with nodes_of(configuration, cluster, children=False) as nodes:
        table = table_of(_tables(nodes.parent, cluster), record["table"])
        key = row_of(table.names, json.dumps(record["key"]))
        row = present_row(nodes.parent.node, table, key, lambda: None)
        image = image_of(table.names, row)
    return None if image is None else json.loads(image)


def _tables(parent: "Replica", cluster: Cluster) -> Sequence[Any]:
    from syncd.engine.pairing import shared_tables

    return [shared.tracked for shared in shared_tables(cluster, parent, parent.enrolled())[0]]


def _row(record: Record) -> tuple[str, ...]:
    key = ", ".join(str(value) for value in record["key"].values())
    facts = (record["kind"], record["policy"], record["winner"], record["child_name"], record["state"])
    return (str(record["id"]), short_moment(record["at"]), record["table"], key, *facts)


def _value(image: Record | None, column: str) -> str:
    if image is None:
        return "(deleted)"
    return _shown(image.get(column))


def _readable(image: Record) -> Record:
    return {name: _shown(value) if isinstance(value, dict) else value for name, value in image.items()}


def _shown(value: Any) -> str:
    """A value of an image for people; binary values that are geometries as text."""
    if isinstance(value, dict) and "base64" in value:
        # Other binary values are hardly ever one by accident.
        with suppress(RowRejectedError):
            return text_of(base64.b64decode(value["base64"]))
    return "NULL" if value is None else value if isinstance(value, str) else json.dumps(value)


def _write_lines(file: Path, found: Sequence[Record]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in found)
    file.write_text(text, encoding="utf-8")


def _write_csv(file: Path, found: Sequence[Record]) -> None:
    import csv

    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        heads = list(found[0]) if found else ["id"]
        writer.writerow(heads)
        for record in found:
            values = (record[head] for head in heads)
            writer.writerow(
                json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
                for value in values
            )


def _print(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
