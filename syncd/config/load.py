"""Reads configuration files into a checked, typed Configuration."""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from syncd.config.build import build
from syncd.config.checkers import Checkers as Checkers
from syncd.config.cluster import check_clusters
from syncd.config.connection import Connectors
from syncd.config.document import Document, parse_document
from syncd.config.find import MANAGED_FOLDER, at_home, default_state_path, files_of, list_folder
from syncd.config.find import find_configuration as find_configuration
from syncd.config.job import check_jobs
from syncd.config.merge import NAMED, add_table, merge_tables
from syncd.config.place import Table, Unknown
from syncd.config.placeholder import Resolver
from syncd.config.report import Report, ordered
from syncd.config.text import read_text
from syncd.config.validate import check_shell
from syncd.config.work import check_order
from syncd.errors import ConfigError, Problem
from syncd.model.configuration import Configuration


def load_configuration(path: Path | None, checkers: Checkers, environ: Mapping[str, str]) -> Configuration:
    """Everything the files at `path` (a file, a folder, or None for the usual places) declare, ready to apply.

    Reads the drop-in folder beside the main file and the managed folder in the state folder too. Creates nothing.

    Raises:
        ConfigError: with every problem of every file, in order of place.
        NotFoundError: there is no such file.
    """
    place = find_configuration(path, environ)
    with _collector_at_rest():
        return _Loading(checkers, environ).load(place)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    # a big file makes millions of objects of which none is garbage; looking for some takes most of the time
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Loading:
    """One load: what was read so far and what is wrong with it."""

    def __init__(self, checkers: Checkers, environ: Mapping[str, str]) -> None:
        self.checkers = checkers
        self.environ = environ
        self.problems: list[Problem] = []
        self.files: list[str] = []
        self.secrets: set[str] = set()
        self.complete = True

    def load(self, place: Path) -> Configuration:
        """Read, join, check and build."""
        report, state_path = self._read_all(place)
        connectors = Connectors(self.checkers)
        check_shell(report)
        connectors.check(report)
        complete = self.complete and _named_are_read(report.root)
        check_jobs(report, self.checkers, connectors, complete)
        check_clusters(report, self.checkers, connectors, complete)
        if complete:
            check_order(report)
        self.problems += report.problems
        if self.problems:
            raise ConfigError(ordered(self.problems, self.files, self.secrets))
        return build(report.root, self.checkers, connectors, state_path, tuple(self.files))

    def _read_all(self, place: Path) -> tuple[Report, str]:
        try:
            found = files_of(place)
        except OSError as error:
            raise ConfigError(
                [Problem(str(place), 0, 0, "", f"cannot list the folder: {error.strerror}")]
            ) from error
        tables = self._read(found.read, found.main)
        self._refuse(found.stray)
        report = merge_tables(tables, str(found.read[0]))
        state_path = self._state_path(report.root)
        for table in self._read_managed(Path(state_path) / MANAGED_FOLDER):
            add_table(report, table)
        return report, state_path

    def _read(self, paths: Sequence[Path], main: Path | None) -> list[Table]:
        tables = []
        for path in paths:
            self.files.append(str(path))
            document = _document(path)
            if document.empty and path == main:
                hint = "write {} if it is meant to declare nothing"
                document = Document(None, (Problem(str(path), 1, 1, "", "the file is empty", hint),))
            self.problems += document.problems
            if document.root is None:
                self.complete = self.complete and document.empty
                continue
            resolver = Resolver(Report(document.root, self.problems), self.environ, self.secrets)
            resolver.resolve()
            tables.append(document.root)
        return tables

    def _read_managed(self, folder: Path) -> list[Table]:
        try:
            paths, stray = list_folder(folder)
        except OSError as error:
            reason = f"cannot list the folder of managed jobs: {error.strerror}"
            self.problems.append(Problem(str(folder), 0, 0, "", reason, "run it as the daemon's user"))
            return []
        self._refuse(stray)
        tables = self._read(paths, None)
        for table in tables:
            for key in [key for key in table if key not in NAMED]:
                message = "only connections, jobs and clusters may stand in a managed file"
                Report(table, self.problems).at_key((key,), message)
                del table[key]
        return tables

    def _refuse(self, stray: Sequence[Path]) -> None:
        for path in stray:
            hint = f"call it {path.with_suffix('.yaml').name}, or put a dot before its name"
            self.problems.append(Problem(str(path), 0, 0, "", "is not read, because it ends in .yml", hint))

    def _state_path(self, root: Table) -> str:
        state = root.get("state")
        path = state.get("path") if isinstance(state, Table) else None
        if isinstance(state, Table) and isinstance(path, str) and path and not isinstance(path, Unknown):
            folder = Path(state.values_at["path"].file).absolute().parent
            return os.path.normpath(folder / at_home(str(path), self.environ))
        return default_state_path(self.environ, os.geteuid() == 0)


def _named_are_read(root: Table) -> bool:
    """Connections, jobs and clusters are mappings, so that a name which is not there is nowhere."""
    return all(isinstance(root.get(name, root), Table) for name in NAMED)


def _document(path: Path) -> Document:
    text = read_text(path)
    return Document(None, (text,)) if isinstance(text, Problem) else parse_document(text, str(path))
