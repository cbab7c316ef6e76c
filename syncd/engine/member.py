"""A child in one run of a cluster, and the parent's rows on their way to it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from syncd.cluster_ports import Arrival, Known, Repository
from syncd.engine.carrying import Lane, form_between
from syncd.engine.greeting import Greeting
from syncd.engine.pairing import Pair
from syncd.errors import FatalError, RunCancelledError, SyncdError
from syncd.model.cluster import Child, Direction
from syncd.model.exchange import NOTHING_RECEIVED, Hello, Peer, TableCounts, Wanted
from syncd.ports import Check

MOST_AT_ONCE: Final = 16
"""How many children are asked side by side."""


@dataclass(slots=True)
class Member:
    """A child in one run: its repository, or why there is none; what became of it."""

    child: Child
    repository: Repository | None = None
    failure: SyncdError | None = None
    pairs: tuple[Pair, ...] = ()
    peer: Peer = field(default_factory=lambda: Peer("", 0))
    hello: Hello | None = None
    greeting: Greeting | None = None
    up: TableCounts = field(default_factory=TableCounts)
    down: TableCounts = field(default_factory=TableCounts)
    up_seconds: float = 0.0
    down_seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    unshared: tuple[str, ...] = ()
    """In words, the tables that it cannot share; they are among the warnings."""
    unmatched: tuple[str, ...] = ()
    """In words, the columns that only one side has."""
    done: list[str] = field(default_factory=list)
    """What was made in its database, in words."""

    @property
    def live(self) -> bool:
        """Does it still take part in this run?"""
        return self.repository is not None and self.failure is None

    @property
    def receiving(self) -> list[Pair]:
        """The tables of which it gets the parent's rows."""
        return [pair for pair in self.pairs if pair.shared.entry.direction is not Direction.UP]

    @property
    def port(self) -> Repository:
        """Its repository."""
        if self.repository is None:
            raise FatalError(f"child '{self.child.repository}' has no repository")
        return self.repository


@dataclass(slots=True)
class Delivery:
    """The parent's rows on their way to one child."""

    member: Member
    whole: Mapping[int, str]
    known: Known
    arrival: Arrival | None = None
    _lanes: dict[int, Lane] = field(default_factory=dict)

    def open(self, check: Check) -> None:
        """Open it at the child."""
        pairs = self.member.pairs
        self.arrival = self.member.port.arrive(
            [pair.child for pair in pairs], [pair.parent for pair in pairs], check
        )

    def close(self) -> None:
        """Forget what was not applied."""
        if self.arrival is not None:
            self.arrival.close()

    @property
    def failure(self) -> SyncdError | None:
        """What ended one of its tables."""
        return next((lane.failure for lane in self._lanes.values() if lane.failure), None)

    def lane(self, number: int) -> Lane:
        """The place of one table's rows."""
        if number not in self._lanes and self.arrival is not None:
            self._lanes[number] = Lane(self.arrival, number)
        return self._lanes[number]

    def pair(self, number: int) -> Pair:
        """The table of that number as both have it."""
        return next(pair for pair in self.member.pairs if pair.parent.number == number)

    def wish(self, number: int, parent: Repository, conditions: Mapping[int, str]) -> Any:
        """What this child wants of a table, equal for children that can be given the same; None for nothing."""
        pair = next((pair for pair in self.member.pairs if pair.parent.number == number), None)
        hello = self.member.hello
        if pair is None or hello is None or pair.shared.entry.direction is Direction.UP:
            return None
        since = NOTHING_RECEIVED if number in self.whole else hello.received.gen
        form = form_between(parent, self.member.port, pair.parent, pair.child)
        return Wanted(since, conditions.get(number, "")), form, pair.parent


def guarded(member: Member, action: Callable[[], None]) -> None:
    """Do something; what fails at one child is its failure alone."""
    try:
        action()
    except RunCancelledError:
        raise
    except SyncdError as error:
        member.failure = error


def side_by_side(members: Sequence[Member], action: Callable[[Member], None]) -> None:
    """Do something with several children at once: each has a connection of its own."""
    if len(members) <= 1:
        for member in members:
            guarded(member, partial(action, member))
        return
    with ThreadPoolExecutor(min(MOST_AT_ONCE, len(members))) as threads:
        for future in [threads.submit(guarded, member, partial(action, member)) for member in members]:
            future.result()
