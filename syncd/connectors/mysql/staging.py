"""The temporary table in which rows wait that arrived, and how they go on into the tracked table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncd.connectors.mysql.keeping import kept
from syncd.connectors.mysql.loading import Gate, Loading, heed, named
from syncd.connectors.mysql.merging import differs
from syncd.connectors.mysql.participant import declarations, key_line
from syncd.connectors.mysql.session import Result, Session, quote
from syncd.errors import FatalError, RowRejectedError, SyncdError
from syncd.model.batch import Batch
from syncd.model.exchange import Tracked
from syncd.model.table import Column, Kind, Table
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import NUMBER, STATE, TEXT, TOLD, WHOLE, Stage, facts_of, stage_columns

BY_KEY: Final = "syncd_key"
FILLING: Final = "syncd_fill"
SPARING: Final = "syncd_spare"
KEPT: Final = "syncd_kept"
_STAGED: Final = re.compile(r"(?:`[^`]*`\.)*[`'](c\d+)[`']")


@dataclass(frozen=True, slots=True)
class Rows:
    """A stage and its table, as SQL; staged rows are called s, the table's t."""

    session: Session
    stage: Stage
    text: str
    log: str
    """The log's name as SQL; empty when nothing is captured."""
    check: Check

    @property
    def staged(self) -> str:
        """The stage's name as SQL."""
        return quote(self.stage.name)

    @property
    def table(self) -> Tracked:
        """The tracked table."""
        return self.stage.table

    def on(self, other: str = "t") -> str:
        """A row of the other table has the key of a staged row."""
        names = staged_names(self.table)
        return " AND ".join(f"{other}.{quote(name)} = s.{names[name]}" for name in self.table.key)

    def run(self, sql: str) -> Result:
        """Run a statement that writes rows; errors name the table's own columns."""
        try:
            result = self.session.execute(sql, check=self.check)
            if result.warnings:
                heed(self.session, str(self.table.name))
        except SyncdError as error:
            if isinstance(error, RowRejectedError) or error.code == "key_exists":
                raise named(error, str(self.table.name)) from error
            raise
        return result

    def count(self, sql: str) -> int:
        """The number that a query gives."""
        return int(self.session.value(sql))


def staged_names(table: Tracked) -> dict[str, str]:
    """For each column of the table the stage's one."""
    names = (column.name for column in table.columns)
    return dict(zip(names, stage_columns(table), strict=True))


def stage_statement(session: Session, stage: Stage) -> str:
    """The statement that creates the stage: its columns take what the table's take, and compare alike."""
    table = stage.table
    declared = declarations(session, table.name)
    columns = [
        key_line(name, declared[own]) if own in table.key else f"{quote(name)} {declared[own]} NULL"
        for own, name in staged_names(table).items()
    ]
    key = ", ".join(staged_names(table)[name] for name in table.key)
    lines = [
        f"{NUMBER} bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
        f"{STATE} smallint NOT NULL DEFAULT 0",
        *(f"{fact} bigint NOT NULL" for fact in facts_of(edits=stage.edits)),
        *columns,
        *([f"{TOLD} longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"] if stage.told else []),
        f"INDEX {BY_KEY} ({key})",
    ]
    return f"CREATE TEMPORARY TABLE {quote(stage.name)} ({', '.join(lines)}) ENGINE=InnoDB"


def fill(session: Session, stage: Stage, batch: Batch, check: Check) -> None:
    """Add the rows of a batch, all or none.

    Raises:
        RowRejectedError: a value has no form here.
    """
    facts = tuple(Column(fact, WHOLE, nullable=False) for fact in facts_of(edits=stage.edits))
    names = staged_names(stage.table)
    taken = tuple(replace(column, name=names[column.name]) for column in stage.table.columns)
    told = (Column(TOLD, TEXT),) if stage.told else ()
    source = Table(stage.theirs.name, (*facts, *stage.theirs.columns, *told))
    gate = Gate(quote(stage.name), (*facts, *taken, *told), source, batch.format)
    with_others = session.in_transaction
    if with_others:
        session.execute(f"SAVEPOINT {FILLING}")
    else:
        session.begin()
    try:
        loading = Loading(session, gate, str(stage.table.name), check)
        loading.write(batch)
        loading.end()
        if not with_others:
            session.commit()
    except BaseException as error:
        if with_others:
            session.return_to(FILLING)
        else:
            session.rollback()
        if isinstance(error, SyncdError):
            raise _told(error, stage.table) from error
        raise


def lock(rows: Rows) -> None:
    """Lock the table's rows in the order of their keys, which the stage's index gives."""
    rows.run(
        f"SELECT COUNT(*) FROM {rows.staged} s FORCE INDEX ({BY_KEY}) STRAIGHT_JOIN {rows.text} t ON {rows.on()} FOR UPDATE"
    )


def update(rows: Rows, which: str) -> int:
    """Give the table's rows the staged values where they differ."""
    names = staged_names(rows.table)
    # Texts that a collation takes for one key can differ.
    columns = [
        column
        for column in rows.table.columns
        if column.name not in rows.table.key or column.type.kind is Kind.TEXT
    ]
    if not columns:
        return 0
    sets = ", ".join(f"t.{quote(column.name)} = s.{names[column.name]}" for column in columns)
    unlike = differing(rows.table, [column.name for column in columns], "t", "s")
    return _sparing(
        rows,
        f"UPDATE {rows.staged} s FORCE INDEX ({BY_KEY}) STRAIGHT_JOIN {rows.text} t ON {rows.on()} SET {sets}"
        f" WHERE ({unlike}) AND",
        which,
    )


def insert(rows: Rows, which: str) -> int:
    """Insert the staged rows that the table lacks.

    A key that another transaction has inserted since is seen when the statement fails, and left out by the next attempt.
    """
    names = staged_names(rows.table)
    missing = (
        f"FROM {rows.staged} s WHERE ({which}) AND NOT EXISTS (SELECT 1 FROM {rows.text} t WHERE {rows.on()})"
    )
    own = ", ".join(quote(name) for name in names)
    sql = f"INSERT INTO {rows.text} ({own}) SELECT {', '.join(f's.{name}' for name in names.values())} {missing}"
    before = -1
    while True:
        try:
            return rows.run(sql).changed
        except FatalError as error:
            left = rows.count(f"SELECT COUNT(*) {missing}") if error.code == "key_exists" else before
            if left == before:
                raise
            before = left


def exchange(rows: Rows, others: Sequence[str], which: str) -> int:
    """Take rows out and put them in again with the staged values; `others` are the columns that the stage lacks."""
    staged = staged_names(rows.table)
    kept = "".join(f", t.{quote(name)} AS k{number}" for number, name in enumerate(others))
    rows.session.execute(f"DROP TEMPORARY TABLE IF EXISTS {KEPT}")
    rows.run(
        f"CREATE TEMPORARY TABLE {KEPT} ENGINE=InnoDB AS SELECT s.{NUMBER}{kept}"
        f" FROM {rows.staged} s JOIN {rows.text} t ON {rows.on()} WHERE {which}"
    )
    delete(rows, which)
    names = ", ".join(quote(name) for name in (*staged, *others))
    values = [*(f"s.{name}" for name in staged.values()), *(f"k.k{number}" for number in range(len(others)))]
    changed = rows.run(
        f"INSERT INTO {rows.text} ({names}) SELECT {', '.join(values)}"
        f" FROM {KEPT} k JOIN {rows.staged} s ON s.{NUMBER} = k.{NUMBER}"
    ).changed
    rows.run(f"DROP TEMPORARY TABLE {KEPT}")
    return changed


def delete(rows: Rows, which: str) -> int:
    """Delete the table's rows with these keys."""
    return _sparing(
        rows, f"DELETE t FROM {rows.staged} s STRAIGHT_JOIN {rows.text} t ON {rows.on()} WHERE", which
    )


def stage_missing(rows: Rows, names: Names) -> int:
    """Stage the rows as deleted that are neither staged nor edited here."""
    number = rows.table.number
    own, log = kept(rows.session, names.own(number)), kept(rows.session, names.log(number))
    staged = staged_names(rows.table)
    keys = ", ".join(f"t.{quote(name)}" for name in rows.table.key)
    edited = " AND ".join(f"o.{quote(name)} = t.{quote(name)}" for name in rows.table.key)
    return rows.run(
        f"INSERT INTO {rows.staged} (s_gone, {', '.join(staged[name] for name in rows.table.key)})"
        f" SELECT 1, {keys} FROM {rows.text} AS t LEFT JOIN {rows.staged} s ON {rows.on()} WHERE s.{NUMBER} IS NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {own} o WHERE {edited})"
        f" AND NOT EXISTS (SELECT 1 FROM {log} o WHERE {edited})"
    ).changed


def upsert_rows(rows: Rows, names: Names, which: str, gen: int, nid_sql: str, ngen_sql: str) -> None:
    """Put the keys into `row` with this generation and author."""
    staged = staged_names(rows.table)
    own = ", ".join(quote(name) for name in rows.table.key)
    theirs = ", ".join(f"s.{staged[name]}" for name in rows.table.key)
    moment = "s.s_at" if rows.stage.edits else "0"
    rows.run(
        f"INSERT INTO {kept(rows.session, names.row(rows.table.number))} ({own}, gen, nid, ngen, at)"
        f" SELECT {theirs}, {gen}, {nid_sql}, {ngen_sql}, {moment} FROM {rows.staged} s WHERE {which}"
        " ON DUPLICATE KEY UPDATE gen = VALUES(gen), nid = VALUES(nid), ngen = VALUES(ngen), at = VALUES(at)"
    )


def delete_own(rows: Rows, names: Names, which: str) -> int:
    """Delete the rows of `own` with these keys."""
    own = kept(rows.session, names.own(rows.table.number))
    return rows.run(
        f"DELETE o FROM {rows.staged} s STRAIGHT_JOIN {own} o ON {rows.on('o')} WHERE {which}"
    ).changed


def unstage_owned(rows: Rows, names: Names) -> int:
    """Delete the staged rows that `own` has."""
    own = kept(rows.session, names.own(rows.table.number))
    return rows.run(f"DELETE s FROM {rows.staged} s JOIN {own} o ON {rows.on('o')}").changed


def differing(table: Tracked, names: Sequence[str], old: str, new: str) -> str:
    """The condition that one of these columns of a table has another value than the stage's."""
    staged = staged_names(table)
    return (
        " OR ".join(
            differs(f"{old}.{quote(name)}", f"{new}.{staged[name]}", table.column(name).type)
            for name in names
        )
        or "FALSE"
    )


def _sparing(rows: Rows, sql: str, which: str) -> int:
    """Run a statement on the rows of the table that `which` names, but not on those that somebody edited since the seal.

    They were not there when rows were locked. A condition on the log would wait for everyone who writes to the table. What is
    changed is locked, so the log tells afterwards whom that hit; then it is undone, and done again without these.
    """
    if not rows.log:
        return rows.run(f"{sql} ({which})").changed
    spared: set[int] = set()
    while True:
        rows.session.execute(f"SAVEPOINT {SPARING}")
        but = f" AND s.{NUMBER} NOT IN ({', '.join(map(str, sorted(spared)))})" if spared else ""
        changed = rows.run(f"{sql} ({which}){but}").changed
        found = rows.run(
            f"SELECT s.{NUMBER} FROM {rows.log} l STRAIGHT_JOIN {rows.staged} s ON {rows.on('l')} WHERE ({which}){but}"
        ).rows
        if not changed or not found:
            rows.session.execute(f"RELEASE SAVEPOINT {SPARING}")
            return changed
        rows.session.return_to(SPARING)
        spared.update(int(row[0]) for row in found)


def _told(error: SyncdError, table: Tracked) -> SyncdError:
    """The error with the columns' own names in place of the stage's."""
    if not isinstance(error, RowRejectedError):
        return error
    own = dict(zip(stage_columns(table), (column.name for column in table.columns), strict=True))
    message = _STAGED.sub(lambda match: f"'{own.get(match.group(1), match.group(1))}'", error.message)
    column = own.get(error.where.rpartition(".")[2], "")
    where = f"{table.name}.{column}" if column else str(table.name)
    return RowRejectedError(message, hint=error.hint, where=where, code=error.code)
