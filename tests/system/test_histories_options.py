"""Random histories under the options that change what a destination promises, with stops at random points.

Whatever happened: after two quiet runs the destination holds what its options promise of the source.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.connectors.postgresql import source as source_module
from syncd.errors import SyncdError
from syncd.model.options import Deletes, Verify, Write
from syncd.model.run import Status
from syncd.model.table import TableName
from syncd.model.writing import StepKey
from tests.stores import Pair
from tests.system.test_replication_histories import EXAMPLES, Crash

NUMBERS = st.integers(1, 9)
POISON = "poison"


@dataclass(frozen=True)
class Put:
    """A row is inserted or changed; its mark grows, ties with the last, is NULL or in the future.

    A row that the destination does not know may also have an old mark.
    """

    number: int
    stamp: str
    bad: bool


@dataclass(frozen=True)
class Gone:
    """A row is deleted."""

    number: int


@dataclass(frozen=True)
class Renamed:
    """A row gets another key, and a new mark or none."""

    number: int
    other: int
    grows: bool


@dataclass(frozen=True)
class Run:
    """A run; with `at` it is stopped or dies after so many looks."""

    at: int | None
    kind: str


STAMPS = st.sampled_from(["grow", "grow", "grow", "tie", "old", "null", "future"])
RUNS = st.builds(Run, st.one_of(st.none(), st.integers(0, 30)), st.sampled_from(["check", "emit"]))
ACTIONS = st.one_of(
    st.builds(Put, NUMBERS, STAMPS, st.booleans()),
    st.builds(Put, NUMBERS, STAMPS, st.just(False)),
    st.builds(Gone, NUMBERS),
    st.builds(Renamed, NUMBERS, NUMBERS, st.booleans()),
    RUNS,
    RUNS,
)
HISTORIES = st.lists(ACTIONS, min_size=3, max_size=20)


@dataclass(frozen=True)
class Promise:
    """Options, and whether the destination refuses some rows."""

    options: dict[str, Any]
    strict: bool = False
    key: str = "number"


FREE = {"max_delete_percent": 100.0, "allow_empty": True}
PROMISES = {
    "hard": Promise({"deletes": Deletes.HARD, **FREE}),
    "hard, text keys": Promise({"deletes": Deletes.HARD, **FREE}, key="text"),
    "soft": Promise({"deletes": Deletes.SOFT, **FREE}),
    "history": Promise({"write": Write.HISTORY, "deletes": Deletes.HARD, **FREE}),
    "quarantine": Promise({"quarantine": True, "deletes": Deletes.HARD, **FREE}, strict=True),
    "quarantine, soft": Promise({"quarantine": True, "deletes": Deletes.SOFT, **FREE}, strict=True),
    "quarantine, text keys": Promise(
        {"quarantine": True, "deletes": Deletes.HARD, **FREE}, strict=True, key="text"
    ),
    "quarantine, history": Promise(
        {"quarantine": True, "write": Write.HISTORY, "deletes": Deletes.HARD, **FREE}, strict=True
    ),
}
KEYS = ("a", "A", "a ", "", "ä", "\N{GRINNING FACE}", "x'y", "tab\there", "\\N", "0")
"""The keys of text, by number."""


@dataclass
class World:
    """A pair of stores, what is promised, and what happened."""

    pair: Pair
    promise: Promise
    tick: int = 0
    writes: int = 0
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pair.window_rows = 4
        source = self.pair.source
        for store in (source, self.pair.destination):
            for name in ("t", "syncd_cursors", "syncd_rejects"):
                store.execute(f"DROP TABLE IF EXISTS {name}")
        key = source.text if self.promise.key == "text" else source.integer
        source.execute(
            f"CREATE TABLE t (id {key} NOT NULL PRIMARY KEY, v {source.text}, updated {source.stamp})"
        )
        if self.promise.strict:
            self.make_strict()

    def make_strict(self) -> None:
        """The table is made by a first run, as it should be, and then refuses some rows."""
        self.pair.ok(**self.promise.options)
        if self.pair.destination.type == "postgresql":
            self.pair.destination.execute(f"ALTER TABLE t ADD CHECK (v NOT LIKE '{POISON}%')")
            return
        made = self.pair.destination.rows("SELECT sql FROM sqlite_master WHERE name = 't'")[0][0].rstrip()
        self.pair.destination.execute("DROP TABLE t")
        self.pair.destination.execute(f"{made[:-1]}, CHECK (v NOT LIKE '{POISON}%'))")

    def key(self, number: int) -> Any:
        """The key of that number."""
        return KEYS[number] if self.promise.key == "text" else number

    def change(self, sql: str, *values: Any) -> None:
        """Run a statement at the source."""
        mark = "?" if self.pair.source.type == "sqlite" else "%s"
        self.pair.source.execute(sql.replace("?", mark), values)

    def act(self, action: Any) -> None:
        """Let it happen."""
        self.writes += 1
        match action:
            case Put(number, stamp, bad):
                value = f"{POISON if bad else 'v'} {self.writes}"
                self.change("DELETE FROM t WHERE id = ?", self.key(number))
                mark = self.stamp("grow" if stamp == "old" and self.knows(number) else stamp)
                self.change("INSERT INTO t VALUES (?, ?, ?)", self.key(number), value, mark)
            case Gone(number):
                self.change("DELETE FROM t WHERE id = ?", self.key(number))
            case Renamed(number, other, grows):
                self.change("DELETE FROM t WHERE id = ? AND id <> ?", self.key(other), self.key(number))
                self.change("UPDATE t SET id = ? WHERE id = ?", self.key(other), self.key(number))
                if grows or self.knows(other):
                    self.change("UPDATE t SET updated = ? WHERE id = ?", self.stamp("grow"), self.key(other))
            case Run():
                self.run(action)

    def knows(self, number: int) -> bool:
        """Was the key ever at the destination? A change of its row shows by a new mark alone."""
        try:
            return (self.key(number),) in self.pair.destination.rows("SELECT id FROM t")
        except (sqlite3.Error, psycopg.Error):
            return False

    def stamp(self, kind: str) -> str | None:
        """A mark."""
        self.tick += kind == "grow"
        tick = max(0, self.tick - 2) if kind == "old" else self.tick
        if kind == "future":
            return "2099-01-01 00:00:00"
        return None if kind == "null" else f"2026-01-01 00:00:00.{tick:06}"

    def run(self, action: Run) -> None:
        """One run that may die; its connections are thrown away, as a killed process would."""
        looks = 0

        def look(*_: Any) -> None:
            nonlocal looks
            looks += 1
            if action.at is not None and looks > action.at:
                raise Crash

        with suppress(Crash, SyncdError):
            if action.kind == "check":
                self.pair.run(stop=look, **self.promise.options)
            else:
                self.pair.run(tell=look, **self.promise.options)

    def settle(self) -> bool:
        """Two quiet runs, and a third that has nothing to do; is a comparison content?"""
        for _ in range(2):
            outcome = self.pair.run(**self.promise.options)
            assert outcome.status in {Status.OK, Status.PARTIAL}, outcome.failure
            assert outcome.counters.balanced
        self.judge()
        last = self.pair.run(**self.promise.options).counters
        assert (last.inserted, last.updated, last.deleted) == (0, 0, 0)
        self.judge()
        if not self.set_aside():
            return bool(self.pair.ok(**self.promise.options, verify=Verify.CHECKSUM).steps[0].verdict.same)
        return True

    def set_aside(self) -> dict[Any, str]:
        """The values of the rows that were set aside, by key."""
        with self.pair.ports() as (_, destination):
            found = destination.rejects(StepKey("job", "t", TableName("t")))
        assert len({reject.key for reject in found}) == len(found)
        return {json.loads(reject.key)[0]: json.loads(reject.values)[1] for reject in found}

    def judge(self) -> None:
        """The destination holds what is promised."""
        wanted = dict(self.pair.source.rows("SELECT id, v FROM t"))
        aside = self.set_aside()
        bad = {key: value for key, value in wanted.items() if value.startswith(POISON)}
        assert set(aside) == (set(bad) if self.promise.strict else set())
        present = self.present()
        # A row that turned bad keeps its old self.
        good = {key: value for key, value in wanted.items() if key not in aside}
        assert {key: value for key, value in present.items() if key not in aside} == good
        assert set(present) <= set(wanted)
        if self.promise.options.get("write") is Write.HISTORY:
            self.judge_versions()

    def present(self) -> dict[Any, str]:
        """The rows that the destination shows as being there."""
        where = ""
        if self.promise.options.get("write") is Write.HISTORY:
            where = "WHERE _syncd_end IS NULL"
        elif self.promise.options["deletes"] is Deletes.SOFT:
            where = "WHERE _syncd_deleted_at IS NULL"
        rows = self.pair.destination.rows(f"SELECT id, v FROM t {where}")
        assert len(dict(rows)) == len(rows)
        return dict(rows)

    def judge_versions(self) -> None:
        """The versions of a key follow each other and never overlap; the last alone may be active."""
        versions: dict[Any, list[tuple[Any, Any, Any]]] = {}
        found = self.pair.destination.rows(
            "SELECT id, _syncd_start, _syncd_end, _syncd_active FROM t ORDER BY id, _syncd_start"
        )
        for key, since, until, active in found:
            versions.setdefault(key, []).append((since, until, active))
        for each in versions.values():
            for (_, until, active), (since, _, _) in pairwise(each):
                assert until is not None
                assert until <= since
                assert not active
            assert all(until is None or since < until for since, until, _ in each)
            assert all(bool(active) is (until is None) for _, until, active in each)


@pytest.fixture(params=["sqlite>sqlite", pytest.param("postgresql>postgresql", marks=pytest.mark.postgresql)])
def stores(
    request: pytest.FixtureRequest, make_store: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Pair:
    """Two stores of one product."""
    monkeypatch.setattr(source_module, "SETTLE_SECONDS", 0.02)
    source, destination = request.param.split(">")
    return Pair(make_store(source), make_store(destination))


@pytest.mark.parametrize("promise", PROMISES)
def test_any_history_ends_as_the_options_promise(stores: Pair, promise: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(HISTORIES)
    def keeps(history: list[Any]) -> None:
        world = World(stores, PROMISES[promise])
        for action in history:
            world.act(action)
        assert world.settle()

    keeps()
