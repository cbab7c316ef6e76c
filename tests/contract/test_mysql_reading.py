"""What a MariaDB or MySQL source alone has to get right when it reads."""

from typing import Any

import pytest

from syncd.connectors.mysql import catalog
from syncd.connectors.mysql.plugin import PLUGIN
from syncd.errors import NotFoundError
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.table import Kind, TableName
from tests.contract.acts import read_windows

pytestmark = pytest.mark.mysql


def test_all_tables_are_listed_however_many_there_are(
    make_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("mysql")
    for name in ("a", "b", "c"):
        store.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
    monkeypatch.setattr(catalog, "MOST_HINTED", 1)
    source = PLUGIN.open_source(store.options())

    tables = source.tables()
    with pytest.raises(NotFoundError, match="there is no table d"):
        source.describe(Relation(TableName("d")))
    source.close()

    assert [table.name for table in tables if table.schema == store.name] == ["a", "b", "c"]


def test_keys_of_more_text_than_a_statement_may_have_are_looked_up(make_store: Any) -> None:
    """What the values of a tinyint(1) or a time are is asked for window by window, as the rows are."""
    store = make_store("mysql")
    store.execute("CREATE TABLE t (id varchar(200) PRIMARY KEY, yes tinyint(1), long_ time)")
    store.execute(
        "INSERT INTO t VALUES ('first', 1, '10:00:00'), ('last', 7, '30:00:00'), ('other', 1, NULL)"
    )
    keys = (("first",), *((f"{number:0>200}",) for number in range(30_000)), ("last",))
    source = PLUGIN.open_source(store.options())

    windows, reading = read_windows(source, Extract(Relation(TableName("t")), keys=keys))
    source.close()

    assert [row for rows in windows for row in rows] == [("first", 1, "10:00:00"), ("last", 7, "30:00:00")]
    assert [column.type.kind for column in reading.table.columns[1:]] == [Kind.INTEGER, Kind.INTERVAL]
