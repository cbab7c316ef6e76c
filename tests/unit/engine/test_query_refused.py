"""REPLICATE statements that are refused: where, in which words, and with what to try."""

import pytest

from syncd.engine.query import check_query
from syncd.errors import QueryError

POST = "a query copies rows; let an event run it: events: {post: {sql: ...}}"
NUMBER_HINT = "write for example varchar(40) or decimal(10,2)"
DEFINITION = "a definition holds a name, a type and PRIMARY KEY"
REFUSED: dict[str, tuple[int, str, str]] = {
    "": (0, "the query is empty", "write for example: REPLICATE [accounts]"),
    "   ": (0, "the query is empty", "write for example: REPLICATE [accounts]"),
    "-- only a comment": (17, "the query is empty", "write for example: REPLICATE [accounts]"),
    "SELECT * FROM t": (0, "'SELECT' is not REPLICATE", "a query copies rows: REPLICATE [table] SELECT ..."),
    "REPLICAT t": (0, "'REPLICAT' is not REPLICATE", "did you mean REPLICATE?"),
    "CHECKCASH t": (0, "'CHECKCASH' is not REPLICATE", "did you mean CHECKCACHE?"),
    "INSERT INTO t VALUES (1)": (0, "'INSERT' is not REPLICATE", POST),
    "UPDATE t SET a = 1": (0, "'UPDATE' is not REPLICATE", POST),
    "DROP TABLE t": (0, "'DROP' is not REPLICATE", POST),
    "DELETE FROM t": (0, "'DELETE' is not REPLICATE", POST),
    "TRUNCATE t": (0, "'TRUNCATE' is not REPLICATE", POST),
    "ALTER TABLE t ADD a int": (0, "'ALTER' is not REPLICATE", POST),
    "CREATE TABLE t (a int)": (0, "'CREATE' is not REPLICATE", POST),
    "'REPLICATE' t": (0, "'REPLICATE' is not REPLICATE", "a query begins with REPLICATE [table]"),
    "REPLICATE": (9, "the destination table after REPLICATE is missing: found the end of the query", ""),
    "REPLICATE INTO": (
        14,
        "the destination table after REPLICATE is missing: found the end of the query",
        "",
    ),
    "REPLICATE ;": (10, "the destination table after REPLICATE is missing: found ';'", ""),
    "REPLICATE 't'": (10, "'t' is a text, not a name", "write [t]"),
    "REPLICATE 5": (10, "the destination table after REPLICATE is missing: found '5'", ""),
    "REPLICATE {env:t}": (10, "{env:t} is a value, never a name", "variables may stand in a SELECT"),
    "REPLICATE []": (10, "an empty name", ""),
    'REPLICATE ""': (10, "an empty name", ""),
    "REPLICATE [ ]": (10, "an empty name", ""),
    "REPLICATE [t": (10, "[ is opened here and never closed", ""),
    'REPLICATE "t': (10, '" is opened here and never closed', ""),
    "REPLICATE `t": (10, "` is opened here and never closed", ""),
    "REPLICATE t /* x": (12, "a comment is opened here and never closed", ""),
    "REPLICATE t SELECT 'x": (19, "' is opened here and never closed", ""),
    "REPLICATE a.b.c": (
        14,
        "'a.b.c' has more than a schema and a table name",
        "the database belongs into the connection",
    ),
    "REPLICATE [a.b.*].c": (
        18,
        "'a.b.*.c' has more than a schema and a table name",
        "the database belongs into the connection",
    ),
    "REPLICATE a.": (12, "a name after the dot is missing: found the end of the query", ""),
    "REPLICATE .t": (10, "the destination table after REPLICATE is missing: found '.'", ""),
    "REPLICATE inv_*": (14, "a wildcard after a name stands in brackets", "write [inv_*]"),
    "REPLICATE [inv_*] SELECT * FROM t": (18, "a wildcard copies whole tables and takes no SELECT", ""),
    "REPLICATE [inv_*] (a int)": (18, "a wildcard takes no column definitions", ""),
    "REPLICATE [inv_*] FROM t": (
        18,
        "tables that a wildcard finds keep their names",
        "leave the second name out",
    ),
    "REPLICATE [inv_*] [other]": (
        18,
        "tables that a wildcard finds keep their names",
        "leave the second name out",
    ),
    "REPLICATE t FROM [inv_*]": (17, "a wildcard cannot stand here", "write one query for each table"),
    "REPLICATE t FROM": (16, "the source table after FROM is missing: found the end of the query", ""),
    "REPLICATE t FROM s u": (19, "unexpected 'u'", "a SELECT, FROM or WITH may follow the table name"),
    "REPLICATE t s": (12, "unexpected 's'", "a SELECT, FROM or WITH may follow the table name"),
    "REPLICATE t SELCT * FROM t": (12, "unexpected 'SELCT'", "did you mean SELECT?"),
    "REPLICATE t WHERE a = 1": (
        12,
        "unexpected 'WHERE'",
        "a condition needs a SELECT: REPLICATE [t] SELECT * FROM [t] WHERE ...",
    ),
    "REPLICATE t; REPLICATE u": (13, "a second statement follows", "write it as a query of its own"),
    "REPLICATE t SELECT 1 AS a; SELECT 2": (
        27,
        "a second statement follows",
        "write it as a query of its own",
    ),
    "REPLICATE t (": (13, "the name of a column is missing: found the end of the query", ""),
    "REPLICATE t ()": (13, "the name of a column is missing: found ')'", ""),
    "REPLICATE t (a)": (14, "the type of column 'a' is missing: found ')'", ""),
    "REPLICATE t (a int": (
        18,
        "',' or ')' is missing after column 'a': found the end of the query",
        DEFINITION,
    ),
    "REPLICATE t (a int,)": (19, "the name of a column is missing: found ')'", ""),
    "REPLICATE t (a int b int)": (19, "',' or ')' is missing after column 'a': found 'b'", DEFINITION),
    "REPLICATE t (a int, A text)": (20, "column 'A' is defined twice", ""),
    "REPLICATE t (a varchar(x))": (
        23,
        "a whole number is missing in the type of column 'a': found 'x'",
        NUMBER_HINT,
    ),
    "REPLICATE t (a varchar())": (
        23,
        "a whole number is missing in the type of column 'a': found ')'",
        NUMBER_HINT,
    ),
    "REPLICATE t (a decimal(10,2,3))": (
        28,
        "a whole number is missing in the type of column 'a': found '3'",
        NUMBER_HINT,
    ),
    "REPLICATE t (a decimal(10.5))": (
        23,
        "a whole number is missing in the type of column 'a': found '10.5'",
        NUMBER_HINT,
    ),
    "REPLICATE t (a int NOT NULL)": (19, "',' or ')' is missing after column 'a': found 'NOT'", DEFINITION),
    "REPLICATE t (a int DEFAULT 5)": (
        19,
        "',' or ')' is missing after column 'a': found 'DEFAULT'",
        DEFINITION,
    ),
    "REPLICATE t (a int PRIMARY)": (26, "KEY is missing after PRIMARY: found ')'", ""),
    "REPLICATE t (a int PRIMARY KEY, b int PRIMARY KEY)": (
        38,
        "a second PRIMARY KEY",
        "write PRIMARY KEY (a, b) after the last column",
    ),
    "REPLICATE t (a int PRIMARY KEY, PRIMARY KEY (b))": (
        32,
        "a second PRIMARY KEY",
        "leave PRIMARY KEY out beside column 'a'",
    ),
    "REPLICATE t (PRIMARY KEY (a), b int)": (
        28,
        "')' is missing after the PRIMARY KEY, which comes last: found ','",
        "",
    ),
    "REPLICATE t (a int, PRIMARY KEY (a, A))": (36, "column 'A' is named twice", ""),
    "REPLICATE t (a int, PRIMARY KEY ())": (33, "the name of a column is missing: found ')'", ""),
    "REPLICATE t (SELECT a FROM u)": (12, "a SELECT stands here without brackets around it", ""),
    "REPLICATE t (b int) SELECT a FROM u": (
        13,
        "column 'b' is not among those that the SELECT gives",
        "it gives: a",
    ),
    "REPLICATE t (ammount int) SELECT amount, total FROM u": (
        13,
        "column 'ammount' is not among those that the SELECT gives",
        "did you mean 'amount'?",
    ),
    "REPLICATE t (a int, PRIMARY KEY (b)) SELECT a FROM u": (
        33,
        "column 'b' is not among those that the SELECT gives",
        "it gives: a",
    ),
    "REPLICATE t INCLUDE a": (20, "'(' is missing after INCLUDE: found 'a'", ""),
    "REPLICATE t INCLUDE ()": (21, "the name of a column is missing: found ')'", ""),
    "REPLICATE t INCLUDE (a, a)": (24, "column 'a' is named twice", ""),
    "REPLICATE t INCLUDE (a) EXCLUDE (b)": (
        24,
        "INCLUDE and EXCLUDE cannot stand together",
        "INCLUDE alone says all",
    ),
    "REPLICATE t INCLUDE (a) SELECT a FROM u": (
        12,
        "INCLUDE chooses among all columns, and the SELECT lists its own",
        "leave one of them out",
    ),
    "REPLICATE t EXCLUDE (a) SELECT *, b FROM u": (
        12,
        "EXCLUDE chooses among all columns, and the SELECT lists its own",
        "leave one of them out",
    ),
    "REPLICATE t (a int) EXCLUDE (a)": (13, "column 'a' is defined here and left out by EXCLUDE", ""),
    "REPLICATE t (a int) INCLUDE (b)": (13, "column 'a' is defined here and left out by INCLUDE", ""),
    "REPLICATE t (a int PRIMARY KEY) WITH PrimaryKey='a'": (
        32,
        "the key is given twice",
        "PRIMARY KEY says it already",
    ),
    "REPLICATE t WITH": (16, "the name of an option is missing after WITH", ""),
    "REPLICATE t WITH Foo=1": (17, "there is no option 'Foo'", "the reference lists all options"),
    "REPLICATE t WITH Trunkate": (17, "there is no option 'Trunkate'", "did you mean truncate?"),
    "REPLICATE t WITH IncrementalCheckColumns": (
        40,
        "'=' is missing after IncrementalCheckColumns",
        "write IncrementalCheckColumns=...",
    ),
    "REPLICATE t WITH IncrementalCheckColumns=": (
        41,
        "the value of IncrementalCheckColumns is missing: found the end of the query",
        "",
    ),
    "REPLICATE t WITH IncrementalCheckColumns=''": (
        41,
        "IncrementalCheckColumns has an empty column name",
        "",
    ),
    "REPLICATE t WITH IncrementalCheckColumns='a,'": (
        41,
        "IncrementalCheckColumns has an empty column name",
        "",
    ),
    "REPLICATE t WITH IncrementalCheckColumns='a', Foo=1": (
        46,
        "there is no option 'Foo'",
        "the reference lists all options",
    ),
    "REPLICATE t WITH IncrementalCheckColumns='a' WHERE": (
        45,
        "unexpected 'WHERE'",
        "a condition needs a SELECT: REPLICATE [t] SELECT * FROM [t] WHERE ...",
    ),
    "REPLICATE t WITH ReplicateTimeCheckColumns='T1=a'": (
        43,
        "ReplicateTimeCheckColumns cannot name a column for each table",
        "put WITH IncrementalCheckColumns='...' into each query",
    ),
    "REPLICATE t WITH BatchSize=0": (27, "BatchSize must be a whole number from 1 to 10000000, not '0'", ""),
    "REPLICATE t WITH BatchSize=-5": (
        27,
        "BatchSize must be a whole number from 1 to 10000000, not '-5'",
        "",
    ),
    "REPLICATE t WITH BatchSize=many": (
        27,
        "BatchSize must be a whole number from 1 to 10000000, not 'many'",
        "",
    ),
    "REPLICATE t WITH TruncateTable=maybe": (31, "TruncateTable must be true or false, not 'maybe'", ""),
    "REPLICATE t WITH DeleteMode=sfot": (
        28,
        "DeleteMode must be one of off, hard, soft, not 'sfot'",
        "did you mean soft?",
    ),
    "REPLICATE t WITH ReplicateStartDate='31.01.2026'": (
        36,
        "ReplicateStartDate does not fit: '31.01.2026' is neither a date, nor a date and time, nor a whole number",
        "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number",
    ),
    "REPLICATE t WITH ReplicateStartDate='2026-02-30'": (
        36,
        "ReplicateStartDate does not fit: there is no such date or time as '2026-02-30'",
        "write it as 2026-01-31, 2026-01-31T06:00:00 or a whole number",
    ),
    "REPLICATE t WITH interval='3 moons'": (
        26,
        "interval does not fit: 'moons' in '3 moons' is no unit of time",
        "write it as 180 days, 1 month, 2 years, 12 hours or PT12H",
    ),
    "REPLICATE t WITH ReplicateInterval=3": (
        12,
        "ReplicateIntervalUnit is missing: both or none",
        "write interval='180 days' instead",
    ),
    "REPLICATE t WITH ReplicateIntervalUnit=days": (
        12,
        "ReplicateInterval is missing: both or none",
        "write interval='180 days' instead",
    ),
    "REPLICATE t WITH ReplicateInterval=3, ReplicateIntervalUnit=moons": (
        60,
        "ReplicateIntervalUnit must be one of minutes, hours, days, weeks, months, years, not 'moons'",
        "",
    ),
    "REPLICATE t WITH Truncate, TruncateTable=false": (
        27,
        "TruncateTable is given twice",
        "another option may set the same",
    ),
    "REPLICATE t WITH BatchSize=5 SELECT * FROM t WITH BatchSize=6": (
        50,
        "BatchSize is given twice",
        "another option may set the same",
    ),
    "REPLICATE t WITH ContinueOnError=true": (
        17,
        "ContinueOnError is an option of the job, not of a query",
        "write continue_on_error into the job",
    ),
    "REPLICATE t WITH Parallel=3": (
        17,
        "Parallel is an option of the job, not of a query",
        "write parallel into the job",
    ),
    "REPLICATE t WITH SendEmailNotification=true": (
        17,
        "SendEmailNotification is an option of the job, not of a query",
        "write email into the job",
    ),
    "REPLICATE t WITH NullCursor=warn": (
        17,
        "NullCursor is not offered",
        "rows without a value in the check column are read by every run",
    ),
    "REPLICATE t WITH MaxRows=5": (17, "MaxRows is not offered", "give the query a SELECT with a LIMIT"),
    "REPLICATE t SELECT * FROM t WITH BatchSize=5 WHERE a = 1": (
        45,
        "unexpected 'WHERE'",
        "nothing may follow the options after a SELECT",
    ),
    "REPLICATE t SELECT": (12, "the SELECT names no columns", ""),
    "REPLICATE t SELECT FROM t": (12, "the SELECT names no columns", ""),
    "REPLICATE t SELECT * FROM": (21, "the SELECT does not parse near 'FROM'", ""),
    "REPLICATE t SELECT a INTO b FROM t": (12, "a query only reads: one SELECT without INTO", ""),
    "REPLICATE t WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d": (
        12,
        "a query only reads: one SELECT without INTO",
        "",
    ),
    "REPLICATE t SELECT a FROM t WHERE (a = 1": (39, "the SELECT does not parse near '1': expecting )", ""),
    "REPLICATE t SELECT a FROM t WHERE b > REPLICATE_LASTMODTIME(1)": (
        38,
        "REPLICATE_LASTMODTIME takes no arguments",
        "write REPLICATE_LASTMODTIME()",
    ),
    "REPLICATE t SELECT a FROM t WHERE b > REPLICATE_NEXTINTERVAL": (
        38,
        "REPLICATE_NEXTINTERVAL takes no arguments",
        "write REPLICATE_NEXTINTERVAL()",
    ),
    "REPLICATE t SELECT 'a{env:x}' FROM t": (
        19,
        "a variable stands alone, not inside a text",
        "join them: 'text' || {env:Name}",
    ),
    "REPLICATE t SELECT [{env:x}] FROM t": (
        19,
        "a variable is a value, never a name",
        "write the name itself",
    ),
    "REPLICATE t SELECT E'{env:x}' FROM t": (20, "a blank is missing before the variable", ""),
    "REPLICATE t SELECT 'a\\' || {env:x} FROM t": (
        27,
        "a SELECT with variables can have neither backslashes nor dollar quotes",
        "",
    ),
    "REPLICATE t SELECT $$a$$ || {env:x} FROM t": (
        28,
        "a SELECT with variables can have neither backslashes nor dollar quotes",
        "",
    ),
}


def test_table_has_at_least_60_statements() -> None:
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("text", REFUSED)
def test_statement_is_refused_at_its_mistake(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_query(text)

    assert (caught.value.offset, caught.value.message, caught.value.hint) == REFUSED[text]
