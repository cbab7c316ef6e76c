"""A declared job becomes a plan."""

from collections.abc import Sequence
from dataclasses import fields, replace

import pytest

from syncd.engine.compile import DECISIVE, compile_job
from syncd.engine.query import digest_of
from syncd.engine.wildcard import Tables, patterns_of
from syncd.errors import NotFoundError, QueryError
from syncd.model.definitions import Replication
from syncd.model.options import Deletes, Interval, Options, Write
from syncd.model.plan import ColumnDefinition, Comparison, Plan, Relation, Transfer
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


def plan_of(
    *queries: str,
    options: Options | None = None,
    exclude: tuple[str, ...] = (),
    chosen: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
    tables: Sequence[TableName] = (),
) -> Plan:
    declared = Replication("j", "a", "b", queries, options or Options(), exclude=exclude)
    return compile_job(declared, "postgres", chosen, variables or {}, Tables(tuple(tables), tuple(tables)))


def transfer_of(query: str, options: Options | None = None) -> Transfer:
    (step,) = plan_of(query, options=options).steps
    assert isinstance(step, Transfer)
    return step


def test_with_wins_over_the_job_and_the_rest_stays() -> None:
    job_wide = Options(check_columns=("u",), batch_rows=5, deletes=Deletes.HARD)

    options = transfer_of("REPLICATE t WITH BatchSize=7, DeleteMode=soft", job_wide).options

    assert options == replace(job_wide, batch_rows=7, deletes=Deletes.SOFT)


def test_definitions_key_and_chosen_columns_reach_the_step() -> None:
    step = transfer_of("REPLICATE t (a int, PRIMARY KEY (a)) EXCLUDE (c) SELECT * FROM u")

    assert step.columns == (ColumnDefinition("a", "int"),)
    assert step.options.key == ("a",)
    assert step.relation == Relation(TableName("u"), "SELECT * FROM u", (), True, (), ("c",))


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("REPLICATE t", TableName("x_t", "dw")),
        ("REPLICATE s.t", TableName("x_t", "dw")),
        ("REPLICATE s.t WITH CacheSchema=other", TableName("x_t", "other")),
        ("REPLICATE t WITH TableNamePrefix='y_'", TableName("y_t", "dw")),
    ],
)
def test_target_is_schema_prefix_and_name(query: str, target: TableName) -> None:
    step = transfer_of(query, Options(destination_schema="dw", table_prefix="x_"))

    assert step.target == target
    assert step.name in {"t", "s.t"}


def test_tables_of_two_schemas_may_not_end_as_one() -> None:
    with pytest.raises(QueryError, match=r"two queries fill the table dw\.t"):
        plan_of("REPLICATE a.t", "REPLICATE b.t", options=Options(destination_schema="dw"))


def test_steps_of_equal_names_are_told_apart() -> None:
    plan = plan_of("REPLICATE a.t", "REPLICATE [a.t]")

    assert [step.name for step in plan.steps] == ["a.t", "a.t (2)"]


def test_checkcache_is_a_comparison_with_a_name_of_its_own() -> None:
    plan = plan_of(
        "REPLICATE t",
        "CHECKCACHE t",
        "CHECKCACHE t AGAINST (SELECT a FROM [u]) WITH REPAIR SKIP DELETED START {env:From} END '2025-01-01'",
        options=Options(check_columns=("c",), table_prefix="x_"),
        variables={"From": "2024-01-01"},
    )

    last = plan.steps[2]
    assert [step.name for step in plan.steps] == ["t", "CHECKCACHE t", "CHECKCACHE t (2)"]
    assert isinstance(last, Comparison)
    assert last.target == TableName("x_t")
    assert last.relation.select == 'SELECT a FROM "u"'
    assert (last.repair, last.skip_modified, last.skip_deleted) == (True, False, True)
    assert (last.start, last.end) == ("2024-01-01", "2025-01-01")


def test_checkcache_may_be_chosen_by_its_name() -> None:
    plan = plan_of("REPLICATE t", "CHECKCACHE t", chosen=("CHECKCACHE t",))

    assert [step.name for step in plan.steps] == ["CHECKCACHE t"]


IMPOSSIBLE: dict[str, tuple[str, Options]] = {
    "truncate and drop": ("REPLICATE t WITH TruncateTable, DropTable", Options()),
    "truncate and deletes": ("REPLICATE t WITH TruncateTable", Options(deletes=Deletes.HARD)),
    "drop and append": ("REPLICATE t WITH DropTable", Options(write=Write.APPEND)),
    "append and deletes": ("REPLICATE t WITH MergeMode=append, DeleteMode=soft", Options()),
    "history without a check column": ("REPLICATE t WITH HistoryMode", Options()),
    "append without a check column": ("REPLICATE t WITH MergeMode=append", Options()),
    "interval without a check column": ("REPLICATE t", Options(interval=Interval(months=1))),
    "start without a check column": ("REPLICATE t WITH ReplicateStartValue=5", Options()),
    "mark without a check column": (
        "REPLICATE t SELECT a FROM t WHERE a > REPLICATE_LASTMODTIME()",
        Options(),
    ),
    "bounds without a check column": ("CHECKCACHE t START 5", Options()),
}


@pytest.mark.parametrize(("query", "options"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_options_that_do_not_go_together_are_refused(query: str, options: Options) -> None:
    with pytest.raises(QueryError) as caught:
        plan_of(query, options=options)

    assert "t: " in caught.value.message
    assert caught.value.where == "job 'j'"


DECIDING: dict[str, tuple[Options, Options]] = {
    "check_columns": (Options(), Options(check_columns=("v",))),
    "start": (Options(check_columns=("u",)), Options(check_columns=("u",), start="2024-01-01")),
    "key": (Options(), Options(key=("k",))),
    "write": (Options(check_columns=("u",)), Options(check_columns=("u",), write=Write.APPEND)),
    "truncate": (Options(), Options(truncate=True)),
    "drop": (Options(), Options(drop=True)),
    "utc_times": (Options(), Options(utc_times=False)),
    "quarantine": (Options(), Options(quarantine=True)),
}


@pytest.mark.parametrize("field", DECISIVE)
def test_option_that_decides_what_is_read_makes_another_digest(field: str) -> None:
    without, given = DECIDING[field]

    assert transfer_of("REPLICATE t", without).digest != transfer_of("REPLICATE t", given).digest


def test_digest_without_such_options_is_that_of_the_text() -> None:
    step = transfer_of("REPLICATE t", Options(batch_rows=5, deletes=Deletes.HARD, max_delete_percent=50))

    assert step.digest == digest_of("REPLICATE t")
    assert {field.name for field in fields(Options)} >= set(DECISIVE)


TABLES = [
    TableName("Inv_b", "sales"),
    TableName("inv_a", "sales"),
    TableName("orders", "sales"),
    TableName("tmp_x", "sales"),
    TableName("inv_a", "other"),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("REPLICATE [sales.*]", ["sales.Inv_b", "sales.inv_a", "sales.orders"]),
        ("REPLICATE SALES.*", ["SALES.Inv_b", "SALES.inv_a", "SALES.orders"]),
        ("REPLICATE [sales].[INV_*]", ["sales.Inv_b", "sales.inv_a"]),
        ("REPLICATE [ord*]", ["orders"]),
        ("REPLICATE [*.inv_*]", ["other.inv_a", "sales.Inv_b", "sales.inv_a"]),
    ],
)
def test_wildcard_becomes_one_step_for_each_table(query: str, names: list[str]) -> None:
    plan = plan_of(query, tables=TABLES, exclude=("TMP_*",))

    assert sorted(step.name for step in plan.steps) == names
    assert {step.relation.table for step in plan.steps} <= set(TABLES)


def test_wildcard_keeps_its_options_and_each_step_has_its_own_statement() -> None:
    plan = plan_of("REPLICATE [sales.*] EXCLUDE (x) WITH BatchSize=5", tables=TABLES[2:3])

    step = plan.steps[0]
    assert step.query == "REPLICATE [sales].[orders] EXCLUDE (x) WITH BatchSize=5"
    assert step.relation == Relation(TableName("orders", "sales"), exclude=("x",))
    assert step.options.batch_rows == 5


def test_wildcard_step_has_the_digest_of_the_query_that_names_the_table() -> None:
    (found,) = plan_of("REPLICATE [sales.ord*]", tables=TABLES).steps

    assert isinstance(found, Transfer)
    assert found.digest == transfer_of("REPLICATE sales.orders").digest


def test_query_of_its_own_wins_over_the_wildcard() -> None:
    plan = plan_of(
        "REPLICATE [sales.inv_*]", "REPLICATE [Sales].[INV_A] SELECT * FROM sales.inv_a", tables=TABLES
    )

    assert [step.name for step in plan.steps] == ["sales.Inv_b", "Sales.INV_A"]


@pytest.mark.parametrize(
    ("queries", "exclude", "message"),
    [
        (["REPLICATE [none_*]"], (), "the wildcard none_* finds no table"),
        (["REPLICATE [sales.ord*]"], ("sales.orders",), "the wildcard sales.ord* finds no table"),
        (["REPLICATE [sales.*]", "REPLICATE [sales.inv_*]"], (), "two queries fill the table sales.Inv_b"),
        (["REPLICATE [inv_*]"], (), "two queries fill the table inv_a"),
    ],
)
def test_wildcard_that_finds_nothing_or_too_much_is_refused(
    queries: list[str], exclude: tuple[str, ...], message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        plan_of(*queries, tables=TABLES, exclude=exclude)

    assert caught.value.message == message


@pytest.mark.parametrize("chosen", ["sales.orders", "REPLICATE [sales].[orders]"])
def test_one_table_of_a_wildcard_may_be_chosen(chosen: str) -> None:
    plan = plan_of("REPLICATE [sales.*]", tables=TABLES, chosen=(chosen,))

    assert [step.name for step in plan.steps] == ["sales.orders"]


def test_wildcard_may_be_chosen_as_a_whole() -> None:
    plan = plan_of(
        "REPLICATE a", "REPLICATE [sales.inv_*]", tables=TABLES, chosen=("replicate  [sales.inv_*];",)
    )

    assert [step.name for step in plan.steps] == ["sales.Inv_b", "sales.inv_a"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("REPLICATE [sales.*]", True),
        ("REPLICATE *", True),
        ("REPLICATE t SELECT * FROM t", False),
        ('REPLICATE "a*"', False),
        ("REPLICATE t", False),
    ],
)
def test_job_with_a_wildcard_needs_the_tables_of_its_source(query: str, expected: bool) -> None:
    assert bool(patterns_of(job(query))) is expected
