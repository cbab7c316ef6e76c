"""Whatever becomes of delta files on their way, both sides are equal once some arrive."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import FatalError
from syncd.model.cluster import ConflictPolicy, Winner
from tests.cluster.test_delta_files import Sites

CHILDREN = ("truck", "boat")
SCHEMA = "CREATE TABLE assets (id INTEGER PRIMARY KEY, name TEXT, note TEXT)"

edits = st.tuples(
    st.just("edit"),
    st.sampled_from(("P", *CHILDREN)),
    st.integers(1, 4),
    st.sampled_from(("put", "note", "delete")),
)
exports = st.tuples(
    st.sampled_from(("down", "up")),
    st.sampled_from(CHILDREN),
    st.sampled_from(("plain", "only_new", "ack_only")),
)
imports = st.tuples(st.just("take"), st.integers(0, 30))
histories = st.lists(st.one_of(edits, exports, imports), max_size=40)
policies = st.sampled_from([Winner.PARENT, Winner.CHILD])


class History:
    """Plays steps: files are kept, so that one may be lost, or applied late or again."""

    def __init__(self, folder, policy):
        self.sites = Sites(folder, SCHEMA, CHILDREN, conflict=ConflictPolicy(policy))
        self.sites.run("P", "INSERT INTO assets VALUES (1, 'first', NULL)")
        self.written = 0
        self.mail = []
        for child in CHILDREN:
            self.sites.take(child, self.sites.down(child))

    def play(self, step):
        match step:
            case ("edit", node, key, what):
                self.edit(node, key, what)
            case ("take", number) if self.mail:
                to, path = self.mail[number % len(self.mail)]
                self.take(to, path)
            case ("down" | "up" as way, child, wish):
                options = {} if wish == "plain" else {wish: True}
                path = self.sites.down(child, **options) if way == "down" else self.sites.up(child, **options)
                self.mail.append((child if way == "down" else "P", path))

    def edit(self, node, key, what):
        self.written += 1
        value = f"{node}{self.written}"
        match what:
            case "put":
                self.sites.run(node, "INSERT OR REPLACE INTO assets VALUES (?, ?, NULL)", (key, value))
            case "note":
                self.sites.run(node, "UPDATE assets SET note = ? WHERE id = ?", (value, key))
            case "delete":
                self.sites.run(node, "DELETE FROM assets WHERE id = ?", (key,))

    def take(self, to, path):
        try:
            self.sites.take(to, path)
        except FatalError as error:
            if error.code != "file_missing":
                raise

    def settle(self):
        """Two rounds in which everything arrives."""
        for _ in range(2):
            for child in CHILDREN:
                self.sites.take("P", self.sites.up(child))
            for child in CHILDREN:
                self.sites.take(child, self.sites.down(child))


@pytest.mark.timeout(600)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories, policies)
def test_lost_repeated_and_reordered_files_end_in_equal_repositories(steps, policy):
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder), policy)
        for step in steps:
            history.play(step)

        history.settle()

        sites = history.sites
        assert sites.rows("P") == sites.rows("truck") == sites.rows("boat")
        for child in CHILDREN:
            assert sites.take("P", sites.up(child)).counts.received == 0
            assert sites.take(child, sites.down(child)).counts.received == 0
        sites.close()
