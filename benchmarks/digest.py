"""Whether two tables of line items hold the same: read by the stores' own clients, written one way, hashed."""

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from benchmarks.lineitem import COLUMNS, KEY, TABLE
from benchmarks.measure import FailedError
from benchmarks.store import Store, columns

BLOCK_BYTES: Final = 1 << 20
NAMES_SHOWN: Final = 6

_RENDERED: Final = {
    "postgresql": {
        "bigint": "{0}::bigint",
        "integer": "{0}::bigint",
        "numeric(15,2)": "{0}::numeric(15,2)",
        "timestamp with time zone": "to_char({0}::timestamptz, 'YYYY-MM-DD HH24:MI:SS.US')",
    },
    "mariadb": {
        "numeric(15,2)": "cast({0} AS decimal(15,2))",
        "timestamp with time zone": "date_format({0}, '%Y-%m-%d %H:%i:%s.%f')",
    },
    "sqlite": {
        "numeric(15,2)": "printf('%.2f', {0})",
        "timestamp with time zone": (
            "substr(replace({0}, 'T', ' '), 1, 19) || substr(printf('%.6f', CAST('0' || substr({0}, 20) AS REAL)), 2)"
        ),
    },
}
"""How each store writes a value of a type so that all write it alike; other types are written as they are."""


@dataclass(frozen=True)
class Place:
    """Where a tool put the table; with `where`, only the rows of that condition are meant."""

    store: Store
    schema: str
    table: str = TABLE
    where: str = ""


@dataclass(frozen=True)
class Digest:
    """The number of rows and the hash of all of them in the order of the key."""

    rows: int
    hash: str


def digest(place: Place, names: Sequence[str] = tuple(COLUMNS)) -> Digest:
    """Read these columns of the whole table.

    Raises:
        FailedError: there is no such table or column, or a value cannot be written so.
    """
    rendered = _RENDERED[place.store.kind]
    parts = ", ".join(rendered.get(COLUMNS[name], "{0}").format(name) for name in names)
    where = f" WHERE {place.where}" if place.where else ""
    query = f"SELECT {parts} FROM {place.schema}.{place.table}{where} ORDER BY {', '.join(KEY)}"
    command = place.store.rows(query)
    found, rows = hashlib.sha256(), 0
    with subprocess.Popen(
        command.pipeline[0],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **command.environment},
    ) as process:
        assert process.stdout
        assert process.stderr
        while block := process.stdout.read(BLOCK_BYTES):
            found.update(block)
            rows += block.count(b"\n")
        words = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise FailedError(words.strip()[:200])
    return Digest(rows, found.hexdigest())


def compare(origin: Place, copy: Place) -> str:
    """One line: EQUAL, or how the copy differs; and what became of its key and types."""
    try:
        verdict = _verdict(origin, copy)
    except FailedError as error:
        return f"DIFFERS: {error}"
    return "; ".join([verdict, *_losses(copy)])


def _verdict(origin: Place, copy: Place) -> str:
    expected, found = digest(origin), digest(copy)
    if found == expected:
        return "EQUAL"
    if found.rows != expected.rows:
        return f"DIFFERS: {found.rows} rows instead of {expected.rows}"
    names = [name for name in COLUMNS if digest(origin, [name]) != digest(copy, [name])]
    return f"DIFFERS: {shorten(names)}"


def shorten(names: Sequence[str]) -> str:
    """A list of names that fits a line."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _losses(copy: Place) -> list[str]:
    found = [] if has_key(copy) else ["no key"]
    if copy.store.kind == "postgresql":
        declared = columns(copy.store, copy.schema, copy.table)
        changed = [
            f"{name} {declared.get(name, 'missing')}"
            for name in COLUMNS
            if declared.get(name) != COLUMNS[name]
        ]
        if changed:
            found.append(f"types: {shorten(changed)}")
    return found


def has_key(place: Place) -> bool:
    """Whether anything in the table keeps a row from standing there twice."""
    match place.store.kind:
        case "postgresql":
            query = "SELECT count(*) FROM pg_index WHERE indisunique AND indrelid = %s::regclass"
            with psycopg.connect(place.store.url()) as connection:
                row = connection.execute(query, [f"{place.schema}.{place.table}"]).fetchone()
            return bool(row and row[0])
        case "sqlite":
            connection = sqlite3.connect(place.store.database)
            try:
                return any(row[2] for row in connection.execute(f"PRAGMA index_list({place.table})"))
            finally:
                connection.close()
        case _:
            query = (
                "SELECT count(*) FROM information_schema.statistics "
                f"WHERE table_schema = '{place.schema}' AND table_name = '{place.table}' AND NOT non_unique"
            )
            done = subprocess.run(
                place.store.client(f"--execute={query}"), capture_output=True, text=True, check=True
            )
            return done.stdout.strip() != "0"
