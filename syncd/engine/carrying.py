"""Rows of one table from a repository to others: read once, given to each in a format that all of them take."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from syncd.cluster_ports import Arrival, Repository
from syncd.errors import FatalError, RowRejectedError, RunCancelledError, SyncdError
from syncd.model.batch import Format
from syncd.model.exchange import Block, Tracked
from syncd.ports import Check


@dataclass(slots=True)
class Lane:
    """One table of one delivery; a failure ends it and leaves the others alone."""

    arrival: Arrival
    table: int
    failure: SyncdError | None = None

    def raise_failure(self) -> None:
        """Raise what ended it, if something did."""
        if self.failure is not None:
            raise self.failure


def form_between(sender: Repository, receiver: Repository, theirs: Tracked, mine: Tracked) -> Format:
    """The cheapest format in which rows arrive unharmed. Raw forms need the same types on both sides."""
    alike = sender.product == receiver.product and all(
        one.type.native == other.type.native and one.type.product == other.type.product
        for one, other in zip(theirs.columns, mine.columns, strict=True)
    )
    for form in sender.formats:
        if form in receiver.formats and (alike or form is Format.ROWS):
            return form
    return Format.ROWS


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows that can be read again in another format, and the lanes that they are for."""

    blocks: Callable[[Format, Check], Generator[Block]]
    lanes: tuple[Lane, ...]


def carry(streams: Sequence[Stream], form: Format, check: Check) -> None:
    """Give the rows of a table to every lane; read each stream once.

    A lane with a row that has no form at its end gets all of them again, in tuples, to set that row aside.
    """
    lanes = list({id(lane): lane for stream in streams for lane in stream.lanes}.values())
    _give(streams, lanes, form, check)
    doubted = []
    for lane in lanes:
        if lane.failure is not None and _is_of_a_row(lane.failure):
            lane.failure = None
            _try(lane, partial(lane.arrival.doubt, lane.table))
            doubted.append(lane)
    if doubted:
        _give(streams, doubted, Format.ROWS, check)


def _give(streams: Sequence[Stream], lanes: Sequence[Lane], form: Format, check: Check) -> None:
    for stream in streams:
        wanted = [lane for lane in stream.lanes if any(lane is one for one in lanes)]
        if not wanted:
            continue
        with closing(stream.blocks(form, check)) as blocks:
            for block in blocks:
                check()
                for lane in wanted:
                    if lane.failure is None:
                        _try(lane, partial(lane.arrival.stage, block, check))
        # Raw formats have a head and a tail: each stream is complete in itself.
        for lane in wanted:
            if lane.failure is None:
                _try(lane, partial(lane.arrival.staged, lane.table))


def _try(lane: Lane, action: Callable[[], object]) -> None:
    try:
        action()
    except RunCancelledError:
        raise
    except SyncdError as error:
        lane.failure = error


def _is_of_a_row(error: SyncdError) -> bool:
    return isinstance(error, RowRejectedError) or (
        isinstance(error, FatalError) and error.code == "key_exists"
    )
