"""SynchronizeJobData, ExportJobData and ImportJobData: clusters as scripts for Workflow Manager call them.

Source: Synchronize Job Data. Names and order of parameters, and the outputs, are the document's.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from syncd.config.load import load_configuration
from syncd.delta.site import Wish
from syncd.engine.member import Member
from syncd.errors import BusyError, ConfigError, FatalError, NotFoundError, SyncdError
from syncd.model.cluster import CONNECTED, Cluster
from syncd.model.configuration import Configuration
from syncd.model.exchange import TableCounts
from syncd.ports import Clock
from syncd.valuetable import ChildRow, bad_arguments, child_rows, like, time_format
from syncd.worker.body import SystemClock
from syncd.worker.cluster import HINT, LEFT_OUT
from syncd.worker.delta import export_file, import_file
from syncd.worker.judge import checkers
from syncd.worker.listed import Found, Named, find, same_address, synchronise

OK: Final = 0
PARENT_FAILED: Final = -1
CHILDREN_FAILED: Final = -2
BAD_ARGUMENTS: Final = -3
LOCKED: Final = -4
REFUSED: Final = -5
REFUSALS: Final = frozenset({"identity", "parent_restored"})
OUTPUTS: Final = ("Output_SynchronizeReplicaStatus", "Output_LastSync")


class LastSync(NamedTuple):
    """A row of the last-sync table. `up`, `down`: rows that were written at the parent and at the child; `skipped`: rows that wait."""

    child: str
    connected: str
    url: str
    last_sync_time: str
    up: int = 0
    down: int = 0
    conflicts: int = 0
    skipped: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives.

    `status`: 0 done, -1 the parent failed or cannot be reached, -2 some children failed, -3 the arguments are wrong and nothing was touched,
    -4 somebody else synchronises, -5 refused because a database was restored or copied. `messages` say in order what happened.
    """

    status: int
    last_sync: tuple[LastSync, ...] = ()
    messages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def getOutput(self, output: int | str) -> int | tuple[LastSync, ...]:
        """An output by its place or its name in the document.

        Raises:
            IndexError: there is none of that place.
            KeyError: there is none of that name.
        """
        if isinstance(output, str):
            if output not in OUTPUTS:
                raise KeyError(f"there is no output {output}; outputs: {', '.join(OUTPUTS)}")
            output = OUTPUTS.index(output)
        return (self.status, self.last_sync)[output]


def SynchronizeJobData(
    parent_url: str,
    parent_name: str,
    multi: str | Sequence[Sequence[object]],
    *,
    tables: Sequence[str] = (),
    config: Path | None = None,
    clock: Clock | None = None,
) -> Result:
    """Consolidate all connected children into the parent, then give parent's and consolidated changes to each of them.

    URLs are those that the configuration (`config`, else $SYNCD_CONFIG and the usual places) gives to members of a cluster as `url:`, or such of
    databases. `tables` are for the latter; without it, all with a key that both sides have.
    """
    rows: list[ChildRow] = []
    try:
        rows = child_rows(multi)
        _check(parent_url, parent_name, rows)
        named = [Named(row.name, row.url, row.connected) for row in rows]
        found = find(_configuration(config), Named(parent_name, parent_url), named, tables)
    except (FatalError, NotFoundError, ConfigError) as error:
        return _failed(BAD_ARGUMENTS, rows, error)
    return _Call(rows, (clock or SystemClock()).now).carry_out(found)


SynchronizeJobData_wmx = SynchronizeJobData


def ExportJobData(
    cluster: str,
    child: str,
    file: str | Path,
    *,
    ack_only: bool = False,
    only_new: bool = False,
    config: Path | None = None,
) -> Result:
    """Write a delta file for a child that is not connected, or at its site for the parent.

    `cluster` is a cluster's name, or its parent's name or URL.
    """

    def act(configuration: Configuration, found: Cluster) -> list[str]:
        wish = Wish(ack_only=ack_only, only_new=only_new)
        done = export_file(configuration, found, child, Path(file), wish, lambda: None)
        return [f"{done.path}: {sum(done.rows.values())} rows"]

    return _with_file(cluster, config, act)


ExportJobData_wmx = ExportJobData


def ImportJobData(cluster: str, file: str | Path, *, config: Path | None = None) -> Result:
    """Apply a delta file; one that was applied before changes nothing and is no failure."""

    def act(configuration: Configuration, found: Cluster) -> list[str]:
        done = import_file(configuration, found, Path(file), lambda: None)
        if done.repeated:
            return [f"{done.path}: already applied"]
        return [f"{done.path}: {done.counts.received} rows", *done.warnings]

    return _with_file(cluster, config, act)


ImportJobData_wmx = ImportJobData


class _Call:
    """One call: what it tells while the children are exchanged with."""

    def __init__(self, rows: Sequence[ChildRow], now: Callable[[], datetime]) -> None:
        self._rows = rows
        self._now = now
        self._messages: list[str] = []
        self._warnings: list[str] = []
        for row in rows:
            if row.last_sync_time and time_format(row.last_sync_time) is None:
                self._warn(
                    f"{row.name}: '{row.last_sync_time}' is no time that is known; what was synchronised does not depend on it"
                )

    def carry_out(self, found: Found) -> Result:
        """Exchange, and make the table."""
        try:
            members, problems = synchronise(found, self._hear, lambda: None)
        except SyncdError as error:
            said = _failed(_status(error, PARENT_FAILED), self._rows, error)
            return Result(
                said.status, said.last_sync, (*self._messages, *said.messages), tuple(self._warnings)
            )
        for problem in problems:
            self._warn(problem)
        table = tuple(self._row(row, member) for row, member in zip(self._rows, members, strict=True))
        failures = [member.failure for member in members if member.failure is not None]
        status = min((_status(error, CHILDREN_FAILED) for error in failures), default=OK)
        return Result(status, table, tuple(self._messages), tuple(self._warnings))

    def _hear(self, member: Member, way: str) -> None:
        if not member.child.takes_part or member.failure is not None:
            return
        counts = member.up if way == "up" else member.down
        self._messages.append(f"{member.child.repository} {way}: {counts.received} rows")

    def _row(self, row: ChildRow, member: Member) -> LastSync:
        old = (row.name, row.connected, row.url, row.last_sync_time)
        if row.connected != CONNECTED:
            said = LEFT_OUT + (HINT if row.connected.lower() == CONNECTED else "")
            self._messages.append(f"{row.name}: {said}")
            return LastSync(*old, message=said)
        if member.failure is not None:
            self._messages.append(f"{row.name}: {_text(member.failure)}")
            return LastSync(*old, message=_text(member.failure))
        for warning in member.warnings:
            self._warn(f"{row.name}: {warning}")
        total = member.up + member.down
        return LastSync(
            row.name,
            row.connected,
            row.url,
            like(row.last_sync_time, self._now().astimezone()),
            up=_written(member.up),
            down=_written(member.down),
            conflicts=total.conflicts,
            skipped=total.skipped + total.held,
            message="; ".join(member.warnings),
        )

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._messages.append(f"warning: {text}")


def _written(counts: TableCounts) -> int:
    return counts.inserted + counts.updated + counts.deleted


def _check(parent_url: str, parent_name: str, rows: Sequence[ChildRow]) -> None:
    """Every repository stands once.

    Raises:
        FatalError: the parent is not named, there are no children, or one stands twice.
    """
    if not parent_url or not parent_name:
        raise bad_arguments("the parent needs a URL and a name")
    if not rows:
        raise bad_arguments("there are no children")
    for number, row in enumerate(rows):
        if row.name == parent_name or same_address(row.url, parent_url):
            raise bad_arguments(f"the parent '{parent_name}' stands among the children as '{row.name}'")
        for other in rows[:number]:
            if row.name == other.name:
                raise bad_arguments(f"child '{row.name}' stands twice")
            if same_address(row.url, other.url):
                raise bad_arguments(f"'{other.name}' and '{row.name}' have the same URL {row.url}")


def _configuration(config: Path | None) -> Configuration | None:
    """The configuration; None when none is asked for and there is none.

    Raises:
        ConfigError: it has mistakes.
        NotFoundError: the one that is asked for is not there.
    """
    with suppress(NotFoundError):
        return load_configuration(config, checkers(), os.environ)
    if config is not None or os.environ.get("SYNCD_CONFIG"):
        return load_configuration(config, checkers(), os.environ)
    return None


def _with_file(
    cluster: str, config: Path | None, act: Callable[[Configuration, Cluster], list[str]]
) -> Result:
    try:
        configuration = _configuration(config)
    except (NotFoundError, ConfigError) as error:
        return _failed(BAD_ARGUMENTS, (), error)
    clusters = configuration.clusters.values() if configuration is not None else ()
    found = [
        one for one in clusters if cluster in {one.name, one.parent} or same_address(one.parent_url, cluster)
    ]
    if configuration is None or len(found) != 1:
        said = NotFoundError(f"there is {'more than one' if found else 'no'} cluster '{cluster}'")
        return _failed(BAD_ARGUMENTS, (), said)
    try:
        return Result(OK, (), tuple(act(configuration, found[0])))
    except NotFoundError as error:
        return _failed(BAD_ARGUMENTS, (), error)
    except SyncdError as error:
        return _failed(_status(error, PARENT_FAILED), (), error)


def _status(error: SyncdError, otherwise: int) -> int:
    if isinstance(error, BusyError) and error.code == "locked":
        return LOCKED
    return REFUSED if error.code in REFUSALS else otherwise


def _failed(status: int, rows: Sequence[ChildRow], error: SyncdError) -> Result:
    table = tuple(LastSync(row.name, row.connected, row.url, row.last_sync_time) for row in rows)
    return Result(status, table, (_text(error),))


def _text(error: SyncdError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
