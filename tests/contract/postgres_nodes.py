"""A PostgreSQL database as a node of a cluster: its store, the test's own connection, and short ways through both."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, TableName
from syncd.registry import connector
from syncd.repository.naming import Names
from syncd.repository.store import WHOLE, Purpose, Stage, facts_of
from tests.stores import PostgresStore

NAMES = Names.of("cluster")
ALL = "s.s_state < 2"
STAYS = "s.s_state < 2 AND s.s_gone = 0"


def nothing() -> None:
    """A check that never stops."""


def open_store(db: PostgresStore, **options: Any) -> Any:
    """The connector's store of a database."""
    opener: Any = connector("postgresql")
    return opener.open_store(db.options(**options))


@dataclass
class Node:
    """One database: `db` is the test's own connection in autocommit, `store` what is tested."""

    db: PostgresStore
    store: Any
    opened: list[Any] = field(default_factory=list)

    def another_store(self, **options: Any) -> Any:
        """A second store of the same database."""
        made = open_store(self.db, **options)
        self.opened.append(made)
        return made

    def track(self, name: str = "t", *, parent: bool = False, number: int = 1, **facts: Any) -> Tracked:
        """Take a table in: its log is made and its triggers are installed."""
        schema, _, plain = name.rpartition(".")
        table = self.store.table(TableName(plain, schema))
        tracked = Tracked(number, table.name, table.columns, table.key, **facts)
        self.store.create_log(NAMES, tracked, parent=parent)
        self.store.capture(NAMES, tracked)
        return tracked

    def log(self, number: int = 1) -> list[tuple[Any, ...]]:
        """What the triggers have written."""
        return sorted(self.db.rows(f"SELECT * FROM {NAMES.log(number)}"))

    def stage(self, tracked: Tracked, rows: Sequence[Any], *, edits: bool = False) -> Stage:
        """A filled stage: each row is the facts, then the columns."""
        stage = Stage(NAMES.stage(tracked.number), tracked, tracked, edits)
        self.store.make_stage(stage)
        self.store.fill(stage, Batch(Format.ROWS, rows, len(rows)), nothing)
        assert self.store.filled(stage) == len(rows)
        return stage

    def begin(self, purpose: Purpose = Purpose.APPLY) -> None:
        """Begin a transaction of the cluster."""
        self.store.begin(purpose, NAMES, nothing)

    def commit(self) -> None:
        """End it."""
        self.store.commit(nothing)

    def rows(self, sql: str = "SELECT * FROM t ORDER BY 1") -> list[tuple[Any, ...]]:
        """What a query of the test's own gives."""
        return self.db.rows(sql)


def move(source: Node, target: Node, of: Tracked, to: Tracked, form: Format) -> Stage:
    """Extract all rows of one table and fill them into a stage of the other."""
    text = source.store.text_of(of.name)
    names = ", ".join(source.store.quote(column.name) for column in of.columns)
    facts = [Column(name, WHOLE) for name in facts_of(edits=False)]
    stage = Stage(NAMES.stage(to.number), to, of, False)
    target.store.make_stage(stage)
    for batch in source.store.extract(f"SELECT 0, {names} FROM {text}", [*facts, *of.columns], form, nothing):
        target.store.fill(stage, batch, nothing)
    target.store.filled(stage)
    return stage


@pytest.fixture
def make_node(make_store: Callable[[str], Any]) -> Iterator[Callable[[], Node]]:
    """Makes nodes with empty databases."""
    made: list[Node] = []

    def make() -> Node:
        db = make_store("postgresql")
        made.append(Node(db, open_store(db)))
        return made[-1]

    yield make
    for node in made:
        for store in (node.store, *node.opened):
            store.rollback()
            store.close()


@pytest.fixture
def node(make_node: Callable[[], Node]) -> Node:
    """A node whose table t has rows 1, 2 and 3."""
    made = make_node()
    made.db.execute("CREATE TABLE t (id integer PRIMARY KEY, name text, qty integer)")
    made.db.execute("INSERT INTO t SELECT i, 'row ' || i, i FROM generate_series(1, 3) i")
    return made
