"""What a user of dlt writes to copy tables; runs in dlt's environment. The one argument is JSON, see `rivals/dlt.py`."""

import json
import sys

import dlt
from dlt.sources.sql_database import sql_table
from sqlalchemy import NUMERIC, Table, Text

CHUNK_ROWS = 50_000


def read_unknown_as_text(table: Table) -> Table:
    """In SQLite, SQLAlchemy takes a type that it does not know for a number, and a time is none."""
    for column in table.columns:
        if type(column.type) is NUMERIC and column.type.precision is None:
            column.type = Text()
    return table


def main() -> None:
    """Load the tables: merged by their key when there is a check column, replaced otherwise."""
    wanted = json.loads(sys.argv[1])
    merge = bool(wanted["check_column"])
    if wanted["kind"] == "postgresql":
        destination = dlt.destinations.postgres(wanted["destination"])
    else:
        destination = dlt.destinations.sqlalchemy(wanted["destination"])
    tables = []
    for name in wanted["tables"]:
        more = {"incremental": dlt.sources.incremental(wanted["check_column"])} if merge else {}
        if wanted["source"].startswith("sqlite"):
            more["table_adapter_callback"] = read_unknown_as_text
        table = sql_table(
            wanted["source"],
            table=name,
            schema=wanted["schema"],
            backend="pyarrow",
            chunk_size=CHUNK_ROWS,
            primary_key=wanted["key"],
            **more,
        )
        tables.append(table)
    pipeline = dlt.pipeline(
        pipeline_name="copy",
        destination=destination,
        dataset_name=wanted["dataset"],
        pipelines_dir=wanted["folder"],
    )
    how = {"loader_file_format": "csv"} if wanted["kind"] == "postgresql" else {}
    pipeline.run(tables, write_disposition="merge" if merge else "replace", **how)


main()
