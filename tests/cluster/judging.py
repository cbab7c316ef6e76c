"""What must hold after each run of a cluster that is attacked."""

import json

from syncd.model.cluster import Winner
from syncd.model.exchange import UNKNOWN_BASE
from syncd.repository.record import REFUSALS
from tests.cluster.ledger import as_in_image, marks_of, plain, row_of_record
from tests.cluster.playground import TABLES


def judge(play, before, members, *, clean):
    _judge_records(play, before, clean=clean)
    after = {name: play.contents(name) for name in before}
    play.ledger.observed(play.last["P"], play.last, after, clean=clean)
    for name, contents in after.items():
        for row, values in contents.items():
            assert _is_a_version(play, values), f"{name} holds {row} as nobody wrote it: {values}"
    if "P" not in play.open:
        _judge_cursors(play)
    if not clean:
        play.calm = None
        return
    for name in before:
        assert not play.world.everyone()[name].violations(), f"{name} breaks its own rules"
    aside = play.aside(before)
    _judge_refusals(play)
    for name in before:
        judge_equal(play, name, after, aside)
    play.rewound -= {member.child.repository for member in members}
    _judge_traffic(play, members, aside)


def _judge_traffic(play, members, aside):
    """What one child alone edited is never sent back to it, and goes to each other child once."""
    events = list(play.ledger.events.values())[play.calm :] if play.calm is not None else []
    whole = len(members) == len(play.world.children)
    if any(_gets_whole_tables(play, member) for member in members):
        events = []
    authors = {event.node for event in events}
    counted = sum(member.up.conflicts + member.up.same + member.up.held for member in members)
    if whole and len(authors) == 1 and not (aside or play.aside_before or counted):
        rows = len({event.row for event in events})
        for member in members:
            if member.child.repository in authors:
                assert not member.down.received, "a child gets its own edits back"
            else:
                assert member.down.received <= rows, "a child gets rows that nobody changed"
    play.calm = len(play.ledger.events) if whole else None
    play.aside_before = aside
    play.unheard -= {member.child.repository for member in members}


def _gets_whole_tables(play, member):
    """Is it brought into step with a whole table, also with rows that nobody changed?"""
    greeting, hello = member.greeting, member.hello
    return greeting.whole or greeting.rewound or hello.behind or member.child.repository in play.unheard


def _is_a_version(play, values):
    now = plain(values)
    return any(
        all(image.get(name, "None") == value for name, value in now.items())
        for image in play.ledger.images[values["mark"]]
    )


def judge_equal(play, name, after, aside):
    for row in after["P"].keys() | after[name].keys():
        ours, theirs = after["P"].get(row), after[name].get(row)
        same = (ours and _filled(ours)) == (theirs and _filled(theirs))
        assert same or row in aside, f"after a quiet run {name} has {row} as {theirs}, the parent as {ours}"


def _judge_cursors(play):
    """What a parent has received never falls within one life of both."""
    for peer in play.world.port("P").peers():
        life = (peer.name, peer.number)
        assert peer.received.gen >= play.received.get(life, -1), f"the cursor of {peer.name} fell"
        play.received[life] = peer.received.gen


def _judge_records(play, before, *, clean):
    """Who could have known the other's edit has no conflict with it."""
    if "P" in play.open:
        return
    for record in reversed(play.all_records()):
        if record["id"] <= play.records:
            continue
        play.records = record["id"]
        if record["kind"] in REFUSALS:
            # Not two edits of one row, but an edit and a rule.
            continue
        row, (ours, theirs) = row_of_record(record["tbl"], record["row_key"]), marks_of(record)
        assert record["parent_row"] != record["child_row"], f"equal rows are a conflict: {record}"
        # What fills a restored parent, or was edited without triggers, has no base, and may be tried again after that.
        baseless = (play.parent_restored or play.deaf) and record["base"] == UNKNOWN_BASE
        # Nobody knows what became of a row between the base and what the parent remembers: the child was away too long.
        forgotten = UNKNOWN_BASE < record["base"] < play.oldest
        # Rows that were counted anew because their triggers were gone meet what was edited before that.
        recounted = play.deaf and play.unheard
        if not (record["child"] in play.rewound or baseless or forgotten or recounted):
            assert _truly_concurrent(play, record["child"], row, ours, theirs, before, clean), (
                f"no conflict, but recorded: {record}"
            )
            _judge_columns(play, record, ours, theirs)
        if baseless and record["winner"] == "child" and theirs is not None:
            # The child may never have touched the row that it fills in, over an edit that the filled parent had got.
            play.ledger.decided(theirs, record["id"])
        if record["winner"] == "merged":
            play.ledger.merged(row_image(record), record["id"])


def _judge_refusals(play):
    """Every row that is set aside at the parent is an open conflict with a rule, and no other row is."""
    peers = play.world.port("P").peers()
    names = {peer.number: peer.name for peer in peers}
    numbers = {number: name for name, number in play.world.port("P").enrolled().items()}
    held = {(names[row["peer"]], numbers[row["tbl"]], row["row_key"]) for row in play.world.held()}
    told = {
        (record["child"], record["tbl"], record["row_key"])
        for record in play.all_records()
        if record["state"] == "open" and record["kind"] in REFUSALS
    }
    play.lives |= {(peer.name, peer.number) for peer in peers}
    # What a child that was restored since had sent is not tried again, and told of until a person looks.
    lived = [name for name, _ in play.lives]
    told -= {each for each in told - held if lived.count(each[0]) > 1}
    assert told == held, f"told of {told - held} and not of {held - told} that are set aside"


def _judge_columns(play, record, ours, theirs):
    """A merge takes a column that one side alone has changed from that side."""
    if not play.masks_known or play.world.policy.winner is not Winner.MERGE_FIELDS or None in (ours, theirs):
        return
    base = play.ledger.common(ours, theirs)
    rows = [json.loads(record[name]) for name in ("parent_row", "child_row", "merged_row") if record[name]]
    decided = rows[-1] if record["merged_row"] else rows[record["winner"] == "child"]
    for name in () if base is None else base.keys() - {"mark", *TABLES[record["tbl"]].key}:
        values = [as_in_image(row[name]) for row in (rows[0], rows[1], decided)]
        changed = [play.ledger.touched(mark, base, name) for mark in (ours, theirs)]
        if changed[0] != changed[1]:
            assert values[2] == values[changed[1]], f"{name} was taken from the wrong side: {record}"


def _truly_concurrent(play, child, row, ours, theirs, before, clean):
    if ours is not None and theirs is not None:
        return play.ledger.concurrent(ours, theirs)
    if not clean:
        return True
    if theirs is None:
        at_parent = before["P"].get(row)
        if row in before[child] or at_parent is None or at_parent["mark"] != ours:
            return True
        return not play.ledger.seen_of(ours).sure <= play.ledger.absent[child, row].sure
    deleted = play.ledger.absent["P", row]
    events = {event.id for event in play.ledger.of_row[row] if event.gone}
    known = events & deleted.maybe
    return bool(row in before["P"] or not known or not known <= play.ledger.seen_of(theirs).sure)


def row_image(record):
    """The decided row of a record."""
    return json.loads(record["merged_row"])


def _filled(values):
    """A row without columns that are empty: they may not be everywhere yet."""
    return {name: repr(value) for name, value in values.items() if value is not None}
