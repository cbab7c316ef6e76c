"""What a MariaDB or MySQL source alone has to get right when it reads."""

from typing import Any

import pytest

from syncd.connectors.mysql.plugin import PLUGIN
from syncd.model.plan import Relation
from syncd.model.reading import Extract
from syncd.model.table import Kind, TableName
from tests.contract.acts import read_windows

pytestmark = pytest.mark.mysql


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
