"""The second part of `syncd demo`: a parent and two children that edit the same road, shown before and after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from syncd.cli.clustertable import cluster_table
from syncd.cli.table import columns
from syncd.model.configuration import Configuration

NODES: Final = ("office", "ohio", "truck")
CONNECTIONS: Final = """\
  office: {{type: sqlite, path: {folder}/office.db}}
  ohio: {{type: sqlite, path: {folder}/ohio.db}}
  truck: {{type: sqlite, path: {folder}/truck.db}}
"""
CLUSTERS: Final = """
clusters:
  roads:
    parent: {repository: Office, connection: office}
    children:
      - {repository: Ohio, connection: ohio}
      - {repository: Truck, connection: truck}
    tables: [roads]
    conflict: parent
"""
ROADS: Final = "CREATE TABLE roads (id INTEGER PRIMARY KEY, name TEXT NOT NULL, surface TEXT, checked TEXT);"
FIRST_ROADS: Final = """
INSERT INTO roads VALUES (1, 'Mill Lane', 'gravel', '2024-01-10'), (2, 'High Street', 'asphalt', '2024-01-11'),
                         (3, 'Old Bridge', 'stone', '2024-01-12');
"""
EDITS: Final = {
    "office": "UPDATE roads SET surface = 'asphalt', checked = '2024-02-01' WHERE id = 1;",
    "ohio": "UPDATE roads SET surface = 'dirt', checked = '2024-02-02' WHERE id = 1;"
    " UPDATE roads SET checked = '2024-02-02' WHERE id = 2;",
    "truck": "INSERT INTO roads VALUES (4, 'Harbour Road', 'asphalt', '2024-02-03'); DELETE FROM roads WHERE id = 3;",
}

Play = Callable[[str, str], list[tuple[Any, ...]]]
"""Runs a script in the database of that name, or asks it."""


def prepare(play: Play) -> None:
    """Three databases with one table; only the parent's has rows."""
    for node in NODES:
        play(node, ROADS)
    play("office", FIRST_ROADS)


def show(configuration: Configuration, folder: Path, play: Play) -> list[dict[str, Any]]:
    """Let both sides work, bring them together, and put the loser of a conflict in force; the runs."""
    click.echo(
        "\n4. A cluster: an office and two children share a table, and all of them edit it. First contact:\n"
    )
    runs = [_sync(configuration)]
    for node, script in EDITS.items():
        play(node, script)
    click.echo(
        "\n5. All go on by themselves. The office and Ohio change the same road: a conflict. Truck adds one and"
        " deletes one.\n   Before the next run:\n"
    )
    click.echo("\n".join(_tables(play)))
    click.echo()
    runs.append(_sync(configuration))
    click.echo("\n   After it; by the policy `conflict: parent` the office's row won:\n")
    click.echo("\n".join(_tables(play)))
    click.echo("\n6. The row that lost is not lost. Ohio was right after all:\n")
    for words in (("list", "roads"), ("diff", "1"), ("take", "child", "1")):
        click.echo(f"   $ syncd conflicts {' '.join(words)}")
        _conflicts(folder, words)
    runs.append(_sync(configuration))
    click.echo()
    click.echo("\n".join(_tables(play)))
    return runs


def _sync(configuration: Configuration) -> dict[str, Any]:
    from syncd.control.views import run_view
    from syncd.worker.foreground import Foreground

    with Foreground.open(configuration, "syncd demo") as foreground:
        run = run_view(foreground.run("roads", (), lambda _: None))
    click.echo("\n".join(f"   {line}" for line in cluster_table(run)))
    return run


def _conflicts(folder: Path, words: tuple[str, ...]) -> None:
    """The command itself, so that the demo shows what a person would see."""
    from syncd.cli.conflicts import conflicts

    conflicts.main([*words, "-c", str(folder)], standalone_mode=False)
    click.echo()


def _tables(play: Play) -> list[str]:
    """The three tables side by side, a road in each line."""
    rows = {node: dict(_described(play, node)) for node in NODES}
    every = sorted({number for found in rows.values() for number in found})
    lines = columns(
        ("road", *NODES),
        [(str(number), *(rows[node].get(number, "-") for node in NODES)) for number in every],
    )
    return [f"   {line}" for line in lines]


def _described(play: Play, node: str) -> list[tuple[int, str]]:
    found = play(node, "SELECT id, name || ', ' || surface || ', ' || checked FROM roads ORDER BY id")
    return [(int(row[0]), str(row[1])) for row in found]
