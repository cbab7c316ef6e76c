"""A child's edits on their way to the parent, begun while the parent is still busy with the child before.

Memory: at most AHEAD_BYTES and one block for each child that waits, and AT_ONCE children wait.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

from syncd.cluster_ports import Departure, Repository
from syncd.engine.carrying import form_between
from syncd.engine.member import Member
from syncd.errors import FatalError
from syncd.model.batch import Format
from syncd.model.exchange import Block, Role, Tracked
from syncd.ports import Check

AHEAD_BYTES: Final = 8 * 1024 * 1024
"""How much is read of a child before the parent takes it."""
TUPLE_BYTES: Final = 1024
"""What a row counts whose size nobody knows."""
AT_ONCE: Final = 2


def has_news(member: Member) -> bool:
    """Does a child say that it has edits which the parent lacks?"""
    hello = member.hello
    return hello is not None and (hello.changed or hello.mark != member.peer.received)


class Sending:
    """One child's open state, with the first rows of its first table. One thread after the other uses it."""

    def __init__(self, member: Member, parent: Repository) -> None:
        """Asks the parent which rows of the child it keeps aside, and the child nothing."""
        self.pairs = [pair for pair in member.pairs if pair.child.captured]
        self._port = member.port
        self._received = member.peer.received.gen
        self._held = parent.held(member.peer)
        self._forms = {
            pair.child.number: form_between(member.port, parent, pair.child, pair.parent)
            for pair in self.pairs
        }
        self._departure: Departure | None = None
        self._begun: dict[int, tuple[deque[Block], Generator[Block]]] = {}

    @property
    def departure(self) -> Departure:
        """The open state."""
        if self._departure is None:
            raise FatalError(f"{self._port.place} has not said yet what it sends")
        return self._departure

    def open(self, check: Check) -> None:
        """Count the child's edits, open that state, and read until enough is there. Raises as `Repository.depart`."""
        self._departure = self._port.depart(Role.CHILD, self._received, self._held, check)
        size = 0
        for pair in self.pairs:
            read: deque[Block] = deque()
            blocks = self.departure.edits(pair.child, self.form(pair.child), check)
            self._begun[pair.child.number] = read, blocks
            for block in blocks:
                read.append(block)
                size += len(block.data) if isinstance(block.data, bytes) else block.rows * TUPLE_BYTES
                if size >= AHEAD_BYTES:
                    return

    def form(self, table: Tracked) -> Format:
        """In which format its rows travel."""
        return self._forms[table.number]

    def blocks(self, table: Tracked, form: Format, check: Check) -> Generator[Block]:
        """The edits of a table: those that were read, then the rest; when it is asked again, all of them anew."""
        if table.number in self._begun and form is self.form(table):
            read, rest = self._begun.pop(table.number)
            with closing(rest):
                while read:
                    yield read.popleft()
                yield from rest
            return
        # Only one reading at a time: what was begun of tables that come later is read anew too.
        self._forget()
        yield from self.departure.edits(table, form, check)

    def close(self) -> None:
        """Give everything back. May be called more than once."""
        self._forget()
        if self._departure is not None:
            self._departure.close()

    def _forget(self) -> None:
        for _, blocks in self._begun.values():
            blocks.close()
        self._begun.clear()


class Ahead:
    """Opens what is to be sent in turn, while what comes before it is taken; what is alone is opened when it is taken."""

    def __init__(self, sendings: Mapping[str, Sending], check: Check, threads: ThreadPoolExecutor) -> None:
        self._sendings = sendings
        self._waiting = deque(sendings if len(sendings) > 1 else ())
        self._opened: dict[str, Future[None]] = {}
        self._check = check
        self._threads = threads
        self._open_next()

    def take(self, name: str) -> Sending | None:
        """What that child sends, opened; None when it sends nothing.

        Raises:
            SyncdError: it cannot be opened.
        """
        sending, opened = self._sendings.get(name), self._opened.pop(name, None)
        try:
            if opened is not None:
                opened.result()
            elif sending is not None:
                sending.open(self._check)
        finally:
            self._open_next()
        return sending

    def close(self) -> None:
        """Close all of them."""
        for opened in self._opened.values():
            if not opened.cancel():
                opened.exception()
        for sending in self._sendings.values():
            sending.close()

    def _open_next(self) -> None:
        while self._waiting and len(self._opened) < AT_ONCE:
            name = self._waiting.popleft()
            self._opened[name] = self._threads.submit(self._sendings[name].open, self._check)


@contextmanager
def opened_ahead(sendings: Mapping[str, Sending], check: Check) -> Iterator[Callable[[str], Sending | None]]:
    """What gives for a child's name what it sends, in the order of `sendings`; see `Ahead.take`."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        ahead = Ahead(sendings, check, threads)
        try:
            yield ahead.take
        finally:
            ahead.close()
