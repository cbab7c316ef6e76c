"""A child's edits to the parent by file: written at the child's site, consolidated at the parent's."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from syncd.delta.ends import FileChild
from syncd.delta.geometry import geometry_of
from syncd.delta.header import Cargo, DeltaTable, Header, tables_of
from syncd.delta.judging import Verdict, check_address, judge
from syncd.delta.logbook import Logbook, Way
from syncd.delta.reading import DeltaReader
from syncd.delta.sharing import enrolled, tables_for
from syncd.delta.site import Exported, Imported, Site, Wish, exported
from syncd.delta.writing import DeltaWriter
from syncd.engine.exchange import Exchange
from syncd.engine.filters import conditions_of, narrowed
from syncd.engine.member import Member
from syncd.engine.pairing import Pair
from syncd.errors import FatalError, NotFoundError
from syncd.model.batch import Batch, Format, tuples_of
from syncd.model.exchange import NOTHING_RECEIVED, Block, Hello, Mark, Peer, Role
from syncd.repository.departure import NodeDeparture
from syncd.repository.node import PARENT

GEN: Final = 1
"""Where the generation stands among the facts of an edit."""


def export_edits(site: Site, path: Path, wish: Wish) -> Exported:
    """At a child: write all edits that the parent has not acknowledged.

    Raises:
        NotFoundError: the child has received nothing yet.
        BusyError: an import goes on.
        FatalError: the file cannot be written, or would take the place of one that is no delta file of this cluster.
    """
    port, check = site.port, site.check
    with site.held(), closing(DeltaWriter(path, Cargo.EDITS, site.cluster.name, site.key)) as writer:
        found = enrolled(site, _known_tables(site), whole=False)
        since = _since(site, wish)
        tables = tables_for(found.pairs, Cargo.EDITS)
        writer.add_tables(tables, geometry_of(port.store, tables))
        # What the parent holds back is no loss in the file: the parent knows that it has it.
        departure = port.depart(Role.CHILD, NOTHING_RECEIVED, {}, check)
        try:
            for pair in () if wish.ack_only else found.pairs:
                if pair.child.captured:
                    _write(site, writer, departure, pair, since.gen)
            departure.seal(check)
        finally:
            departure.close()
        header = writer.finish(_header(site, departure.mark, since, wish), check)
    if not wish.ack_only:
        Logbook(port).note(site.cluster.parent, Way.OUT, [header.mark], "", check)
    return exported(path, header)


def import_edits(site: Site, reader: DeltaReader) -> Imported:
    """At the parent: consolidate a child's edits.

    Raises:
        BusyError: the cluster is being synchronised.
        FatalError: the file does not follow on what is here, or is not for this repository; nothing was applied.
    """
    header, port = reader.header, site.port
    name = site.child.repository
    mine = port.hello()
    check_address(header, site.cluster, site.cluster.parent, mine.id if mine else "", str(reader.path))
    peer = next((peer for peer in port.peers() if peer.name == name), Peer(name, 0))
    book = Logbook(port)
    result = Imported(reader.path, header.kind, header.sender, name, header.mark)
    if (peer.id or header.sender_id, peer.epoch or header.sender_epoch) == (
        header.sender_id,
        header.sender_epoch,
    ):
        known = book.knows(name, header.mark)
        if judge(header, peer.received, peer.sent, known, str(reader.path)) is Verdict.REPEATED:
            return replace(result, repeated=True)
    member = Member(site.child, FileChild(_hello(header, peer), [t.tracked for t in header.tables], reader))
    exchange = Exchange(site.cluster, port, [member], site.wheres, site.check, site.now)
    with site.held():
        exchange.meet()
        _go_on(member)
        if not header.ack_only:
            book.note(
                name, Way.IN, [mark for mark in header.marks if mark.gen > peer.received.gen], "", site.check
            )
            exchange.gather()
            _go_on(member)
        _acknowledge(site, member, header)
    return replace(result, counts=member.up, warnings=tuple(member.warnings))


def _known_tables(site: Site) -> tuple[DeltaTable, ...]:
    """The parent's tables as its newest file told of them."""
    entries = Logbook(site.port).entries(site.cluster.parent, Way.IN) if site.port.node.exists else []
    told = next((entry.facts for entry in reversed(entries) if entry.facts), "")
    if not told:
        raise NotFoundError(
            f"'{site.child.repository}' has received nothing of '{site.cluster.parent}' yet, so it does not know what to send",
            hint=f"import the parent's first file: syncd import {site.cluster.name} FILE",
            code="nothing_received",
        )
    return tables_of(told)


def _since(site: Site, wish: Wish) -> Mark:
    """The state from which on the file has everything: what the parent acknowledged, or what is in an earlier file."""
    acknowledged = site.port.node.peer(PARENT).sent
    out = Logbook(site.port).entries(site.cluster.parent, Way.OUT) if wish.only_new else []
    return max([acknowledged, *(entry.mark for entry in out)], key=lambda mark: mark.gen)


def _write(site: Site, writer: DeltaWriter, departure: NodeDeparture, pair: Pair, since: int) -> None:
    with closing(departure.edits(pair.child, Format.ROWS, site.check)) as blocks:
        for block in blocks:
            site.check()
            rows = tuples_of(Batch(block.format, block.data, block.rows))
            fresh = [row for row in rows if int(str(row[GEN])) > since]
            writer.write(Block(block.table, block.format, fresh, len(fresh)))


def _header(site: Site, mark: Mark, since: Mark, wish: Wish) -> Header:
    port = site.port
    hello, parent = port.hello(), port.node.peer(PARENT)
    if hello is None:
        raise FatalError(f"{port.place} was not enrolled")
    return Header(
        cluster=site.cluster.name,
        kind=Cargo.EDITS,
        sender=site.child.repository,
        sender_id=hello.id,
        sender_epoch=hello.epoch,
        receiver=site.cluster.parent,
        receiver_id=parent.id,
        receiver_epoch=parent.epoch,
        since=since,
        mark=mark,
        received=hello.received,
        marks=tuple(
            each for each in port.node.marks(min(since.gen, parent.sent.gen)) if each.gen <= mark.gen
        ),
        oldest_base=hello.oldest_base,
        ack_only=wish.ack_only,
    )


def _hello(header: Header, peer: Peer) -> Hello:
    """What the child says, by its file."""
    return Hello(
        id=header.sender_id,
        epoch=header.sender_epoch,
        role=Role.CHILD,
        name=header.sender,
        mark=header.mark,
        received=header.received,
        recalled=header.token(peer.received.gen),
        oldest_base=header.oldest_base,
        changed=True,
    )


def _go_on(member: Member) -> None:
    if member.failure is not None:
        raise member.failure


def _acknowledge(site: Site, member: Member, header: Header) -> None:
    """Keep what the child said it has of the parent."""
    peer = next(each for each in site.port.peers() if each.name == member.peer.name)
    sent = header.received
    told = [entry.facts for entry in Logbook(site.port).entries(peer.name, Way.OUT) if entry.mark == sent]
    floor = max(sent.gen, 0) if header.oldest_base is None else min(max(sent.gen, 0), header.oldest_base)
    # A table without part in the child's file does not follow: the child gets it whole when it is there again.
    shared = {table.tracked.number for table in header.tables}
    filters = told[-1] if told else peer.filters
    filters = narrowed(filters, shared, conditions_of(filters).keys())
    fresh = replace(peer, sent=sent, floor=floor, filters=filters, last_seen=site.now())
    site.port.admit([fresh], site.check)
