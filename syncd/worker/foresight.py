"""What a run of a cluster would do: rows up and down, conflicts, triggers. Nothing is written in any database."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from syncd.engine.execute import failure_of
from syncd.engine.member import Member, guarded
from syncd.engine.pairing import Pair
from syncd.engine.touching import touched_by
from syncd.model.cluster import Direction
from syncd.model.exchange import Tracked
from syncd.model.run import Failure
from syncd.ports import Check
from syncd.repository.entrance import fill
from syncd.repository.foresight import count_conflicts, count_down, count_staged, unsent_edits
from syncd.repository.refused import all_refused
from syncd.repository.store import Stage
from syncd.worker.cluster import left_out
from syncd.worker.meeting import Meeting, replica_of


@dataclass(frozen=True, slots=True)
class TableForecast:
    """One table of one child: rows that would go up and down, conflicts expected, rows set aside on both sides."""

    table: str
    direction: str
    up: int
    down: int
    conflicts: int
    held: int


@dataclass(frozen=True, slots=True)
class ChildForecast:
    """One child. `whole`: it gets all rows. `triggers` are tables whose triggers would be made or renewed there.

    `state` is ok, left out or failed; `problems` name tables that cannot be paired, and why; `unmatched`
    columns that only one side has.
    """

    child: str
    state: str
    said: str = ""
    whole: bool = False
    tables: tuple[TableForecast, ...] = ()
    triggers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterForecast:
    """The whole cluster; `triggers`, `problems` and `warnings` are those at the parent."""

    cluster: str
    parent: str
    triggers: tuple[str, ...]
    problems: tuple[str, ...]
    children: tuple[ChildForecast, ...]
    warnings: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        """Could all of it be done?"""
        return not self.problems and all(
            child.failure is None and not child.problems for child in self.children
        )


def foresee(meeting: Meeting, check: Check) -> ClusterForecast:
    """Ask all nodes what they have for each other.

    Cost: the unsent edits of all children travel to temporary tables at the parent.
    """
    parent = meeting.parent
    stages: dict[str, dict[int, Stage]] = {}
    try:
        for number, member in enumerate(meeting.live):
            stages[member.child.repository] = {}
            found = stages[member.child.repository]
            guarded(member, lambda m=member, n=number, f=found: _stage(meeting, m, n, f, check))  # type: ignore[misc] # bound now
        children = tuple(_forecast(meeting, member, stages) for member in meeting.nodes.members)
    finally:
        for each in stages.values():
            for stage in each.values():
                parent.store.empty(stage)
    tables = [shared.tracked for shared in meeting.shared]
    return ClusterForecast(
        meeting.nodes.cluster.name,
        meeting.nodes.cluster.parent,
        tuple(parent.planned(tables)),
        tuple(meeting.problems),
        children,
        tuple(touched_by(parent, meeting.nodes.cluster.parent, tables)),
    )


def _stage(meeting: Meeting, member: Member, number: int, stages: dict[int, Stage], check: Check) -> None:
    """Bring a child's unsent edits beside the parent's tables."""
    store, replica = meeting.parent.store, replica_of(member)
    for pair in member.pairs:
        fresh = not _is_tracked(replica.tracked, pair.child)
        if not pair.child.captured or (fresh and member.child.on_join == "replace"):
            continue
        mine, theirs = replace(pair.parent, sums=()), replace(pair.child, sums=())
        stage = Stage(f"syncd_plan_{number}_{pair.parent.number}", mine, theirs, edits=True)
        received = member.peer.received.gen
        edits = unsent_edits(replica.node, pair.child, received, fresh=fresh, check=check)
        with closing(edits) as batches:
            for batch in batches:
                check()
                if pair.parent.number not in stages:
                    store.make_stage(stage)
                    stages[pair.parent.number] = stage
                fill(store, stage, batch, check)
        if pair.parent.number in stages:
            store.filled(stage)


def _forecast(meeting: Meeting, member: Member, stages: Mapping[str, Mapping[int, Stage]]) -> ChildForecast:
    name = member.child.repository
    if not member.child.takes_part:
        return ChildForecast(name, "left out", left_out(member.child))
    tables: list[TableForecast] = []
    triggers: list[str] = []
    touched: list[str] = []

    def ask() -> None:
        replica = replica_of(member)
        touched.extend(touched_by(replica, name, [pair.child for pair in member.pairs]))
        triggers.extend(replica.planned([pair.child for pair in member.pairs]))
        tables.extend(_table(meeting, member, pair, stages) for pair in member.pairs)

    if member.live:
        guarded(member, ask)
    whole = member.live and _needs_all(meeting, member)
    return ChildForecast(
        name,
        "ok" if member.live else "failed",
        whole=whole,
        tables=tuple(tables),
        triggers=tuple(triggers),
        problems=tuple(member.warnings),
        unmatched=member.unmatched,
        failure=failure_of(member.failure) if member.failure is not None else None,
        warnings=tuple(touched),
    )


def _table(
    meeting: Meeting, member: Member, pair: Pair, stages: Mapping[str, Mapping[int, Stage]]
) -> TableForecast:
    parent, number, name = meeting.parent, pair.parent.number, member.child.repository
    node = parent.node
    mine = stages.get(name, {}).get(number)
    names = list(stages)
    before = [stages[one][number] for one in names[: names.index(name)] if number in stages[one]]
    others = [stages[one][number] for one in names if one != name and number in stages[one]]
    tracked = _is_tracked(parent.tracked, pair.parent)
    up = down = conflicts = 0
    if mine is not None:
        up = count_staged(parent.store, mine)
    if mine is not None and up:
        summed, peer = bool(pair.parent.sums), member.peer.number
        conflicts = count_conflicts(node, mine, before, peer, tracked=tracked, summed=summed)
    if pair.shared.entry.direction is not Direction.UP:
        where = meeting.nodes.wheres(member.child, pair.shared)
        all_rows = not tracked or _needs_all(meeting, member) or not _is_tracked(_replica(member), pair.child)
        hello = member.hello
        since = None if all_rows or hello is None else hello.received.gen
        down = count_down(node, pair.parent, others, since, member.peer.number, where)
    held = len(_held(meeting, member, number))
    return TableForecast(str(pair.parent.name), pair.shared.entry.direction.value, up, down, conflicts, held)


def _held(meeting: Meeting, member: Member, number: int) -> list[Mapping[str, object]]:
    """Rows of this table that are set aside: the child's at the parent, and the parent's at the child."""
    nodes = [(meeting.parent.node, member.peer.number), (replica_of(member).node, 0)]
    rows = [row for node, peer in nodes if node.exists for row in all_refused(node, peer)]
    return [row for row in rows if int(str(row["tbl"])) == number]


def _needs_all(meeting: Meeting, member: Member) -> bool:
    return member.hello is None or member.greeting is None or member.greeting.whole


def _replica(member: Member) -> Sequence[Tracked]:
    return replica_of(member).tracked


def _is_tracked(tracked: Sequence[Tracked], table: Tracked) -> bool:
    return any(one.number == table.number for one in tracked)
