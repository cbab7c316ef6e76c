"""What an omniscient watcher knows of a history: every committed edit, and which edits each version has seen.

Every edit writes a mark of its own into its row, so the mark tells whose version a node holds. Vector clocks are kept here
alone; the engine knows nothing of them.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

from tests.cluster.playground import TABLES


@dataclass(frozen=True)
class Seen:
    """The edits that a version has seen: `sure` beyond doubt, `maybe` where it cannot be told."""

    sure: frozenset = frozenset()
    maybe: frozenset = frozenset()

    def plus(self, edit):
        return Seen(self.sure | {edit}, self.maybe | {edit})

    def __or__(self, other):
        return Seen(self.sure | other.sure, self.maybe | other.maybe)


@dataclass(frozen=True)
class Event:
    """One committed edit of one row, at one node. `order` counts all of them."""

    id: str
    node: str
    row: tuple
    gone: bool
    seen: Seen
    order: int


class Ledger:
    """All edits of a history."""

    def __init__(self):
        self.events = {}
        self.of_mark = defaultdict(list)
        self.of_row = defaultdict(list)
        self.images = defaultdict(list)
        self.absent = defaultdict(Seen)
        self.excused = set()
        self.known = set()
        self.plain = set()
        """Edits that were nothing but one update, so that it is known which columns they changed."""
        self._count = 0

    def mark(self):
        """A mark that no edit has."""
        self._count += 1
        return f"m{self._count}"

    def committed(self, node, before, after):
        """A user's transaction at a node turned one content into another."""
        for row in sorted(before.keys() | after.keys(), key=repr):
            old, new = before.get(row), after.get(row)
            if old == new or (old and new and old["mark"] == new["mark"]):
                assert old == new, f"an edit of {row} left no mark"
                continue
            base = self.seen(node, row, old)
            name = new["mark"] if new else self.mark()
            if new and self.of_mark[name]:
                name = f"{name}@{node}"
            event = Event(name, node, row, new is None, base.plus(name), len(self.events))
            self.events[name] = event
            self.of_row[row].append(event)
            if new:
                self.of_mark[new["mark"]].append(event)
                self.images[new["mark"]].append(plain(new))
            else:
                self.absent[node, row] = event.seen

    def seen(self, node, row, values):
        """What the version that a node holds of a row has seen."""
        if values is None:
            return self.absent[node, row]
        return self.seen_of(values["mark"])

    def seen_of(self, mark):
        """What a version with this mark has seen, wherever it is."""
        events = self.of_mark[mark]
        sure = frozenset.intersection(*(event.seen.sure for event in events))
        return Seen(sure, frozenset().union(*(event.seen.maybe for event in events)))

    def merged(self, image, number):
        """A decision made a new row out of two: its mark is that of one of them, but it has seen more."""
        self.images[image["mark"]].append({name: as_in_image(value) for name, value in image.items()})
        self.decided(image["mark"], number)

    def decided(self, mark, number):
        """The version with this mark is in force again by a decision, of which nobody knows who has seen the mark alone."""
        first = self.of_mark[mark][0]
        name = f"decision{number}"
        self.of_mark[mark].append(Event(name, "P", first.row, False, first.seen.plus(name), first.order))

    def observed(self, parent_before, before, after, clean):
        """A run moved rows between the parent ("P") and children; contents by node. `clean`: nobody edited meanwhile."""
        children = [name for name in after if name != "P"]
        rows = {row for contents in (*before.values(), *after.values()) for row in contents} | set(
            self.of_row
        )
        for row in rows:
            if row not in after["P"]:
                seen = self.absent["P", row]
                if row in parent_before:
                    seen = seen | self.seen_of(parent_before[row]["mark"])
                for name in children:
                    if row not in before[name] or row not in after[name]:
                        theirs = self.absent[name, row]
                        seen = Seen(seen.sure | (theirs.sure if clean else set()), seen.maybe | theirs.maybe)
                self.absent["P", row] = seen
            for name in children:
                if row not in after[name] and row not in after["P"]:
                    seen, ours = self.absent[name, row], self.absent["P", row]
                    if row in before[name]:
                        seen = seen | self.seen_of(before[name][row]["mark"])
                    self.absent[name, row] = Seen(
                        seen.sure | (ours.sure if clean else set()), seen.maybe | ours.maybe
                    )
            self.known |= self.seen("P", row, after["P"].get(row)).maybe

    def excuse(self, events):
        """These edits may be lost: a database was restored from a copy that has them not."""
        self.excused |= {event.id for event in events}

    def excuse_past(self, events):
        """These edits may be lost, and all that they have seen with them."""
        self.excused |= {name for event in events for name in event.seen.maybe}

    def heads(self, row):
        """The edits of a row that no later edit has seen."""
        events = [event for event in self.of_row[row] if event.id not in self.excused]
        return [
            event
            for event in events
            if not any(other is not event and event.id in other.seen.maybe for other in events)
        ]

    def concurrent(self, parent, child):
        """Could the versions with these marks have been made without knowing each other?"""
        return any(
            ours.id not in theirs.seen.sure and theirs.id not in ours.seen.sure
            for ours in self.of_mark[parent]
            for theirs in self.of_mark[child]
        )

    def common(self, ours, theirs):
        """The image of the version that both sides started from, None where it is not plain which that is."""
        both = [self.of_mark[mark] for mark in (ours, theirs)]
        if any(len(events) != 1 for events in both):
            return None
        known = both[0][0].seen.sure & both[1][0].seen.sure
        events = sorted((self.events[name] for name in known), key=lambda event: event.order)
        apart = (both[0][0].seen.maybe | both[1][0].seen.maybe) - known
        if not events or events[-1].seen.sure != known or not apart <= self.plain:
            return None
        images = self.images.get(events[-1].id, [])
        return images[0] if len(images) == 1 else None

    def touched(self, mark, base, column):
        """Has a version another value in a column than at the start, at any time since then?"""
        start = next(name for name, images in self.images.items() if images and images[0] is base)
        seen = self.of_mark[mark][0].seen.maybe - self.of_mark[start][0].seen.sure
        return any(self.images[name][0][column] != base[column] for name in seen)

    def unaccounted(self, contents, records, held):
        """Edits of which nothing tells what became of them. `contents` are the parent's, `held` rows set aside."""
        lost = []
        for row in self.of_row.keys() - held:
            seen = self.seen("P", row, contents.get(row)).maybe
            images = [image for both in records.get(row, ()) for image in both]
            # What may be lost need not be: who tells of it tells of all that it has seen.
            later = [each for each in self.of_row[row] if each.id in self.excused]
            lost += [
                head
                for head in self.heads(row)
                if not any(
                    _is_told(each, seen, images) for each in (head, *later) if head.id in each.seen.maybe
                )
            ]
        return lost


def _is_told(event, seen, images):
    """Is an edit among what the parent's row has seen, or in a record?"""
    return event.id in seen or (None if event.gone else event.id.partition("@")[0]) in images


def records_of(found):
    """The marks of both images (None: deleted) of each conflict record, by row."""
    by_row = defaultdict(list)
    for record in found:
        by_row[row_of_record(record["tbl"], record["row_key"])].append(marks_of(record))
    return by_row


def marks_of(record):
    """The marks of the parent's and of the child's image."""
    images = [json.loads(record[name]) if record[name] else None for name in ("parent_row", "child_row")]
    return tuple(image and image["mark"] for image in images)


def row_of_record(table, text):
    """The table and the key that a record or a refused row names."""
    table = table.rpartition(".")[2]
    key = json.loads(text)
    return table, tuple(key[name] for name in TABLES[table].key)


def plain(values):
    """A row so that it can be compared with one from a record."""
    return {name: as_in_image(value) for name, value in values.items()}


def as_in_image(value):
    """Values of any form as text that tells equal ones."""
    if isinstance(value, dict):
        import base64

        return repr(base64.b64decode(value["base64"])) if "base64" in value else value["float"]
    return repr(value)
