"""The triggers that write a tracked table's log, as plain SQL that every program runs without knowing."""

import hashlib
from dataclasses import dataclass
from itertools import count
from typing import Final

from syncd.connectors.postgresql.quoting import plain_literal
from syncd.connectors.postgresql.session import Session, quote
from syncd.connectors.postgresql.shape import Shape, listed
from syncd.model.exchange import Tracked
from syncd.repository.addition import mark_of
from syncd.repository.naming import Names
from syncd.repository.store import ALL_COLUMNS, BEFORE, DELETED, INSERTED, MOST_COLUMNS, UPDATED

KINDS: Final = ("insert", "update", "delete", "truncate")
MOMENT: Final = "(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000)::pg_catalog.int8"
IMAGE: Final = "ROW({})::pg_catalog.record"

NOTED: Final = " | "
MEMBERS: Final = """
SELECT format('%%I.%%I', n.nspname, c.relname), c.oid = %s
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = %s OR c.oid IN (SELECT relid FROM pg_partition_tree(%s))
 ORDER BY 2 DESC, 1"""
"""The table itself first, then its partitions."""

TOUCHING: Final = """
SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = ? AND n.nspname = coalesce(nullif(?, ''), current_schema()) AND NOT t.tgisinternal
   AND t.tgenabled IN ('O', 'A') AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND left(t.tgname, 5) <> 'syncd'"""
"""Only what fires for each row (1) before (2) an insert (4) or update (16) can give the row other values."""

SEEN: Final = """
SELECT obj_description(to_regclass(%s), 'pg_class'),
  (SELECT md5(string_agg(concat_ws(' ', t.tgrelid, t.tgname, t.tgtype, t.tgenabled, p.oid, p.prosecdef, p.prosrc, t.tgqual::text),
                         ',' ORDER BY t.tgrelid, t.tgname))
     FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgname = ANY (%s)
      AND t.tgrelid = ANY (ARRAY(SELECT r.oid UNION SELECT relid FROM pg_partition_tree(r.oid)))),
  (SELECT md5(string_agg(concat_ws(' ', attname, atttypid, atttypmod, attcollation, attidentity, attgenerated), ',' ORDER BY attnum))
     FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0)
  FROM (SELECT to_regclass(%s) AS oid) r"""
"""What was noted beside the log when the triggers were made, and how they and the columns look now."""

STANDING: Final = "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = ANY (%s) AND tgenabled <> 'D'"


@dataclass(frozen=True, slots=True)
class Capture:
    """The triggers of one table for one cluster; `home` is the schema of the log and of the functions."""

    home: str
    names: Names
    shape: Shape

    @property
    def log(self) -> str:
        """The log's name as SQL."""
        return f"{quote(self.home)}.{quote(self.names.log(self._tracked.number))}"

    def install(self, session: Session) -> None:
        """Create or replace functions and triggers, inside the caller's transaction."""
        members = self._members(session)
        for kind in KINDS:
            session.execute(self._function(kind))
        for text, root in members:
            for kind in KINDS:
                name = self.names.trigger(self._tracked.number, kind)
                if root or kind == "truncate":
                    session.execute(f"DROP TRIGGER IF EXISTS {quote(name)} ON {text}")
                    session.execute(f"CREATE TRIGGER {quote(name)} {self._event(kind, text)}")
        for text, _ in members:
            for name in _triggers(self.names, self._tracked):
                # Appliers of logical replication are writers too.
                session.execute(f"ALTER TABLE {text} ENABLE ALWAYS TRIGGER {quote(name)}")
        session.execute(f"COMMENT ON TABLE {self.log} IS {plain_literal(self._design())}")
        seen = look(session, self.home, self.names, self._tracked)
        noted = f"{self._design()} {seen.partition(NOTED)[2]}"
        session.execute(f"COMMENT ON TABLE {self.log} IS {plain_literal(noted)}")

    def is_noted(self, seen: str) -> bool:
        """Is what `look` gave what was noted when the triggers were made as they would be now?"""
        noted, _, present = seen.partition(NOTED)
        return noted == f"{self._design()} {present}"

    @property
    def _tracked(self) -> Tracked:
        return self.shape.tracked

    def _members(self, session: Session) -> list[tuple[str, bool]]:
        oid = self.shape.found.oid
        return [(text, root) for text, root in session.execute(MEMBERS, (oid, oid, oid))]

    def _design(self) -> str:
        texts = [self._function(kind) + self._event(kind, self.shape.found.text) for kind in KINDS]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]

    def _event(self, kind: str, text: str) -> str:
        """What follows CREATE TRIGGER and its name."""
        when = "BEFORE TRUNCATE" if kind == "truncate" else f"AFTER {kind.upper()}"
        each = "STATEMENT" if kind == "truncate" else "ROW"
        return f"{when} ON {text} FOR EACH {each} EXECUTE FUNCTION {self._called(kind)}()"

    def _called(self, kind: str) -> str:
        return f"{quote(self.home)}.{quote(self.names.trigger(self._tracked.number, kind))}"

    def _function(self, kind: str) -> str:
        body = f"BEGIN\n{self._body(kind)}\nRETURN NULL;\nEND"
        # Whoever writes to the table needs no right on the log.
        return (
            f"CREATE OR REPLACE FUNCTION {self._called(kind)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f" AS {_dollar_quoted(body)}"
        )

    def _body(self, kind: str) -> str:
        if kind == "truncate":
            said = f"{self.shape.found.name} takes part in a cluster, and TRUNCATE would not reach the other copies"
            return f"RAISE EXCEPTION USING MESSAGE = {plain_literal(said)}, HINT = 'use DELETE';"
        new, gone = self._row("NEW", INSERTED), self._row("OLD", DELETED)
        written = {"insert": self._written(new), "delete": self._written(gone)}.get(kind)
        if written is None:
            same = " AND ".join(f"({self._same(name)})" for name in self._tracked.key)
            one, two = self._written(self._row("NEW", UPDATED, self._mask())), self._written(f"{gone}, {new}")
            written = f"IF {same} THEN\n{one}\nELSE\n{two}\nEND IF;"
        setting = f"pg_catalog.current_setting({plain_literal(setting_of(self.names))}, true)"
        # Not in a WHEN: the server reads that anew in each statement, which costs more than the whole call.
        return f"IF coalesce({setting}, '') OPERATOR(pg_catalog.<>) '1' THEN\n{written}\n{self._notice()}\nEND IF;"

    def _written(self, rows: str) -> str:
        before = f", {BEFORE}" if self._tracked.sums else ""
        return f"INSERT INTO {self.log} ({listed(self._tracked.key)}, op, mask, at{before}) VALUES {rows};"

    def _notice(self) -> str:
        # An IF needs no statement of its own at the server, as PERFORM does.
        return f"IF pg_catalog.pg_notify({plain_literal(channel_of(self.names))}, '') IS NULL THEN END IF;"

    def _row(self, image: str, bit: int, mask: str = str(ALL_COLUMNS)) -> str:
        moment = MOMENT if self._tracked.timed else "0"
        before = f", {self._before(bit)}" if self._tracked.sums else ""
        return f"({listed(self._tracked.key, image)}, {bit}, {mask}, {moment}{before})"

    def _before(self, bit: int) -> str:
        """What summed columns held before the edit, as `addition` reads it."""
        sums = self._tracked.sums
        if bit == INSERTED:
            return f"'{mark_of(sums)}{',' * len(sums)}'"
        texts = [f"coalesce(OLD.{quote(name)}::pg_catalog.text, '')" for name in sums]
        return " OPERATOR(pg_catalog.||) ',' OPERATOR(pg_catalog.||) ".join([f"'{mark_of(sums)}'", *texts])

    def _mask(self) -> str:
        columns = self._tracked.columns
        if not self._tracked.by_column or len(columns) > MOST_COLUMNS:
            return str(ALL_COLUMNS)
        tests = [
            f"CASE WHEN {self._same(column.name)} THEN 0 ELSE {1 << place}::pg_catalog.int8 END"
            for place, column in enumerate(columns)
        ]
        return " OPERATOR(pg_catalog.|) ".join(f"({test})" for test in tests)

    def _same(self, name: str) -> str:
        """Operators are named with their schema: the function runs with the rights of its owner."""
        old, new = f"OLD.{quote(name)}", f"NEW.{quote(name)}"
        if name in self.shape.exact:
            either = "" if name in self._tracked.key else f" OR ({old} IS NULL AND {new} IS NULL)"
            return f"{old} OPERATOR(pg_catalog.=) {new}{either}"
        return f"{IMAGE.format(old)} OPERATOR(pg_catalog.*=) {IMAGE.format(new)}"


def look(session: Session, home: str, names: Names, tracked: Tracked) -> str:
    """What was noted of a table's triggers, and how they look now; empty when there are none. Cost: one statement."""
    log = f"{quote(home)}.{quote(names.log(tracked.number))}"
    table = f"{quote(tracked.name.schema)}." if tracked.name.schema else ""
    rows = session.execute(
        SEEN, (log, _triggers(names, tracked), f"{table}{quote(tracked.name.name)}")
    ).fetchall()
    noted, seen, columns = rows[0]
    return f"{noted}{NOTED}{seen} {columns}" if noted and seen else ""


def hears(session: Session, names: Names, tracked: Tracked) -> bool:
    """Has the table itself a trigger for every kind of edit?"""
    table = f"{quote(tracked.name.schema)}." if tracked.name.schema else ""
    wanted = _triggers(names, tracked)
    found = session.execute(STANDING, (f"{table}{quote(tracked.name.name)}", wanted)).fetchall()
    return int(found[0][0]) == len(wanted)


def remove(session: Session, home: str, names: Names, number: int, text: str | None) -> None:
    """Drop the triggers (`text` is the table as SQL, None when it is gone) and their functions, where they are."""
    for kind in KINDS:
        name = quote(names.trigger(number, kind))
        if text is not None:
            session.execute(f"DROP TRIGGER IF EXISTS {name} ON {text}")
        session.execute(f"DROP FUNCTION IF EXISTS {quote(home)}.{name} CASCADE")


def setting_of(names: Names) -> str:
    """The setting by which the triggers of a cluster know its own transactions."""
    return f"syncd.{names.prefix}apply"


def channel_of(names: Names) -> str:
    """The channel that the triggers of a cluster notify."""
    return f"{names.prefix}log"


def _triggers(names: Names, tracked: Tracked) -> list[str]:
    return [names.trigger(tracked.number, kind) for kind in KINDS]


def _dollar_quoted(body: str) -> str:
    mark = next(mark for number in count() if (mark := f"$syncd{number}$") not in body)
    return f"{mark}{body}{mark}"
