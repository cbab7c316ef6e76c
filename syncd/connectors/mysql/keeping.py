"""The tables that a cluster keeps in a database beside the tracked ones."""

from collections.abc import Mapping, Sequence
from typing import Final

from syncd.connectors.mysql.definition import create_statement
from syncd.connectors.mysql.participant import declarations, key_line
from syncd.connectors.mysql.session import Session, quote
from syncd.connectors.mysql.types import KEY_BUDGET, read_type
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Table, TableName, Type
from syncd.repository.naming import Names
from syncd.repository.store import BEFORE

HAS: Final = "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s"
TEXT_BEFORE: Final = f"{BEFORE} text CHARACTER SET ascii COLLATE ascii_bin NULL"
ADD: Final = f"ALTER TABLE {{log}} ADD COLUMN {TEXT_BEFORE}"
EXISTS: Final = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
LOGS: Final = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME LIKE '%%\\\\_log'"

ORDER: Final = "syncd_n"
"""The log's own key: a number that the server gives without a lock, so that writers never wait for each other."""
WHOLE: Final = "bigint NOT NULL"
WHOLE_CHARACTERS: Final = 2
"""How many characters of a key a whole number takes the place of."""


def plain_table(session: Session, name: str, columns: Mapping[str, str], key: Sequence[str]) -> str:
    """The statement that creates a table of int, text and bytes unless it is there."""
    sized = sum(1 for column in key if columns[column] != "int") or 1
    characters = (KEY_BUDGET - WHOLE_CHARACTERS * len(key)) // sized
    made = tuple(
        Column(column, _type(word, characters if column in key else 0), column not in key)
        for column, word in columns.items()
    )
    statement = create_statement(session, Table(TableName(name), made, tuple(key)))
    return statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)


def tracking_tables(session: Session, names: Names, table: Tracked, *, parent: bool) -> list[str]:
    """The statements that create the tables of one tracked table unless they are there."""
    declared = declarations(session, table.name)
    keys = [key_line(name, declared[name]) for name in table.key]
    key = ", ".join(quote(name) for name in table.key)
    facts = [f"op tinyint NOT NULL, mask {WHOLE}, at {WHOLE}"]
    made = {
        names.log(table.number): [
            f"{ORDER} bigint unsigned NOT NULL DEFAULT (UUID_SHORT()) PRIMARY KEY",
            *keys,
            *facts,
        ]
    }
    if parent:
        made[names.row(table.number)] = [
            *keys,
            f"gen {WHOLE}, nid {WHOLE}, ngen {WHOLE}, at {WHOLE}, PRIMARY KEY ({key}), INDEX (gen)",
        ]
        made[names.past(table.number)] = [*keys, f"gen {WHOLE}, mask {WHOLE}, INDEX ({key})"]
    else:
        made[names.own(table.number)] = [*keys, f"gen {WHOLE}, base {WHOLE}", *facts, f"PRIMARY KEY ({key})"]
    if table.sums and not parent:
        made[names.begun(table.number)] = [*keys, f"gen {WHOLE}", TEXT_BEFORE, f"PRIMARY KEY ({key}, gen)"]
    statements = [
        f"CREATE TABLE IF NOT EXISTS {kept(session, name)} ({', '.join(lines)}) ENGINE=InnoDB"
        for name, lines in made.items()
    ]
    log = names.log(table.number)
    if table.sums and not parent and not session.execute(HAS, (session.schema, log, BEFORE)).rows:
        statements.append(ADD.format(log=kept(session, log)))
    return statements


def kept(session: Session, name: str) -> str:
    """A table of syncd's as SQL: it stands in the connection's own database."""
    return f"{quote(session.schema)}.{quote(name)}"


def is_kept(session: Session, name: str) -> bool:
    """Is there a table of that name?"""
    return bool(session.execute(EXISTS, (session.schema, name)).rows)


def logs_of(session: Session, names: Names) -> list[str]:
    """The logs of a cluster's tracked tables, as SQL."""
    found = []
    for (name,) in session.execute(LOGS, (session.schema,)).rows:
        number = name.removeprefix(names.prefix).removesuffix("_log")
        if name.startswith(names.prefix) and number.isdigit():
            found.append(kept(session, name))
    return found


def _type(word: str, key_characters: int) -> Type:
    match word:
        case "int":
            return read_type("bigint")
        case "text":
            return read_type(f"varchar({key_characters})" if key_characters else "longtext")
        case _:
            return read_type(f"varbinary({key_characters})" if key_characters else "longblob")
