"""What a user of DuckDB writes to copy tables; runs in DuckDB's environment. The argument is JSON, see `rivals/duckdb.py`."""

import json
import sys
import sysconfig
from pathlib import Path

import duckdb


def main() -> None:
    """Attach both stores and copy each table in one statement."""
    wanted = json.loads(sys.argv[1])
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    packages = Path(sysconfig.get_paths()["purelib"])
    for kind in {wanted["source"][1], wanted["destination"][1]}:
        [extension] = packages.glob(f"duckdb_extension_{kind}_scanner/extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{extension}'")
    for name, read_only in (("source", ", READ_ONLY"), ("destination", "")):
        address, kind = wanted[name]
        connection.execute(f"ATTACH '{address}' AS {name} (TYPE {kind}{read_only})")
    for table in wanted["tables"]:
        source = f"source.{wanted['from']}.{table}"
        copy = f"destination.{wanted['into']}.{table}"
        how = f"INSERT INTO {copy}" if wanted["keyed"] else f"CREATE TABLE {copy} AS"
        connection.execute(f"{how} SELECT * FROM {source}")


main()
