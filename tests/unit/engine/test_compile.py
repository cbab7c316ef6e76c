"""A declared job becomes a plan."""

import pytest

from syncd.engine.compile import compile_job
from syncd.errors import NotFoundError, QueryError
from syncd.model.definitions import Replication
from syncd.model.options import Options
from syncd.model.table import TableName


def job(*queries: str) -> Replication:
    return Replication("j", "a", "b", queries, Options(check_columns=("updated",), lookback_seconds=9))


def test_queries_become_stages_in_their_order() -> None:
    plan = compile_job(job("REPLICATE b", "REPLICATE s.a", "REPLICATE [c] SELECT x FROM y"), "postgres")

    assert [step.name for step in plan.steps] == ["b", "s.a", "c"]
    assert [len(stage.steps) for stage in plan.stages] == [1, 1, 1]
    assert plan.steps[1].target == TableName("a", "s")
    assert {step.options.check_columns for step in plan.steps} == {("updated",)}
    assert {step.options.lookback_seconds for step in plan.steps} == {9}


def test_check_columns_of_the_query_win() -> None:
    plan = compile_job(job("REPLICATE t WITH IncrementalCheckColumns='x,y'"), "postgres")

    assert plan.steps[0].options.check_columns == ("x", "y")


@pytest.mark.parametrize(
    "second", ["REPLICATE [t]", "REPLICATE t SELECT * FROM u", "REPLICATE [t] FROM [u]", "REPLICATE T"]
)
def test_two_queries_that_fill_one_table_are_refused(second: str) -> None:
    with pytest.raises(QueryError) as caught:
        compile_job(job("REPLICATE t", second), "postgres")

    assert "two queries fill the table" in caught.value.message
    assert "job 'j'" in caught.value.where


@pytest.mark.parametrize("chosen", ["b", "REPLICATE [b]", "replicate b;"])
def test_some_queries_may_be_chosen_by_name_or_meaning(chosen: str) -> None:
    plan = compile_job(job("REPLICATE a", "REPLICATE b"), "postgres", [chosen])

    assert [step.name for step in plan.steps] == ["b"]


def test_query_that_is_not_in_the_job_is_refused_with_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        compile_job(job("REPLICATE accounts"), "postgres", ["acounts"])

    assert "'accounts'" in caught.value.hint
