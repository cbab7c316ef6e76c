"""Delta files: a child that is not connected takes part by files, whatever becomes of them on their way."""

import shutil
from contextlib import closing

import pytest

from syncd.delta.downward import export_versions, import_versions
from syncd.delta.reading import DeltaReader
from syncd.delta.site import Site, Wish
from syncd.delta.upward import export_edits, import_edits
from syncd.errors import FatalError, NotFoundError
from syncd.model.cluster import Child, Cluster, ClusterTable, ConflictPolicy, Winner
from syncd.model.secret import Secret
from syncd.repository.replica import Replica
from tests.cluster.world import SqliteNode

CLUSTER = "redlands"
SCHEMA = "CREATE TABLE assets (id INTEGER PRIMARY KEY, name TEXT, note TEXT)"
PASS = lambda: None  # noqa: E731


class Sites:
    """A parent and children at sites of their own, with a folder in which files travel."""

    def __init__(self, folder, schema=SCHEMA, children=("truck",), tables=("assets",), **options):
        self.folder = folder
        self.nodes = {name: SqliteNode(folder / f"{name}.gpkg", schema) for name in ("P", *children)}
        entries = tuple(ClusterTable(table) for table in tables)
        members = tuple(Child(name, connected="false") for name in children)
        self.cluster = Cluster(CLUSTER, "P", "p", members, entries, **options)
        self.files = 0
        self.now = 1_700_000_000.0

    def site(self, name, child="truck"):
        member = next(one for one in self.cluster.children if one.repository == child)
        port = Replica(self.nodes[name].open(), CLUSTER, lambda: self.now)
        return Site(self.cluster, member, port, PASS, lambda: self.now)

    def path(self):
        self.files += 1
        return self.folder / f"file{self.files}.delta.gpkg"

    def down(self, child="truck", path=None, **wish):
        """The parent writes a file for a child."""
        path = path or self.path()
        site = self.site("P", child)
        with closing(site.port):
            self.exported = export_versions(site, path, Wish(**wish))
        return path

    def up(self, child="truck", **wish):
        """A child writes a file for the parent."""
        path = self.path()
        site = self.site(child, child)
        with closing(site.port):
            self.exported = export_edits(site, path, Wish(**wish))
        return path

    def take(self, name, path):
        """The parent ("P") or a child applies a file."""
        key = self.cluster.signing_key.reveal() if self.cluster.signing_key else None
        with closing(DeltaReader(path, key, PASS)) as reader:
            child = reader.header.sender if name == "P" else name
            site = self.site(name, child)
            with closing(site.port):
                return (import_edits if name == "P" else import_versions)(site, reader)

    def run(self, name, sql, values=()):
        return self.nodes[name].run(sql, values)

    def rows(self, name, table="assets"):
        return self.nodes[name].rows(table)

    def round(self, child="truck"):
        """Everything goes up and down once."""
        self.take("P", self.up(child))
        self.take(child, self.down(child))

    def close(self):
        for node in self.nodes.values():
            node.close()


@pytest.fixture
def sites(tmp_path):
    made = Sites(tmp_path)
    yield made
    made.close()


@pytest.fixture
def joined(sites):
    """Parent and child with one row, exchanged by a first file."""
    sites.run("P", "INSERT INTO assets VALUES (1, 'pump', NULL)")
    sites.take("truck", sites.down())
    return sites


def test_first_file_of_the_parent_holds_everything(sites):
    sites.run("P", "INSERT INTO assets VALUES (1, 'pump', NULL), (2, 'valve', 'x')")

    done = sites.take("truck", sites.down())

    assert sites.rows("truck") == sites.rows("P")
    assert done.counts.inserted == 2


def test_rows_that_the_child_has_at_first_are_offered_to_the_parent(sites):
    sites.run("P", "INSERT INTO assets VALUES (1, 'pump', NULL)")
    sites.run("truck", "INSERT INTO assets VALUES (2, 'valve', NULL)")

    sites.take("truck", sites.down())
    sites.take("P", sites.up())

    assert sites.rows("P") == sites.rows("truck") == [(1, "pump", None), (2, "valve", None)]


def test_child_that_received_nothing_has_nothing_to_export(sites):
    with pytest.raises(NotFoundError, match="has received nothing"):
        sites.up()


def test_edits_of_both_sides_arrive(joined):
    joined.run("truck", "INSERT INTO assets VALUES (7, 'hydrant', NULL)")
    joined.run("P", "UPDATE assets SET note = 'old' WHERE id = 1")

    joined.round()

    assert joined.rows("P") == joined.rows("truck") == [(1, "pump", "old"), (7, "hydrant", None)]


def test_deletions_arrive(joined):
    joined.run("P", "DELETE FROM assets")

    joined.round()

    assert joined.rows("truck") == []


def test_file_that_is_imported_twice_writes_nothing(joined):
    joined.run("P", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    path = joined.down()
    joined.take("truck", path)
    joined.run("truck", "DELETE FROM assets WHERE id = 2")

    done = joined.take("truck", path)

    assert done.repeated
    assert joined.rows("truck") == [(1, "pump", None)]


def test_edits_that_are_imported_twice_write_nothing(joined):
    joined.run("truck", "UPDATE assets SET note = 'a'")
    path = joined.up()
    joined.take("P", path)
    joined.run("P", "UPDATE assets SET note = 'b'")

    done = joined.take("P", path)

    assert done.repeated
    assert joined.rows("P") == [(1, "pump", "b")]


def test_lost_file_is_made_good_by_the_next_one(joined):
    joined.run("P", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    joined.down()
    joined.run("P", "INSERT INTO assets VALUES (3, 'gate', NULL)")
    joined.run("truck", "INSERT INTO assets VALUES (4, 'tap', NULL)")
    joined.up()
    joined.run("truck", "INSERT INTO assets VALUES (5, 'hose', NULL)")

    joined.take("P", joined.up())
    joined.take("truck", joined.down())

    assert joined.rows("P") == joined.rows("truck")
    assert len(joined.rows("P")) == 5


@pytest.mark.parametrize("side", ["P", "truck"])
def test_only_new_after_a_lost_file_is_refused_with_what_is_missing(joined, side):
    export, other = (joined.down, "truck") if side == "P" else (joined.up, "P")
    joined.run(side, "INSERT INTO assets VALUES (2, 'valve', NULL)")
    export()
    joined.run(side, "INSERT INTO assets VALUES (3, 'gate', NULL)")

    with pytest.raises(
        FatalError, match=r"a file is missing: this one needs generation \d+\.\.\d+"
    ) as caught:
        joined.take(other, export(only_new=True))

    assert caught.value.code == "file_missing"
    assert joined.rows(other) == [(1, "pump", None)]


@pytest.mark.parametrize("side", ["P", "truck"])
def test_only_new_files_in_order_bring_everything(joined, side):
    export, other = (joined.down, "truck") if side == "P" else (joined.up, "P")
    joined.run(side, "INSERT INTO assets VALUES (2, 'valve', NULL)")
    first = export()
    joined.run(side, "INSERT INTO assets VALUES (3, 'gate', NULL)")
    second = export(only_new=True)

    assert joined.exported.rows == {"assets": 1}
    joined.take(other, first)
    joined.take(other, second)
    assert joined.rows(other) == joined.rows(side)


def test_file_that_arrives_late_is_known_to_be_applied(joined):
    joined.run("P", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    first = joined.down()
    joined.run("P", "UPDATE assets SET note = 'new' WHERE id = 2")
    joined.take("truck", joined.down())

    done = joined.take("truck", first)

    assert done.repeated
    assert joined.rows("truck") == joined.rows("P")


def test_both_directions_may_be_on_their_way(joined):
    joined.run("P", "UPDATE assets SET note = 'parent'")
    joined.run("truck", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    down, up = joined.down(), joined.up()
    joined.run("P", "INSERT INTO assets VALUES (3, 'gate', NULL)")
    joined.run("truck", "UPDATE assets SET note = 'mine' WHERE id = 2")

    joined.take("truck", down)
    joined.take("P", up)
    joined.round()

    assert joined.rows("P") == joined.rows("truck")
    assert joined.rows("P") == [(1, "pump", "parent"), (2, "valve", "mine"), (3, "gate", None)]


def test_repeated_edit_does_not_undo_what_the_parent_made_of_it(joined):
    joined.run("truck", "UPDATE assets SET note = 'truck'")
    joined.take("P", joined.up())
    joined.run("P", "UPDATE assets SET note = 'later'")
    joined.run("truck", "INSERT INTO assets VALUES (2, 'valve', NULL)")

    joined.take("P", joined.up())

    assert joined.rows("P") == [(1, "pump", "later"), (2, "valve", None)]
    assert joined.run("P", "SELECT count(*) FROM syncd_redlands_conflicts") == [(0,)]


def test_conflict_is_settled_at_the_parent_and_reaches_the_child(joined):
    joined.run("P", "UPDATE assets SET note = 'parent'")
    joined.run("truck", "UPDATE assets SET note = 'truck'")

    joined.round()

    assert joined.rows("P") == joined.rows("truck") == [(1, "pump", "parent")]
    assert joined.run("P", "SELECT count(*) FROM syncd_redlands_conflicts") == [(1,)]


def test_acknowledgement_alone_shortens_the_next_file(joined):
    joined.run("P", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    joined.take("truck", joined.down())
    joined.run("P", "INSERT INTO assets VALUES (3, 'gate', NULL)")
    joined.take("P", joined.up(ack_only=True))

    joined.down()

    assert joined.exported.rows == {"assets": 1}


def test_acknowledgement_of_the_parent_shortens_the_childs_next_file(joined):
    joined.run("truck", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    joined.take("P", joined.up())
    joined.run("truck", "INSERT INTO assets VALUES (3, 'gate', NULL)")
    joined.take("truck", joined.down(ack_only=True))

    joined.up()

    assert joined.exported.rows == {"assets": 1}


def test_quiet_exchange_moves_nothing(joined):
    joined.round()
    joined.round()

    joined.up()
    assert joined.exported.rows == {"assets": 0}
    joined.down()
    assert joined.exported.rows == {"assets": 0}


def test_file_that_was_cut_off_anywhere_is_refused(joined):
    joined.nodes["P"].connection.executemany(
        "INSERT INTO assets VALUES (?, ?, ?)", [(n, f"asset {n}", "n" * 50) for n in range(2, 600)]
    )
    path = joined.down()
    whole = path.read_bytes()
    cut = joined.path()
    before = joined.rows("truck")

    refused = 0
    for size in range(0, len(whole), 4096):
        cut.write_bytes(whole[:size])
        with pytest.raises(FatalError):
            joined.take("truck", cut)
        refused += 1

    assert refused > 8
    assert joined.rows("truck") == before
    joined.take("truck", path)
    assert joined.rows("truck") == joined.rows("P")


def test_file_that_was_altered_is_refused(joined):
    import sqlite3

    joined.run("P", "INSERT INTO assets VALUES (2, 'valve', NULL)")
    path = joined.down()
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE assets SET name = 'gold' WHERE id = 2")
        file.commit()

    with pytest.raises(FatalError) as caught:
        joined.take("truck", path)

    assert caught.value.code == "delta_damaged"
    assert joined.rows("truck") == [(1, "pump", None)]


@pytest.mark.parametrize("written", [None, Secret("another")], ids=["unsigned", "other key"])
def test_file_without_the_right_signature_is_refused(tmp_path, written):
    sites = Sites(tmp_path, signing_key=written)
    path = sites.down()
    from dataclasses import replace

    sites.cluster = replace(sites.cluster, signing_key=Secret("right"))

    with pytest.raises(FatalError) as caught:
        sites.take("truck", path)
    good = sites.take("truck", sites.down())

    assert caught.value.code == "bad_signature"
    assert not good.repeated
    sites.close()


def test_text_that_is_no_file_of_ours_is_refused(joined):
    path = joined.path()
    path.write_text("hello")

    with pytest.raises(FatalError) as caught:
        joined.take("truck", path)

    assert caught.value.code == "no_delta_file"


def test_file_for_another_child_is_refused(tmp_path):
    sites = Sites(tmp_path, children=("truck", "boat"))
    path = sites.down("truck")

    with pytest.raises(FatalError) as caught, closing(DeltaReader(path, None, PASS)) as reader:
        import_versions(sites.site("boat", "boat"), reader)

    assert caught.value.code == "other_repository"
    sites.close()


def test_file_for_the_database_before_this_one_is_refused(joined, tmp_path):
    joined.take("P", joined.up())
    fresh = SqliteNode(tmp_path / "fresh.gpkg", SCHEMA)
    old, joined.nodes["truck"] = joined.nodes["truck"], fresh

    with pytest.raises(FatalError) as caught:
        joined.take("truck", joined.down())

    assert caught.value.code == "identity"
    assert fresh.rows("assets") == []
    old.close()


def copy_of(node, path):
    node.run("VACUUM INTO ?", (str(path),))
    return path


def test_child_that_was_restored_is_noticed_and_starts_anew(joined, tmp_path):
    backup = copy_of(joined.nodes["truck"], tmp_path / "backup.gpkg")
    joined.run("truck", "INSERT INTO assets VALUES (2, 'sent before', NULL)")
    joined.take("P", joined.up())
    joined.nodes["truck"].close()
    shutil.copy(backup, tmp_path / "restored.gpkg")
    joined.nodes["truck"] = SqliteNode(tmp_path / "restored.gpkg", "")
    joined.run("truck", "INSERT INTO assets VALUES (3, 'after', NULL)")

    with pytest.raises(FatalError):
        joined.take("P", joined.up())
    with pytest.raises(FatalError, match="restored") as caught:
        joined.take("truck", joined.down())
    joined.round()

    assert caught.value.code == "identity"
    assert joined.rows("truck") == joined.rows("P")
    assert joined.rows("P") == [(1, "pump", None), (2, "sent before", None), (3, "after", None)]


def test_parent_that_was_restored_is_noticed(joined, tmp_path):
    backup = copy_of(joined.nodes["P"], tmp_path / "backup.gpkg")
    joined.run("P", "INSERT INTO assets VALUES (2, 'lost', NULL)")
    joined.take("truck", joined.down())
    joined.run("truck", "INSERT INTO assets VALUES (9, 'mine', NULL)")
    joined.nodes["P"].close()
    joined.nodes["P"] = SqliteNode(backup, "")

    with pytest.raises(FatalError) as caught:
        joined.take("P", joined.up())

    assert caught.value.code == "parent_restored"
    assert joined.rows("P") == [(1, "pump", None)]


def test_failed_export_leaves_nothing_behind(joined):
    with pytest.raises(FatalError) as caught:
        joined.down(path=joined.folder / "missing" / "file")

    assert caught.value.code == "file_not_written"
    assert list(joined.folder.glob(".*.part")) == []


def test_policy_of_the_parent_holds_for_edits_by_file(tmp_path):
    sites = Sites(tmp_path, conflict=ConflictPolicy(Winner.CHILD))
    sites.run("P", "INSERT INTO assets VALUES (1, 'pump', NULL)")
    sites.take("truck", sites.down())
    sites.run("P", "UPDATE assets SET note = 'parent'")
    sites.run("truck", "UPDATE assets SET note = 'truck'")

    sites.round()

    assert sites.rows("P") == sites.rows("truck") == [(1, "pump", "truck")]
    sites.close()
