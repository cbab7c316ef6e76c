"""A source that also gives what a cluster captures at it: the rows that changed and the keys of those that are gone.

It stands around a connector's own source, which does the reading. Only a job without a check column, which copies a
table as it is, is fed so; whatever else is asked passes through.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from syncd.errors import FatalError
from syncd.model.batch import Batch, Format
from syncd.model.choice import override_key
from syncd.model.cursor import cursor_from_text
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Extract, Sums, Tuning, Window
from syncd.model.table import Table, TableName
from syncd.ports import Check, Comparable, Reading
from syncd.repository.feed import Feed, Place, find_feed, place_of
from syncd.repository.store import Store

CAPTURED: Final = "captured"
UNCAPTURED: Final = "the source is captured no more"


class Tracking(Comparable, Protocol):
    """A connector's own source, which also says which clusters keep something beside its tables."""

    def clusters(self) -> list[str]:
        """Their parts of names, as `slug_of` makes them; one cheap question."""
        ...


class FedReading:
    """A reading with the place that it leads to."""

    def __init__(self, inner: Reading, before: Place | None, after: Place, reset: str) -> None:
        """`before` is where the changes begin; None for a load of the whole table."""
        self.inner = inner
        self._before = before
        self._after = after
        self.table = inner.table
        self.mode = inner.mode if before is None else CAPTURED
        self.check_column: str | None = None
        self.reset = reset or inner.reset
        self.mark_from = None if before is None else str(before.mark.gen)
        self.rows_estimated = inner.rows_estimated
        self.warnings = inner.warnings

    @property
    def shared(self) -> bool:
        """May others join? Changes are read by one alone."""
        return self._before is None and self.inner.shared

    def on(self, inner: Reading) -> "FedReading":
        """The same on another connection that has joined."""
        return FedReading(inner, self._before, self._after, self.reset)

    def windows(self) -> Iterator[Window]:
        """The windows; changed rows meet older ones."""
        if self._before is None:
            return self.inner.windows()
        return iter([replace(each, text="changes", whole=False) for each in self.inner.windows()])

    def read(self, window: Window, form: Format, check: Check) -> Generator[Batch]:
        """The rows of one window."""
        return self.inner.read(window, form, check)

    def deleted(self, window: Window, check: Check) -> Iterator[Sequence[tuple[object, ...]]]:
        """The keys of rows that are gone, with the last window."""
        if self._before is None or self._goes_on(window):
            return iter(())
        return self.inner.deleted(window, check)

    def cursor(self, window: Window) -> str:
        """The place after this window; changes only count when all of them were read."""
        if not self._goes_on(window):
            return self._after.text
        if self._before is None:
            return replace(self._after, load=self.inner.cursor(window)).text
        return self._before.text

    @property
    def mark_to(self) -> str | None:
        """The generation that is reached."""
        return str(self._after.mark.gen)

    def close(self) -> None:
        """Give the snapshot back."""
        self.inner.close()

    def _goes_on(self, window: Window) -> bool:
        cursor = cursor_from_text(self.inner.cursor(window))
        return cursor is not None and cursor.loading


class FedSource:
    """One connector's source, and a second connection to the same database once a cluster is found there."""

    def __init__(self, inner: Tracking, open_store: Callable[[], Store]) -> None:
        self.inner = inner
        self.formats = inner.formats
        self.product = inner.product
        self.apart = inner.apart
        self._open_store = open_store
        self._store: Store | None = None

    def describe(self, relation: Relation) -> Table:
        """The columns and key of a table or query."""
        return self.inner.describe(relation)

    def identity(self, relation: Relation) -> str:
        """The one table that a relation reads."""
        return self.inner.identity(relation)

    def accounted(self, cursor: str) -> str | None:
        """The cursor as one before which all rows that are gone were let go; None when it is no place of a feed."""
        place = place_of(cursor)
        return None if place is None else replace(place, settled=True).text

    def unchanged(self, extracts: Sequence[Extract]) -> list[bool]:
        """For each: has nothing changed? A captured table's logs tell."""
        mine = [index for index, extract in enumerate(extracts) if place_of(extract.cursor) is not None]
        others = [extract for index, extract in enumerate(extracts) if index not in mine]
        answers = iter(self.inner.unchanged(others) if others else [])
        clusters = self.inner.clusters() if mine else []
        return [
            self._is_quiet(extract, clusters) if index in mine else next(answers)
            for index, extract in enumerate(extracts)
        ]

    def open(self, extract: Extract, formats: tuple[Format, ...], check: Check) -> Reading:
        """Count what was edited, take a snapshot, and read what changed since the cursor, or all."""
        feed, reason = self._feed(extract)
        if feed is not None:
            try:
                asked, before, after, reset = self._asked(feed, extract, check)
            except FatalError as error:
                # The user of a connection may read and not write: what is captured cannot be counted then.
                reason = error.message
            else:
                return FedReading(self.inner.open(asked, formats, check), before, after, reset)
        reading = self.inner.open(extract, formats, check)
        if place_of(extract.cursor) is not None and not reading.reset:
            reading.reset = f"{UNCAPTURED}: {reason}" if reason else UNCAPTURED
        return reading

    def join(self, reading: Reading) -> Reading:
        """Read windows of a shared reading on this connection."""
        if isinstance(reading, FedReading):
            return reading.on(self.inner.join(reading.inner))
        return self.inner.join(reading)

    def explain(self, extract: Extract) -> Mapping[str, object]:
        """What a run would read, for people; `captured` says by which cluster, and `not_captured` why by none."""
        feed, reason = self._feed(extract)
        if feed is None:
            facts = self.inner.explain(extract)
            return {**facts, "not_captured": reason} if reason else facts
        asked, _, _, _ = self._asked(feed, replace(extract, reader=""), lambda: None)
        return {**self.inner.explain(asked), "captured": feed.cluster}

    def key_range(self, relation: Relation, column: str) -> tuple[int, int, int]:
        """Rows, lowest and highest key."""
        return self.inner.key_range(relation, column)

    def sums(self, relation: Relation, chunks: Chunks, check: Check) -> Sums:
        """Rows and checksum of each chunk."""
        return self.inner.sums(relation, chunks, check)

    def rows_of(
        self, relation: Relation, columns: tuple[str, ...], chunks: Chunks | None, check: Check
    ) -> Generator[Batch]:
        """Columns of all rows, or of those in some chunks."""
        return self.inner.rows_of(relation, columns, chunks, check)

    def tables(self) -> list[TableName]:
        """All tables and views that may be read."""
        return self.inner.tables()

    def tune(self, tuning: Tuning) -> None:
        """How long a statement may go without progress, and who hears the statements."""
        self.inner.tune(tuning)

    def cancel(self) -> None:
        """Make whatever runs end soon."""
        self.inner.cancel()
        if self._store is not None:
            self._store.cancel()

    def close(self) -> None:
        """Give both connections back."""
        self._forget_store()
        self.inner.close()

    def _feed(self, extract: Extract, clusters: list[str] | None = None) -> tuple[Feed | None, str]:
        """What feeds the question; None, with the reason where a cluster knows the table."""
        table = extract.relation.table
        if table is None or not _fits(extract):
            return None, ""
        slugs = self.inner.clusters() if clusters is None else clusters
        if not slugs:
            self._forget_store()
            return None, ""
        try:
            if self._store is None:
                self._store = self._open_store()
            mine = override_key(self.inner.describe(extract.relation), extract.key)
            return find_feed(self._store, slugs, table, mine.key)
        except FatalError as error:
            self._forget_store()
            return None, error.message

    def _is_quiet(self, extract: Extract, clusters: list[str]) -> bool:
        place = place_of(extract.cursor)
        feed, _ = self._feed(extract, clusters)
        if feed is None or place is None or (extract.deletes and not place.settled):
            return False
        columns = self.inner.describe(extract.relation).shape
        return feed.is_quiet(place, columns, extract.reader, time.time(), lambda: None)

    def _asked(self, feed: Feed, extract: Extract, check: Check) -> tuple[Extract, Place | None, Place, str]:
        """The question to the connector's own source, the places before and after its answer, and a reason to start anew."""
        table = override_key(self.inner.describe(extract.relation), extract.key)
        place = place_of(extract.cursor)
        # A load that was interrupted goes on, and what changed since it began is read after it.
        after, reset = feed.begin(place, table.shape, extract.reader, time.time(), check)
        if place is None or reset:
            reset = reset or ("" if extract.cursor is None else "the source is captured now")
            return replace(extract, cursor=None), None, after, reset
        if place.load:
            return replace(extract, cursor=place.load), None, replace(place, load=""), ""
        # A source may have columns that a cluster leaves out: the table's own are asked for.
        whole = self.inner.describe(Relation(table=extract.relation.table))
        changes = feed.changes(place.mark.gen, table.key, whole.column_names)
        asked = replace(extract, cursor=None, changes=changes, single=True)
        return asked, place, replace(after, settled=place.settled and extract.deletes), ""

    def _forget_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def _fits(extract: Extract) -> bool:
    """Is it a whole table that no check column tells the changes of, and that is not loaded anew at each run?"""
    relation = extract.relation
    plain = relation.select is None and not relation.only_null and relation.within is None
    return plain and extract.keys is None and not extract.check_columns and not extract.single
