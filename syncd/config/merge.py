"""Joins the data of several files into one."""

from collections.abc import Sequence
from typing import Final

from syncd.config.place import Mark, Table
from syncd.config.report import Report

WORK: Final = ("jobs", "clusters")
"""Sections of what can be started; they share their names."""
NAMED: Final = ("connections", *WORK)
"""Sections whose entries may be spread over files."""


def merge_tables(tables: Sequence[Table], file: str) -> Report:
    """One tree of all tables, in their order, with what they define twice; ``x-`` keys stay in their own file.

    `file` is where problems of the whole are shown. The tables are not changed.
    """
    report = Report(Table(Mark(file, 1, 1)))
    for table in tables:
        add_table(report, table)
    return report


def add_table(report: Report, table: Table) -> None:
    """Join one more table into a tree."""
    for key, value in table.items():
        if key.startswith("x-"):
            continue
        if key not in report.root:
            _start(report.root, key, table)
            continue
        present = report.root[key]
        if key in NAMED and isinstance(value, Table) and isinstance(present, Table):
            _add_names(report, key, present, value)
        else:
            other, here = report.root.keys_at[key], table.keys_at[key]
            message = (
                f"this section stands in two files, {other.file}:{other.line} and {here.file}:{here.line}"
            )
            report.at_mark(here, (key,), message, "keep it in one of them")


def _start(root: Table, key: str, table: Table) -> None:
    value = table[key]
    if key in NAMED and isinstance(value, Table):
        own = Table(value.mark)
        for name in value:
            own.take(name, value)
        root.put(key, own, table.keys_at[key], table.values_at[key])
    else:
        root.take(key, table)


def _add_names(report: Report, section: str, present: Table, added: Table) -> None:
    kind = section.removesuffix("s")
    for name in added:
        if name not in present:
            present.take(name, added)
            continue
        first, second = present.keys_at[name], added.keys_at[name]
        places = f"{first.file}:{first.line} and {second.file}:{second.line}"
        message = f"this {kind} stands twice, in {places}"
        report.at_mark(second, (section, name), message, "rename one of them")
