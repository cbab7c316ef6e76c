"""Tables that are not the job's alone: its own source, rows of somebody else, another job's destination."""

import pytest

from syncd.engine.compile import compile_job
from syncd.engine.preview import preview
from syncd.model.definitions import Replication
from syncd.model.options import Options
from syncd.model.run import Status
from tests.pairs import MakeStore
from tests.stores import Pair

KEYLESS = "CREATE TABLE t (v INTEGER)"


@pytest.fixture(params=["sqlite", "postgresql"])
def one_store(request: pytest.FixtureRequest, make_store: MakeStore) -> Pair:
    """A store that is source and destination at once."""
    store = make_store(request.param)
    return Pair(store, store)


@pytest.mark.parametrize("columns", ["v INTEGER", "v INTEGER PRIMARY KEY"])
def test_table_is_not_copied_onto_itself(one_store: Pair, columns: str) -> None:
    one_store.source.execute(f"CREATE TABLE t ({columns})")
    one_store.source.execute("INSERT INTO t VALUES (1), (2)")

    outcome = one_store.run("REPLICATE [t] SELECT v FROM t WHERE v = 1", check=None, full=True)

    assert outcome.failure.code == "same_table"
    assert one_store.source.rows("SELECT v FROM t ORDER BY v") == [(1,), (2,)]


def test_table_is_copied_to_another_name_in_the_same_database(one_store: Pair) -> None:
    one_store.source.execute(KEYLESS)
    one_store.source.execute("INSERT INTO t VALUES (1), (2)")

    one_store.ok("REPLICATE [u] SELECT v FROM t", check=None)

    assert one_store.source.rows("SELECT v FROM u ORDER BY v") == [(1,), (2,)]


def test_rows_of_somebody_else_are_not_replaced_unless_told(pair: Pair) -> None:
    pair.source.execute(KEYLESS)
    pair.source.execute("INSERT INTO t VALUES (1)")
    pair.destination.execute(KEYLESS)
    pair.destination.execute("INSERT INTO t VALUES (7), (8)")

    refused = pair.run(check=None)
    with pair.ports() as (source, destination):
        plan = compile_job(pair.job("REPLICATE [t]", check=None), "sqlite")
        planned = preview(plan, source, destination)

    assert refused.failure.code == "foreign_rows"
    assert planned[0].failure is not None
    assert pair.destination.rows("SELECT v FROM t ORDER BY v") == [(7,), (8,)]
    pair.ok(check=None, full=True)
    pair.source.execute("INSERT INTO t VALUES (2)")
    pair.ok(check=None)
    assert pair.destination.rows("SELECT v FROM t ORDER BY v") == [(1,), (2,)]


def test_two_jobs_that_replace_one_table_do_not_both_say_ok(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.source.execute(KEYLESS)
    pair.source.execute("INSERT INTO t VALUES (1)")
    pair.ok(check=None)

    def other_job(self: Pair, *queries: str, check: str | None = None, lookback: float = 0.0) -> Replication:
        options = Options(check_columns=(check,) if check else (), lookback_seconds=lookback)
        return Replication("other", "source", "destination", queries, options)

    with monkeypatch.context() as patch:
        patch.setattr(Pair, "job", other_job)
        other = pair.run("REPLICATE [t] SELECT v + 1 AS v FROM t", check=None)
        forced = pair.run("REPLICATE [t] SELECT v + 1 AS v FROM t", check=None, full=True)
    first = pair.run(check=None)

    assert other.failure.code == "foreign_rows"
    assert forced.status is Status.OK
    assert first.failure.code == "foreign_rows"
