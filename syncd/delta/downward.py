"""The parent's rows to a child by file: written at the parent's site, applied at the child's."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from syncd.cluster_ports import Known
from syncd.delta.ends import FileArrival, FileChild
from syncd.delta.geometry import geometry_of
from syncd.delta.header import Cargo, Header, tables_text
from syncd.delta.judging import Verdict, check_address, check_past, judge
from syncd.delta.logbook import Entry, Logbook, Way
from syncd.delta.reading import DeltaReader
from syncd.delta.sharing import behind, enrolled, tables_for
from syncd.delta.site import Exported, Imported, Site, Wish, exported
from syncd.delta.writing import DeltaWriter
from syncd.engine.carrying import Lane, Stream, carry
from syncd.engine.exchange import Exchange
from syncd.engine.greeting import Greeting
from syncd.engine.member import Member
from syncd.engine.pairing import Pair, Pairs, Shared
from syncd.errors import FatalError
from syncd.model.batch import Format
from syncd.model.cluster import Direction
from syncd.model.exchange import START, Applied, Hello, Peer, Role
from syncd.repository.image import row_of
from syncd.repository.node import PARENT


def export_versions(site: Site, path: Path, wish: Wish) -> Exported:
    """At the parent: write all that the child is not known to have.

    Raises:
        BusyError: the cluster is being synchronised.
        FatalError: the file cannot be written, or would take the place of one that is no delta file of this cluster.
    """
    with site.held(), closing(DeltaWriter(path, Cargo.VERSIONS, site.cluster.name, site.key)) as writer:
        exchange = Exchange(site.cluster, site.port, (), site.wheres, site.check, site.now)
        shared = exchange.share()
        member = _member(site, [_as_told(each) for each in shared], wish)
        tables = tables_for(member.pairs, Cargo.VERSIONS)
        writer.add_tables(tables, geometry_of(site.port.store, tables))
        draft = replace(_draft(site, member, wish), filters=exchange.filters(member))
        arrival = FileArrival(writer, draft, partial(site.port.node.marks, _first_asked(site, member.peer)))
        member.repository = FileChild(_hello_of(member), arrival=arrival)
        if wish.ack_only:
            peer = member.peer
            known = Known(peer.received.gen, site.port.held(peer), peer.received.token)
            arrival.apply_versions(START, draft.mark, {}, known, site.check)
        else:
            exchange.scatter([member])
        if member.failure is not None:
            raise member.failure
    header = arrival.header
    if not wish.ack_only:
        Logbook(site.port).note(site.child.repository, Way.OUT, [header.mark], header.filters, site.check)
    return exported(path, header)


def _as_told(shared: Shared) -> Pair:
    """A table as the child is told of it: it records what summed columns held before."""
    captured = shared.entry.direction is not Direction.DOWN
    told = replace(shared.tracked, sums=shared.sums if captured else ())
    return Pair(shared, told, told)


def import_versions(site: Site, reader: DeltaReader) -> Imported:
    """At a child: apply the parent's rows.

    Raises:
        BusyError: another import goes on.
        FatalError: the file does not follow on what is here, or is not for this repository; nothing was applied.
    """
    header, port = reader.header, site.port
    with site.held():
        hello = port.hello(header.received.gen if header.received.gen >= 0 else None)
        path = str(reader.path)
        check_address(header, site.cluster, site.child.repository, hello.id if hello else "", path)
        parent = port.node.peer(PARENT) if hello else Peer(PARENT, 0)
        check_past(header, hello, parent, path, partial(_renew, site))
        book = Logbook(port)
        known = book.knows(header.sender, header.mark)
        verdict = judge(header, parent.received, parent.sent, known, path)
        result = Imported(reader.path, header.kind, header.sender, site.child.repository, header.mark)
        awaited = header.mark == parent.received and _brings_awaited(site, header)
        if verdict is Verdict.REPEATED and not awaited:
            return replace(result, repeated=True)
        found = enrolled(site, header.tables, whole=not header.ack_only)
        if found.problems and not found.pairs:
            raise FatalError(found.problems[0], code="no_tables")
        _keep_parent(site, header)
        if not header.ack_only:
            marks = [mark for mark in header.marks if mark.gen > max(header.since.gen, parent.received.gen)]
            book.note(header.sender, Way.IN, marks, tables_text(header.tables), site.check)
        applied = _apply(site, reader, found)
        return replace(result, counts=applied.total, warnings=(*found.problems, *applied.warnings))


def _member(site: Site, pairs: Sequence[Pair], wish: Wish) -> Member:
    """The child as the parent knows it; its `hello` says which state the file begins with."""
    mine = site.port.hello()
    if mine is None:
        raise FatalError(f"{site.port.place} was not enrolled")
    peer = _admitted(site)
    base = Entry(peer.sent, peer.filters)
    if wish.only_new:
        out = Logbook(site.port).entries(peer.name, Way.OUT)
        base = max([base, *out], key=lambda entry: entry.mark.gen)
    whole = base.mark.gen < mine.oldest_gen or base.mark.gen < 0
    hello = Hello(peer.id, peer.epoch, Role.CHILD, peer.name, START, received=START if whole else base.mark)
    return Member(
        site.child,
        pairs=tuple(pairs),
        peer=replace(peer, filters=base.facts),
        hello=hello,
        greeting=Greeting(peer, whole=whole),
    )


def _admitted(site: Site) -> Peer:
    """The child among the parent's; a new one counts from now on, so that nothing is forgotten that it needs."""
    peers = site.port.peers()
    name = site.child.repository
    found = next((peer for peer in peers if peer.name == name), None)
    if found is None:
        mine = site.port.hello()
        found = Peer(name, (mine.last_peer if mine else 0) + 1, last_seen=site.now())
        site.port.admit([found], site.check)
    return found


def _draft(site: Site, member: Member, wish: Wish) -> Header:
    mine = site.port.hello()
    if mine is None:
        raise FatalError(f"{site.port.place} was not enrolled")
    peer = member.peer
    return Header(
        cluster=site.cluster.name,
        kind=Cargo.VERSIONS,
        sender=site.cluster.parent,
        sender_id=mine.id,
        sender_epoch=mine.epoch,
        receiver=peer.name,
        receiver_id=peer.id,
        receiver_epoch=peer.epoch,
        since=_hello_of(member).received,
        mark=mine.mark,
        received=peer.received,
        ack_only=wish.ack_only,
    )


def _hello_of(member: Member) -> Hello:
    if member.hello is None:
        raise FatalError(f"nothing is known of child '{member.child.repository}'")
    return member.hello


def _first_asked(site: Site, peer: Peer) -> int:
    """The oldest state that the child may have: what it confirmed, else what the first file had."""
    out = Logbook(site.port).entries(peer.name, Way.OUT)
    first = out[0].mark.gen if out else site.port.node.gen()
    return peer.sent.gen if peer.sent.gen >= 0 else first


def _renew(site: Site, gen: int) -> None:
    site.port.renew(gen, site.check)


def _brings_awaited(site: Site, header: Header) -> bool:
    """Has the file all rows of a table that is not in step with the others here?"""
    late = behind(site)
    return any(table.whole and table.tracked.number in late for table in header.tables)


def _keep_parent(site: Site, header: Header) -> None:
    parent = site.port.node.peer(PARENT)
    if (parent.id, parent.epoch) != (header.sender_id, header.sender_epoch):
        site.port.admit([replace(parent, id=header.sender_id, epoch=header.sender_epoch)], site.check)


def _apply(site: Site, reader: DeltaReader, found: Pairs) -> Applied:
    header, port, check = reader.header, site.port, site.check
    since = port.node.peer(PARENT).received
    theirs = [pair.parent for pair in found.pairs]
    arrival = port.arrive([pair.child for pair in found.pairs], theirs, check)
    try:
        for table in () if header.ack_only else theirs:
            lane = Lane(arrival, table.number)
            rows = lambda form, stop, table=table: reader.rows(table.number, table.names, "", stop)  # noqa: E731
            carry([Stream(rows, (lane,))], Format.ROWS, check)
            lane.raise_failure()
        shared = {table.number for table in theirs}
        whole = {t.tracked.number: t.where for t in header.tables if t.whole and t.tracked.number in shared}
        mark = since if header.ack_only else header.mark
        return arrival.apply_versions(since, mark, {} if header.ack_only else whole, _known(reader), check)
    finally:
        arrival.close()


def _known(reader: DeltaReader) -> Known:
    """What the parent has of this child, by the file."""
    header = reader.header
    held: dict[int, list[tuple[object, ...]]] = {}
    for number, image in header.held:
        table = header.table(number)
        if table is not None:
            held.setdefault(number, []).append(row_of(table.tracked.key, image))
    return Known(header.received.gen, held, header.received.token)
