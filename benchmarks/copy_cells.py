"""PostgreSQL to PostgreSQL: `syncd sync` against the plain pipe of two psql."""

from functools import partial

from benchmarks import lineitem
from benchmarks.cell import Cell, Stage
from benchmarks.measure import FailedError, Sample, measure, syncd_program

CONFIGURATION = """
state: {{path: {state}}}
connections:
  source: {{type: postgresql, url: "{source}"}}
  copy: {{type: postgresql, url: "{copy}"}}
jobs:
  lineitem: {{source: source, destination: copy, queries: ["REPLICATE [lineitem]"]{check}}}
"""


def prepare(stage: Stage, rows: int, with_table: bool) -> None:
    """Make the source once and the destination anew."""
    lineitem.make_source(stage.postgres, rows)
    lineitem.make_destination(stage.postgres, with_table=with_table)


def run_psql(stage: Stage, rows: int) -> Sample:
    """Binary COPY out of one database and into a table with its key in another."""
    server = stage.postgres
    psql = [str(server.programs / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    source = [*psql, server.socket_url(f"lineitem_{rows}"), "-c", "COPY lineitem TO STDOUT (FORMAT binary)"]
    copy = [*psql, server.socket_url("lineitem_copy"), "-c", "COPY lineitem FROM STDIN (FORMAT binary)"]
    sample = measure([source, copy], [server.pid])
    return _verified(stage, rows, sample)


def run_syncd(stage: Stage, rows: int, check_column: str = "") -> Sample:
    """The same by a job, which makes the table with its key when it is not there."""
    server = stage.postgres
    folder = stage.folder / "sync"
    folder.mkdir(exist_ok=True)
    file = folder / "syncd.yaml"
    source, copy = server.socket_url(f"lineitem_{rows}"), server.socket_url("lineitem_copy")
    file.write_text(
        CONFIGURATION.format(
            state=folder / "state",
            source=source,
            copy=copy,
            check=f", check_column: {check_column}" if check_column else "",
        )
    )
    sample = measure([[syncd_program(), "sync", "-c", str(file), "lineitem"]], [server.pid])
    return _verified(stage, rows, sample)


def _verified(stage: Stage, rows: int, sample: Sample) -> Sample:
    expected = lineitem.checksum(stage.postgres, f"lineitem_{rows}")
    if lineitem.checksum(stage.postgres, "lineitem_copy") != expected:
        raise FailedError("the copy differs from its source")
    return sample


def cells() -> list[Cell]:
    """One million and six million rows."""
    found = []
    for rows, label in ((1_000_000, "1M"), (6_000_000, "6M")):
        group = f"copy-{label}"
        found.append(
            Cell(
                group,
                f"{group}-psql",
                partial(run_psql, rows=rows),
                partial(prepare, rows=rows, with_table=True),
            )
        )
        for name, check, with_table in (
            ("syncd", "", False),
            ("syncd-check-column", "l_updated", False),
            ("syncd-into-keyed", "l_updated", True),
        ):
            found.append(
                Cell(
                    group,
                    f"{group}-{name}",
                    partial(run_syncd, rows=rows, check_column=check),
                    partial(prepare, rows=rows, with_table=with_table),
                )
            )
    return found
