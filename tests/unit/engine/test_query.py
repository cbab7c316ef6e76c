"""REPLICATE statements: what is accepted and how it is read."""

import pytest

from syncd.engine.query import check_query, parse_query
from syncd.engine.statement import Query
from syncd.model.options import Deletes, Interval, QueryFacts, Verify, Write
from syncd.model.plan import ColumnDefinition
from syncd.model.table import TableName

T = TableName("t")
D = TableName("d")
ACCEPTED: dict[str, Query] = {
    "REPLICATE t": Query(T, source=T),
    "replicate t": Query(T, source=T),
    "Replicate t;": Query(T, source=T),
    "REPLICATE t ;  ": Query(T, source=T),
    "  REPLICATE\n\tt": Query(T, source=T),
    "REPLICATE [t]": Query(T, source=T),
    'REPLICATE "t"': Query(T, source=T),
    "REPLICATE `t`": Query(T, source=T),
    "REPLICATE INTO t": Query(T, source=T),
    "REPLICATE [a b]": Query(TableName("a b"), source=TableName("a b")),
    "REPLICATE [a]]b]": Query(TableName("a]b"), source=TableName("a]b")),
    'REPLICATE "a""b"': Query(TableName('a"b'), source=TableName('a"b')),
    "REPLICATE `a``b`": Query(TableName("a`b"), source=TableName("a`b")),
    'REPLICATE "a*b"': Query(TableName("a*b"), source=TableName("a*b")),
    "REPLICATE [a.b]": Query(TableName("a.b"), source=TableName("a.b")),
    "REPLICATE s.t": Query(TableName("t", "s"), source=TableName("t", "s")),
    "REPLICATE [s].[t]": Query(TableName("t", "s"), source=TableName("t", "s")),
    'REPLICATE s."t"': Query(TableName("t", "s"), source=TableName("t", "s")),
    "REPLICATE [s] . [t]": Query(TableName("t", "s"), source=TableName("t", "s")),
    "REPLICATE d FROM t": Query(D, source=T),
    "REPLICATE [d] [t]": Query(D, source=T),
    'REPLICATE [d] "s"."t"': Query(D, source=TableName("t", "s")),
    "REPLICATE INTO d FROM s.t": Query(D, source=TableName("t", "s")),
    "REPLICATE [FROM]": Query(TableName("FROM"), source=TableName("FROM")),
    "REPLICATE [select]": Query(TableName("select"), source=TableName("select")),
    "REPLICATE [INCLUDE]": Query(TableName("INCLUDE"), source=TableName("INCLUDE")),
    "REPLICATE Größe": Query(TableName("Größe"), source=TableName("Größe")),
    "REPLICATE [表]": Query(TableName("表"), source=TableName("表")),
    "REPLICATE t$1": Query(TableName("t$1"), source=TableName("t$1")),
    "REPLICATE _t": Query(TableName("_t"), source=TableName("_t")),
    "REPLICATE t -- why": Query(T, source=T),
    "REPLICATE /* why */ t": Query(T, source=T),
    "REPLICATE/**/t": Query(T, source=T),
    "REPLICATE t (a int)": Query(T, source=T, columns=(ColumnDefinition("a", "int"),)),
    "REPLICATE t (a varchar(40), b int PRIMARY KEY)": Query(
        T, source=T, columns=(ColumnDefinition("a", "varchar(40)"), ColumnDefinition("b", "int")), key=("b",)
    ),
    "REPLICATE t ([a b] decimal(10, 2), b text, PRIMARY KEY (b, [a b]))": Query(
        T,
        source=T,
        columns=(ColumnDefinition("a b", "decimal(10,2)"), ColumnDefinition("b", "text")),
        key=("b", "a b"),
    ),
    "REPLICATE t (a double precision, b timestamp(3) with time zone, c int unsigned)": Query(
        T,
        source=T,
        columns=(
            ColumnDefinition("a", "double precision"),
            ColumnDefinition("b", "timestamp(3) with time zone"),
            ColumnDefinition("c", "int unsigned"),
        ),
    ),
    "REPLICATE t (PRIMARY KEY (a))": Query(T, source=T, key=("a",)),
    "REPLICATE t (a int) FROM s.u": Query(
        T, source=TableName("u", "s"), columns=(ColumnDefinition("a", "int"),)
    ),
    "REPLICATE t (a int PRIMARY KEY) SELECT a, b FROM u": Query(
        T, select="SELECT a, b FROM u", select_offset=32, columns=(ColumnDefinition("a", "int"),), key=("a",)
    ),
    "REPLICATE t (A int, PRIMARY KEY (B)) SELECT a, b FROM u": Query(
        T, select="SELECT a, b FROM u", select_offset=37, columns=(ColumnDefinition("A", "int"),), key=("B",)
    ),
    "REPLICATE t (x int) SELECT * FROM u": Query(
        T, select="SELECT * FROM u", select_offset=20, columns=(ColumnDefinition("x", "int"),)
    ),
    "REPLICATE t (x int) SELECT count(*) FROM u": Query(
        T, select="SELECT count(*) FROM u", select_offset=20, columns=(ColumnDefinition("x", "int"),)
    ),
    "REPLICATE t INCLUDE (a, [b c])": Query(T, source=T, include=("a", "b c")),
    "REPLICATE t EXCLUDE (a)": Query(T, source=T, exclude=("a",)),
    "REPLICATE t EXCLUDE (a) FROM s.u": Query(T, source=TableName("u", "s"), exclude=("a",)),
    "REPLICATE t EXCLUDE (a) SELECT * FROM u WHERE b = 1": Query(
        T, select="SELECT * FROM u WHERE b = 1", select_offset=24, exclude=("a",)
    ),
    "REPLICATE t (a int) INCLUDE (a, b) WITH BatchSize=5": Query(
        T,
        source=T,
        settings=(("batch_rows", 5),),
        columns=(ColumnDefinition("a", "int"),),
        include=("a", "b"),
    ),
    "REPLICATE [*]": Query(TableName("*"), source=TableName("*"), wildcard=True),
    "REPLICATE *": Query(TableName("*"), source=TableName("*"), wildcard=True),
    "REPLICATE [sales.*]": Query(TableName("*", "sales"), source=TableName("*", "sales"), wildcard=True),
    "REPLICATE [sales].[*]": Query(TableName("*", "sales"), source=TableName("*", "sales"), wildcard=True),
    "REPLICATE sales.*": Query(TableName("*", "sales"), source=TableName("*", "sales"), wildcard=True),
    "REPLICATE [inv_*]": Query(TableName("inv_*"), source=TableName("inv_*"), wildcard=True),
    "REPLICATE [sales.inv_*] WITH TruncateTable": Query(
        TableName("inv_*", "sales"),
        source=TableName("inv_*", "sales"),
        settings=(("truncate", True),),
        wildcard=True,
    ),
    "REPLICATE [*.*] EXCLUDE (secret)": Query(
        TableName("*", "*"), source=TableName("*", "*"), exclude=("secret",), wildcard=True
    ),
    "REPLICATE t WITH IncrementalCheckColumns='u'": Query(T, source=T, settings=(("check_columns", ("u",)),)),
    "REPLICATE t with incrementalcheckcolumns = 'u'": Query(
        T, source=T, settings=(("check_columns", ("u",)),)
    ),
    "REPLICATE t WITH IncrementalCheckColumns='u, v'": Query(
        T, source=T, settings=(("check_columns", ("u", "v")),)
    ),
    "REPLICATE t WITH IncrementalCheckColumns='[u, v],w x'": Query(
        T, source=T, settings=(("check_columns", ("u, v", "w x")),)
    ),
    "REPLICATE t WITH IncrementalCheckColumns=u": Query(T, source=T, settings=(("check_columns", ("u",)),)),
    "REPLICATE t WITH IncrementalCheckColumns=[u v]": Query(
        T, source=T, settings=(("check_columns", ("u v",)),)
    ),
    "REPLICATE t WITH check_column=u, lookback_seconds=5": Query(
        T,
        source=T,
        settings=(
            ("check_columns", ("u",)),
            ("lookback_seconds", 5.0),
        ),
    ),
    "REPLICATE t WITH ReplicateTimeCheckColumns='u,v'": Query(
        T, source=T, settings=(("check_columns", ("u", "v")),)
    ),
    "REPLICATE d FROM t WITH IncrementalCheckColumns='u'": Query(
        D, source=T, settings=(("check_columns", ("u",)),)
    ),
    "REPLICATE d WITH IncrementalCheckColumns='u' FROM t": Query(
        D, source=T, settings=(("check_columns", ("u",)),)
    ),
    "REPLICATE d WITH BatchSize=5 FROM t WITH SkipDeleted": Query(
        D,
        source=T,
        settings=(
            ("batch_rows", 5),
            ("deletes", Deletes.OFF),
        ),
    ),
    "REPLICATE t WITH DropTable, AlterSchema=false": Query(
        T,
        source=T,
        settings=(
            ("drop", True),
            ("alter_schema", False),
        ),
    ),
    "REPLICATE t WITH TruncateTableData=yes, AutoTruncateStrings=1": Query(
        T,
        source=T,
        settings=(
            ("truncate", True),
            ("truncate_strings", True),
        ),
    ),
    "REPLICATE t WITH BatchSize=500, CommandTimeout=0, TransactionSize='10000'": Query(
        T,
        source=T,
        settings=(
            ("batch_rows", 500),
            ("command_timeout_seconds", 0.0),
            ("window_rows", 10000),
        ),
    ),
    "REPLICATE t WITH DeleteMode=soft, MaxDeletePercent=12.5": Query(
        T,
        source=T,
        settings=(
            ("deletes", Deletes.SOFT),
            ("max_delete_percent", 12.5),
        ),
    ),
    "REPLICATE t WITH SkipDeleted=false": Query(T, source=T, settings=(("deletes", Deletes.HARD),)),
    "REPLICATE t WITH HistoryMode": Query(T, source=T, settings=(("write", Write.HISTORY),)),
    "REPLICATE t WITH MergeMode=upsert": Query(T, source=T, settings=(("write", Write.MERGE),)),
    "REPLICATE t WITH MergeMode=append": Query(T, source=T, settings=(("write", Write.APPEND),)),
    "REPLICATE t WITH MergeMode=replace": Query(T, source=T, settings=(("truncate", True),)),
    "REPLICATE t WITH PrimaryKey='a,b'": Query(T, source=T, settings=(("key", ("a", "b")),)),
    "REPLICATE t WITH LookbackWindow='10 minutes'": Query(
        T, source=T, settings=(("lookback_seconds", 600.0),)
    ),
    "REPLICATE t WITH ReplicateStartDate='2024-01-31'": Query(
        T, source=T, settings=(("start", "2024-01-31"),)
    ),
    "REPLICATE t WITH ReplicateStartDate='2024-01-31 06:00:00'": Query(
        T, source=T, settings=(("start", "2024-01-31 06:00:00"),)
    ),
    "REPLICATE t WITH ReplicateStartValue=-5": Query(T, source=T, settings=(("start", -5),)),
    "REPLICATE t WITH ReplicateInterval=6, ReplicateIntervalUnit=months": Query(
        T, source=T, settings=(("interval", Interval(months=6)),)
    ),
    "REPLICATE t WITH ReplicateIntervalUnit=Days, ReplicateInterval=180": Query(
        T, source=T, settings=(("interval", Interval(seconds=15552000.0)),)
    ),
    "REPLICATE t WITH interval='2 years', quarantine, allow_empty=true": Query(
        T,
        source=T,
        settings=(
            ("interval", Interval(months=24)),
            ("quarantine", True),
            ("allow_empty", True),
        ),
    ),
    "REPLICATE t WITH Verify=checksum, CacheSchema=[my schema], TableNamePrefix='x_'": Query(
        T,
        source=T,
        settings=(
            ("verify", Verify.CHECKSUM),
            ("destination_schema", "my schema"),
            ("table_prefix", "x_"),
        ),
    ),
    "REPLICATE t WITH UseGmtDateTime=true": Query(T, source=T, settings=(("utc_times", True),)),
    "REPLICATE d SELECT * FROM t": Query(D, select="SELECT * FROM t", select_offset=12),
    "REPLICATE d SELECT * FROM t;": Query(D, select="SELECT * FROM t", select_offset=12),
    "REPLICATE [d] select a, b from t where c = ';'": Query(
        D, select="select a, b from t where c = ';'", select_offset=14
    ),
    "REPLICATE d WITH IncrementalCheckColumns='u' SELECT a FROM t": Query(
        D, select="SELECT a FROM t", select_offset=45, settings=(("check_columns", ("u",)),)
    ),
    "REPLICATE d SELECT a FROM t WITH IncrementalCheckColumns='u', deletes=hard;": Query(
        D,
        select="SELECT a FROM t",
        select_offset=12,
        settings=(
            ("check_columns", ("u",)),
            ("deletes", Deletes.HARD),
        ),
    ),
    "REPLICATE d SELECT a FROM t WITH DropTable": Query(
        D, select="SELECT a FROM t", select_offset=12, settings=(("drop", True),)
    ),
    "REPLICATE d SELECT a FROM t GROUP BY a WITH ROLLUP": Query(
        D, select="SELECT a FROM t GROUP BY a WITH ROLLUP", select_offset=12
    ),
    "REPLICATE d SELECT timestamp with time zone '2020-01-01' AS a": Query(
        D, select="SELECT timestamp with time zone '2020-01-01' AS a", select_offset=12
    ),
    "REPLICATE d SELECT a FROM t WITH (NOLOCK)": Query(
        D, select="SELECT a FROM t WITH (NOLOCK)", select_offset=12
    ),
    "REPLICATE d WITH c AS (SELECT 1 AS a) SELECT a FROM c": Query(
        D, select="WITH c AS (SELECT 1 AS a) SELECT a FROM c", select_offset=12
    ),
    "REPLICATE d WITH c (a) AS (SELECT 1) SELECT a FROM c": Query(
        D, select="WITH c (a) AS (SELECT 1) SELECT a FROM c", select_offset=12
    ),
    "REPLICATE d WITH RECURSIVE c(a) AS (SELECT 1) SELECT a FROM c": Query(
        D, select="WITH RECURSIVE c(a) AS (SELECT 1) SELECT a FROM c", select_offset=12
    ),
    "REPLICATE d WITH BatchSize=5 WITH c AS (SELECT 1 AS a) SELECT a FROM c": Query(
        D, select="WITH c AS (SELECT 1 AS a) SELECT a FROM c", select_offset=29, settings=(("batch_rows", 5),)
    ),
    "REPLICATE d SELECT a FROM t WHERE b >= REPLICATE_LASTMODTIME() AND b < replicate_nextinterval ( )": Query(
        D,
        select="SELECT a FROM t WHERE b >= REPLICATE_LASTMODTIME() AND b < replicate_nextinterval ( )",
        select_offset=12,
    ),
    "REPLICATE d SELECT 'REPLICATE_LASTMODTIME(' AS a FROM t -- REPLICATE_LASTMODTIME(": Query(
        D, select="SELECT 'REPLICATE_LASTMODTIME(' AS a FROM t -- REPLICATE_LASTMODTIME(", select_offset=12
    ),
    "REPLICATE d SELECT a FROM t WHERE b = {env:From} OR b = '{env:To.x-1}'": Query(
        D, select="SELECT a FROM t WHERE b = {env:From} OR b = '{env:To.x-1}'", select_offset=12
    ),
}


def test_table_has_at_least_60_statements() -> None:
    assert len(ACCEPTED) >= 60


@pytest.mark.parametrize("text", ACCEPTED)
def test_statement_is_read(text: str) -> None:
    query = ACCEPTED[text]

    assert parse_query(text) == query
    assert check_query(text) == QueryFacts(
        dict(query.settings), None if query.wildcard else query.destination
    )
