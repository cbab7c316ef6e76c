"""A MariaDB database with a tracked table, as a node of a cluster meets it."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from syncd.connectors.mysql.plugin import PLUGIN
from syncd.model.batch import Batch, Format
from syncd.model.exchange import Tracked
from syncd.model.table import Column, TableName
from syncd.repository.naming import Names
from syncd.repository.store import WHOLE, Purpose, Stage, facts_of

NAMES = Names.of("c")


def go_on() -> None:
    """Nobody asks for a stop."""


class MysqlNode:
    """A test's database, the store that is opened on it, and its tracked tables by name."""

    def __init__(self, database: Any, names: Names = NAMES) -> None:
        self.database = database
        self.names = names
        self.store = PLUGIN.open_store(database.options())
        self.tracked: dict[str, Tracked] = {}

    def another(self) -> Any:
        """A second store on the same database."""
        return PLUGIN.open_store(self.database.options())

    def track(self, name: str = "t", *, parent: bool = True, capture: bool = True, **more: Any) -> Tracked:
        """Make the log and the triggers of a table."""
        table = self.store.table(TableName(name))
        number = len(self.tracked) + 1
        tracked = Tracked(number, table.name, table.columns, table.key, **more)
        self.store.create_log(self.names, tracked, parent=parent)
        if capture:
            self.store.capture(self.names, tracked)
        self.tracked[name] = tracked
        return tracked

    def log(self, name: str = "t") -> list[tuple[Any, ...]]:
        """Key, op and mask of the log's rows, in the order in which they were written."""
        tracked = self.tracked[name]
        keys = ", ".join(self.store.quote(key) for key in tracked.key)
        log = self.names.log(tracked.number)
        return self.database.rows(f"SELECT {keys}, op, mask FROM {log} ORDER BY syncd_n")

    def begin(self, purpose: Purpose = Purpose.APPLY) -> None:
        """Begin a transaction of the store."""
        self.store.begin(purpose, self.names, go_on)

    def commit(self) -> None:
        """Commit it."""
        self.store.commit(go_on)

    def seal_parent(self, gen: int, purpose: Purpose = Purpose.SNAPSHOT, name: str = "t") -> int:
        """Seal in a transaction of its own."""
        self.begin(purpose)
        sealed = self.store.seal_parent(self.names, self.tracked[name], gen)
        self.commit()
        return int(sealed)

    def stage(self, theirs: Tracked | None = None, name: str = "t", *, edits: bool = False) -> Stage:
        """An empty stage."""
        tracked = self.tracked[name]
        stage = Stage(self.names.stage(tracked.number), tracked, theirs or tracked, edits)
        self.store.make_stage(stage)
        return stage

    def staged(self, rows: Sequence[tuple[Any, ...]], name: str = "t", *, edits: bool = False) -> Stage:
        """A stage with these rows, facts first."""
        stage = self.stage(name=name, edits=edits)
        self.store.fill(stage, Batch(Format.ROWS, list(rows), len(rows)), go_on)
        return stage

    def batches(self, form: Format, name: str = "t") -> list[Batch]:
        """All rows of a table with the facts of a parent's rows."""
        tracked = self.tracked[name]
        facts = tuple(Column(fact, WHOLE, nullable=False) for fact in facts_of(edits=False))
        columns = ", ".join(f"t.{self.store.quote(column.name)}" for column in tracked.columns)
        select = f"SELECT 0, {columns} FROM {self.store.text_of(tracked.name)} t"
        return list(self.store.extract(select, (*facts, *tracked.columns), form, go_on))

    def close(self) -> None:
        """Close the store."""
        self.store.close()


@pytest.fixture
def node(make_store: Any) -> Iterator[MysqlNode]:
    """A database with the empty table t."""
    database = make_store("mysql")
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), n int UNIQUE)")
    made = MysqlNode(database)
    yield made
    made.close()


def rows(node: MysqlNode, sql: str = "SELECT id, name, n FROM t ORDER BY id") -> list[tuple[Any, ...]]:
    """What the test's own connection sees."""
    return node.database.rows(sql)
