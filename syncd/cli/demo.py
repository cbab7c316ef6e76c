"""`syncd demo`: a small shop's database, a job that copies it, and what syncd does as the shop goes on working.

Then a cluster of three databases that are edited on all sides.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from syncd.cli import clusterdemo
from syncd.cli.address import load
from syncd.cli.sync import exit_code
from syncd.cli.table import closing_table
from syncd.errors import BusyError

MARKER: Final = ".syncd-demo"

YAML: Final = """\
# The configuration of the demo. Check it with: syncd check -c {folder}
state: {{path: {folder}/state}}

connections:
  shop: {{type: sqlite, path: {folder}/shop.db}}
  copy: {{type: sqlite, path: {folder}/copy.db}}
{connections}
jobs:
  shop:
    source: shop
    destination: copy
    queries:
      - REPLICATE [accounts]
      - REPLICATE [open_invoices] SELECT id, account, amount, updated FROM invoices WHERE paid = 0
    check_column: updated
    schedule: {{every: 1 minute}}
{clusters}"""

SHOP: Final = """
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, updated DATETIME);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount NUMERIC(12,2) NOT NULL,
                       paid BOOLEAN NOT NULL, updated DATETIME);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
INSERT INTO accounts SELECT i, 'Account ' || i, CASE i % 3 WHEN 0 THEN 'Oslo' WHEN 1 THEN 'Porto' END,
       datetime('2024-01-01', (i * 61) || ' seconds') FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO invoices SELECT i, 1 + i % 10000, (i * 37 % 100000) / 100.0, i % 4 = 0,
       datetime('2024-01-01', (i * 23) || ' seconds') FROM n;
CREATE INDEX accounts_updated ON accounts (updated);
CREATE INDEX invoices_updated ON invoices (updated);
"""

A_DAY_LATER: Final = """
UPDATE accounts SET city = 'Lima', updated = '2024-02-01 09:00:00' WHERE id <= 3;
INSERT INTO accounts VALUES (10001, 'Same moment', 'Oslo', (SELECT max(updated) FROM accounts WHERE id > 3));
INSERT INTO accounts VALUES (10002, 'No moment', NULL, NULL);
INSERT INTO accounts VALUES (10003, 'From the future', NULL, '2099-01-01 00:00:00');
INSERT INTO invoices VALUES (30001, 10001, 19.90, 0, '2024-02-01 09:00:01');
"""

ACTS: Final = (
    ("1. First run: everything is copied.", ""),
    (
        "2. The shop goes on: 3 accounts change; 3 are new, one of them stamped with a moment that was seen already,\n"
        "   one without a moment, one dated 2099. Only what may have changed is read.",
        A_DAY_LATER,
    ),
    ("3. Nothing happens in the shop: nothing is read, nothing is written.", ""),
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("syncd-demo"))
def demo(folder: Path) -> int:
    """Run a small job and a small cluster on embedded databases in FOLDER and show what happens."""
    _prepare(folder)
    configuration = load(folder / "syncd.yaml")
    runs = []
    for title, changes in ACTS:
        click.echo(f"\n{title}\n")
        if changes:
            _play(folder, "shop", changes)
        from syncd.control.views import run_view
        from syncd.worker.foreground import Foreground

        with Foreground.open(configuration, "syncd demo") as foreground:
            runs.append(run_view(foreground.run("shop", (), lambda _: None)))
        click.echo("\n".join(f"   {line}" for line in closing_table(runs[-1])))
    runs += clusterdemo.show(configuration, folder, lambda name, script: _play(folder, name, script))
    click.echo("\n".join(_next_lines(folder)))
    return exit_code(runs)


def _prepare(folder: Path) -> None:
    """An empty shop in the folder; what an earlier demo left there is thrown away.

    Raises:
        BusyError: there is something else in the folder.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise BusyError(
                f"the folder {folder} is not empty and was not made by the demo",
                hint="name another one: syncd demo FOLDER",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    connections = clusterdemo.CONNECTIONS.format(folder=folder.absolute())
    text = YAML.format(folder=folder.absolute(), connections=connections, clusters=clusterdemo.CLUSTERS)
    (folder / "syncd.yaml").write_text(text, encoding="utf-8")
    _play(folder, "shop", SHOP)
    clusterdemo.prepare(lambda name, script: _play(folder, name, script))


def _play(folder: Path, name: str, script: str) -> list[tuple[Any, ...]]:
    """Be an application: run a script in one transaction, or give the rows of a SELECT."""
    with closing(sqlite3.connect(folder / f"{name}.db")) as connection:
        if script.startswith("SELECT"):
            return connection.execute(script).fetchall()
        connection.executescript(f"BEGIN; {script} COMMIT;")
        return []


def _next_lines(folder: Path) -> list[str]:
    rows = (
        (f"less {folder}/syncd.yaml", "the configuration: 28 lines"),
        (f"syncd plan -c {folder}", "what the next run would do"),
        (f"syncd sync -c {folder} shop", "run the job again"),
        (f"syncd run -c {folder}", "be the daemon: run it every minute (Ctrl-C ends it)"),
        (f"syncd status -c {folder}", "ask the daemon, from another terminal"),
        (f"syncd cluster status -c {folder}", "who is in the cluster, and what is on its way"),
        (f"syncd conflicts list -c {folder} --json", "every conflict with both rows"),
        ("syncd init", "start a configuration of your own"),
    )
    width = max(len(command) for command, _ in rows)
    return [
        "",
        "What to type next:",
        "",
        *(f"  {command.ljust(width)}   {text}" for command, text in rows),
        "",
    ]
