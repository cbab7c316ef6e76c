"""Staged rows of a SQLite file's tables: made, filled, and brought into the users' tables."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.connectors.sqlite.catalog import read_table
from syncd.connectors.sqlite.definition import collations_of, says
from syncd.connectors.sqlite.merging import any_of, differs
from syncd.connectors.sqlite.session import Session, quote
from syncd.connectors.sqlite.spatial import entering
from syncd.connectors.sqlite.storage import keep, keepers_of
from syncd.connectors.sqlite.types import declaration
from syncd.errors import SyncdError
from syncd.model.batch import Batch
from syncd.model.exchange import Tracked
from syncd.model.table import Table
from syncd.ports import Check
from syncd.repository.naming import Names
from syncd.repository.store import NUMBER, STATE, TOLD, Stage, facts_of, keyed, stage_columns

FILLING: Final = "syncd_fill"
KEPT: Final = "syncd_kept"


class Staging:
    """The stages of one connection; see the methods of `Store` with these names."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, sql: str) -> int:
        """Run a statement; how many rows it changed."""
        return max(self._session.execute(sql).rowcount, 0)

    def make_stage(self, stage: Stage) -> None:
        """Make the empty stage, with the declarations of the table's own columns."""
        self.empty(stage)
        parts = [f"{NUMBER} INTEGER PRIMARY KEY", f"{STATE} INTEGER DEFAULT 0"]
        parts += [f"{fact} INTEGER" for fact in facts_of(edits=stage.edits)]
        named = zip(stage_columns(stage.table), stage.table.columns, strict=True)
        parts += [f"{name} {declaration(column)}" for name, column in named]
        parts += [f"{TOLD} TEXT"] if stage.told else []
        self.run(f"CREATE TEMP TABLE {stage.name} ({', '.join(parts)})")

    def fill(self, stage: Stage, batch: Batch, check: Check) -> None:
        """Add rows."""
        check()
        facts = facts_of(edits=stage.edits)
        names = stage.fields
        rows: Any = batch.data
        theirs, mine = _table(stage.theirs), _table(stage.table)
        shapes = entering(self._session, theirs, mine, stage.table.names)
        keepers = keepers_of(theirs, mine, stage.table.names, shapes)
        if keepers:
            rows = keep(rows, [(index + len(facts), keeper) for index, keeper in keepers])
        slots = ", ".join("?" * len(names))
        self.run(f"SAVEPOINT {FILLING}")
        try:
            self._session.insert(f"INSERT INTO temp.{stage.name} ({', '.join(names)}) VALUES ({slots})", rows)
        except SyncdError:
            # All of the batch or none: its rows come again one by one.
            self.run(f"ROLLBACK TO {FILLING}")
            raise
        finally:
            self.run(f"RELEASE {FILLING}")

    def filled(self, stage: Stage) -> int:
        """How many rows there are."""
        return int(self._session.execute(f"SELECT count(*) FROM temp.{stage.name}").fetchone()[0])

    def empty(self, stage: Stage) -> None:
        """Drop the stage if it is there."""
        self.run(f"DROP TABLE IF EXISTS temp.{stage.name}")

    def lock(self, stage: Stage) -> None:
        """Nothing to do: nobody else writes meanwhile."""

    def update(self, stage: Stage, which: str) -> int:
        """Update the rows that differ."""
        table = stage.table
        # Two spellings of a key may be one row.
        collated = collations_of(self._session, table.name.name, table.key)
        names = [name for name in table.names if name in table.others or name in collated]
        if not names:
            return 0
        place = dict(zip(table.names, stage_columns(table), strict=True))
        sets = ", ".join(f"{quote(name)} = s.{place[name]}" for name in names)
        return self.run(
            f"UPDATE{self._or_abort(table)} {quote(table.name.name)} AS t SET {sets} FROM temp.{stage.name} s"
            f" WHERE {_meeting(table)} AND ({which}) AND {self.differs(table, names, 't', 's')}"
        )

    def exchange(self, stage: Stage, which: str) -> int:
        """Take rows out and put them in again with the staged values, and their other columns as they were."""
        table = stage.table
        name = quote(table.name.name)
        found = read_table(self._session, table.name, writable=True)
        others = [each for each in (found.column_names if found else ()) if each not in table.names]
        kept = "".join(f", t.{quote(other)} AS k{number}" for number, other in enumerate(others))
        self.run(f"DROP TABLE IF EXISTS temp.{KEPT}")
        self.run(
            f"CREATE TEMP TABLE {KEPT} AS SELECT s.{NUMBER} AS n{kept} FROM temp.{stage.name} s"
            f" JOIN {name} t ON {_meeting(table)} WHERE {which}"
        )
        self.delete(stage, which)
        names = ", ".join(quote(each) for each in (*table.names, *others))
        values = [f"s.{each}" for each in stage_columns(table)] + [f"k.k{at}" for at in range(len(others))]
        changed = self.run(
            f"INSERT{self._or_abort(table)} INTO {name} ({names}) SELECT {', '.join(values)}"
            f" FROM temp.{KEPT} k JOIN temp.{stage.name} s ON s.{NUMBER} = k.n"
        )
        self.run(f"DROP TABLE temp.{KEPT}")
        return changed

    def insert(self, stage: Stage, which: str) -> int:
        """Insert the rows that the table lacks."""
        table = stage.table
        name = quote(table.name.name)
        columns = ", ".join(quote(column) for column in table.names)
        values = ", ".join(f"s.{column}" for column in stage_columns(table))
        return self.run(
            f"INSERT{self._or_abort(table)} INTO {name} ({columns}) SELECT {values} FROM temp.{stage.name} s WHERE ({which})"
            f" AND NOT EXISTS (SELECT 1 FROM {name} t WHERE {_meeting(table)})"
        )

    def delete(self, stage: Stage, which: str) -> int:
        """Delete rows by their keys."""
        return self._delete(stage, stage.table.name.name, which)

    def upsert_rows(
        self, names: Names, stage: Stage, which: str, gen: int, nid_sql: str, ngen_sql: str
    ) -> None:
        """Say whose edit these rows are, and of which generation."""
        keys = ", ".join(quote(name) for name in stage.table.key)
        staged = ", ".join(f"s.{name}" for name in stage.key_columns)
        at = "s.s_at" if stage.edits else "0"
        self.run(
            f"INSERT INTO {quote(names.row(stage.table.number))} ({keys}, gen, nid, ngen, at)"
            f" SELECT {staged}, {gen}, {nid_sql}, {ngen_sql}, {at} FROM temp.{stage.name} s WHERE {which}"
            f" ON CONFLICT ({keys}) DO UPDATE SET gen = excluded.gen, nid = excluded.nid, ngen = excluded.ngen,"
            " at = excluded.at"
        )

    def delete_own(self, names: Names, stage: Stage, which: str) -> int:
        """Forget unsent edits of these rows."""
        return self._delete(stage, names.own(stage.table.number), which)

    def unstage_owned(self, names: Names, stage: Stage) -> int:
        """Take what has an unsent edit out of the stage."""
        own = quote(names.own(stage.table.number))
        return self.run(
            f"DELETE FROM temp.{stage.name} AS s WHERE EXISTS (SELECT 1 FROM {own} t WHERE {_meeting(stage.table)})"
        )

    def stage_missing(self, names: Names, stage: Stage) -> int:
        """Stage the rows that did not arrive as deleted."""
        table = stage.table
        own = quote(names.own(table.number))
        staged = ", ".join(stage.key_columns)
        keys = ", ".join(f"t.{quote(name)}" for name in table.key)
        owned = " AND ".join(f"o.{quote(name)} = t.{quote(name)}" for name in table.key)
        self.run(f"CREATE INDEX IF NOT EXISTS temp.{stage.name}_key ON {stage.name} ({staged})")
        return self.run(
            f"INSERT INTO temp.{stage.name} (s_gone, {staged}) SELECT 1, {keys} FROM {quote(table.name.name)} t"
            f" WHERE NOT EXISTS (SELECT 1 FROM temp.{stage.name} s WHERE {_meeting(table)})"
            f" AND NOT EXISTS (SELECT 1 FROM {own} o WHERE {owned}) AND {keyed(quote, table, 't')}"
        )

    def differs(self, table: Tracked, names: Sequence[str], old: str, new: str) -> str:
        """One of these columns has another value in the table than in the stage."""
        place = dict(zip(table.names, stage_columns(table), strict=True))
        conditions = []
        for name in names:
            column = table.column(name)
            conditions.append(differs(f"{old}.{quote(name)}", f"{new}.{place[name]}", column.type))
        return any_of(conditions)

    def _or_abort(self, table: Tracked) -> str:
        """What keeps a table's own ON CONFLICT from deleting other rows, or from leaving ours out without a word.

        Only where it has one: the same word would also come over those in the triggers of a user, or of GeoPackage.
        """
        found = self._session.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", (table.name.name,)
        ).fetchone()
        return " OR ABORT" if found is not None and says(str(found[0]), "ON", "CONFLICT") else ""

    def _delete(self, stage: Stage, name: str, which: str) -> int:
        keys = ", ".join(quote(key) for key in stage.table.key)
        staged = ", ".join(f"s.{column}" for column in stage.key_columns)
        return self.run(
            f"DELETE FROM {quote(name)} WHERE ({keys}) IN (SELECT {staged} FROM temp.{stage.name} s WHERE {which})"
        )


def _meeting(table: Tracked) -> str:
    """When a staged row s and a row t of a table with the same key meet."""
    place = dict(zip(table.names, stage_columns(table), strict=True))
    return " AND ".join(f"t.{quote(name)} = s.{place[name]}" for name in table.key)


def _table(table: Tracked) -> Table:
    return Table(table.name, table.columns, table.key)
