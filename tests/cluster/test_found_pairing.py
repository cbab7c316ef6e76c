"""What a review found about tables that come and go, and about who is who."""

import sqlite3
import threading
from contextlib import closing

import pytest

from syncd.errors import TransientError
from syncd.model.cluster import ClusterTable, Combine, ConflictPolicy, Winner
from syncd.model.exchange import Role
from syncd.repository import node
from syncd.worker import watching
from syncd.worker.wire import Place
from tests.cluster.nodes import PRODUCTS, make_node
from tests.cluster.office import Office
from tests.cluster.world import SqliteNode, World

TWO = "CREATE TABLE t(id INTEGER PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u(id INTEGER PRIMARY KEY)"
MISFIT = "ALTER TABLE t ADD COLUMN must VARCHAR(9) DEFAULT '' NOT NULL"
FIT = "ALTER TABLE t DROP COLUMN must"


@pytest.fixture
def start(tmp_path):
    """Makes a cluster of SQLite files."""
    made = []

    def make(schema=TWO, names=("P", "c0"), tables=("t", "u"), policy=None, **options):
        nodes = {name: SqliteNode(tmp_path / f"{name}.db", schema) for name in names}
        made.append(World(nodes.pop("P"), nodes, tables, policy, **options))
        return made[-1]

    yield make
    for world in made:
        close(world)


def close(world):
    world.close_ports()
    for one in world.everyone().values():
        one.close()


def everywhere(world, table="t"):
    """What all hold, which is the same."""
    found = [one.rows(table) for one in world.everyone().values()]
    assert found == [found[0]] * len(found)
    return found[0]


def test_a_table_that_is_busy_for_a_moment_fails_the_child_and_loses_no_edit(start, monkeypatch):
    world = start()
    world.parent.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    world.sync()
    child, store = world.children["c0"], world.port("c0").store
    child.run("DELETE FROM t WHERE id = 1")
    child.run("UPDATE t SET v = 'edited' WHERE id = 2")

    def locked(name):
        raise TransientError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(store, "table", locked)
        (member,) = world.sync(strict=False)
    assert isinstance(member.failure, TransientError)
    world.sync()

    assert everywhere(world) == [(2, "edited")]
    assert world.conflicts() == []


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("product", PRODUCTS)
def test_edits_in_a_table_that_does_not_fit_for_a_while_wait_until_it_does(product, tmp_path, request):
    def server(kind):
        return request.getfixturevalue("postgres" if kind == "postgresql" else "mariadb")

    nodes = {name: make_node(product, TWO, tmp_path, name, server) for name in ("P", "c0", "c1")}
    world = World(nodes.pop("P"), nodes, ("t", "u"))
    child = world.children["c0"]
    world.parent.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
    world.sync()
    child.run("DELETE FROM t WHERE id = 1")
    child.run("UPDATE t SET v = 'edited' WHERE id = 2")
    world.parent.run(MISFIT)

    (first, *_) = world.sync()
    child.run("INSERT INTO t VALUES (5, 'new')")
    world.parent.run("UPDATE t SET v = 'of the parent' WHERE id = 3")
    world.parent.run("DELETE FROM t WHERE id = 4")
    world.parent.run("INSERT INTO u VALUES (1)")
    world.sync()
    world.parent.run(FIT)
    world.sync()
    world.sync()

    assert "t with 'c0' is not synchronised" in first.unshared[0]
    assert everywhere(world) == [(2, "edited"), (3, "of the parent"), (5, "new")]
    assert world.conflicts() == []
    close(world)


def test_an_edit_in_a_table_that_took_no_part_was_made_on_the_state_that_it_stayed_at(start):
    world = start()
    world.parent.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    world.sync()
    world.tables = (*world.tables[1:],)
    world.children["c0"].run("INSERT INTO t VALUES (9, 'keeps it tracked')")
    world.parent.run("UPDATE t SET v = 'of the parent' WHERE id = 1")
    world.parent.run("INSERT INTO u VALUES (1)")
    world.sync()
    world.children["c0"].run("UPDATE t SET v = 'of the child' WHERE id = 1")
    world.children["c0"].run("UPDATE t SET v = 'of the child' WHERE id = 2")

    world.tables = (ClusterTable("t"), *world.tables)
    world.sync()

    (record,) = world.conflicts()
    assert (record["kind"], record["winner"], record["row_key"]) == ("update/update", "parent", '{"id": 1}')
    assert everywhere(world)[:2] == [(1, "of the parent"), (2, "of the child")]


def test_what_was_counted_and_not_sent_is_not_taken_for_sent_with_other_tables(start):
    sums = ConflictPolicy(Winner.PARENT, columns={"v": Combine.SUM})
    schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT); CREATE TABLE u(id INTEGER PRIMARY KEY)"
    world = start(schema, tables=(ClusterTable("t", conflict=sums), "u"))
    world.parent.run("INSERT INTO t VALUES (1, 10), (2, 20)")
    world.sync()
    child, both = world.children["c0"], world.tables
    for amount in (1, 2):
        child.run(f"UPDATE t SET v = v + {amount} WHERE id = 1")
        departure = world.port("c0").depart(Role.CHILD, 0, {}, lambda: None)
        departure.seal(lambda: None)
        departure.close()
    child.run("DELETE FROM t WHERE id = 2")
    world.parent.run("UPDATE t SET v = v + 100 WHERE id = 1")
    world.tables = both[1:]
    child.run("INSERT INTO u VALUES (1)")
    world.sync()
    world.sync()

    world.tables = both
    world.sync()

    assert everywhere(world) == [(1, 113)]


def test_a_table_that_nobody_declares_any_more_is_tracked_until_its_edits_were_sent(start):
    world = start()
    world.parent.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    world.sync()
    world.children["c0"].run("DELETE FROM t WHERE id = 1")
    both = world.tables

    world.tables = both[1:]
    (member,) = world.sync()
    world.tables = both
    world.sync()

    assert [text for text in member.warnings if "t at 'c0' is not in the configuration any more" in text]
    assert everywhere(world) == [(2, "b")]


def test_a_table_that_nobody_declares_any_more_is_let_go_where_nothing_waits(start):
    world = start()
    world.parent.run("INSERT INTO t VALUES (1, 'a')")
    world.sync()

    world.tables = world.tables[1:]
    (member,) = world.sync()
    world.sync()

    assert member.done == ["tracks t no more"]
    for one in world.everyone().values():
        assert one.run("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 't'") == []


def test_a_table_that_was_dropped_and_made_anew_sends_no_deletions(start):
    world = start()
    world.parent.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    world.sync()
    child = world.children["c0"]
    child.run("UPDATE t SET v = 'lost' WHERE id = 1")
    child.run("DROP TABLE t")
    world.sync()

    child.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v VARCHAR(20))")
    child.run("INSERT INTO t VALUES (3, 'new')")
    world.sync()

    assert everywhere(world) == [(1, "a"), (2, "b"), (3, "new")]


def test_the_parents_rows_of_a_time_in_which_a_child_was_away_arrive_though_the_table_came_and_went(start):
    world = start(names=("P", "c0", "c1"))
    world.parent.run("INSERT INTO t VALUES (1, 'old')")
    world.sync()
    world.parent.run("UPDATE t SET v = 'new'")
    world.sync(connected=["c0"])
    both = world.tables

    world.tables = both[1:]
    world.sync(connected=["c0"])
    world.sync(connected=["c0"])
    world.tables = both
    world.sync()

    assert everywhere(world) == [(1, "new")]


def test_a_table_never_gets_the_number_of_another_one(start):
    world = start(TWO + "; CREATE TABLE w(id INTEGER PRIMARY KEY)", names=("P", "c0", "c1"))
    world.sync()
    world.tables = (ClusterTable("t"),)
    world.sync()
    world.sync()

    world.parent.run("INSERT INTO w VALUES (7)")
    world.tables = (ClusterTable("t"), ClusterTable("w"))
    world.sync()

    assert world.port("P").enrolled() == {"t": 1, "w": 3}
    assert everywhere(world, "w") == [(7,)]


UNIQUE = "CREATE TABLE t(id INTEGER PRIMARY KEY, code TEXT UNIQUE)"


def test_a_new_child_is_not_taken_for_one_that_was_removed(start):
    world = start(names=("P", "away", "c0", "c1"))
    world.sync(connected=["away"])
    world.children["c0"].run("INSERT INTO t VALUES (1, 'from c0')")
    world.sync(connected=["c0"])

    world.port("P").dismiss("c0", lambda: None)
    world.children["c1"].run("INSERT INTO t VALUES (1, 'from c1')")
    world.sync(connected=["c1"])

    assert world.parent.rows("t") == [(1, "from c0")]
    assert [record["winner"] for record in world.conflicts()] == ["parent"]


def test_children_that_join_in_one_run_have_numbers_of_their_own(start):
    world = start(names=("P", "c0", "c1", "c2"))

    world.sync()

    assert sorted(peer.number for peer in world.port("P").peers()) == [1, 2, 3]


def test_rows_that_are_set_aside_go_with_their_child_and_no_other_child_gets_them(start):
    world = start(UNIQUE, names=("P", "c0", "c1"), tables=("t",))
    world.sync(connected=["c0"])
    world.children["c0"].run("INSERT INTO t VALUES (2, 'y')")
    world.parent.run("INSERT INTO t VALUES (3, 'y')")
    world.sync(connected=["c0"], strict=False)
    assert [row["row_key"] for row in world.held()] == ['{"id": 2}']

    world.port("P").dismiss("c0", lambda: None)
    world.parent.run("DELETE FROM t")
    world.clock += 100_000
    world.sync(connected=["c1"])

    assert world.held() == []
    assert world.port("P").hello().next_try is None
    assert [(record["state"], record["note"]) for record in world.conflicts()] == [
        ("resolved", "the child was removed")
    ]
    assert (world.parent.rows("t"), world.children["c1"].rows("t")) == ([], [])


@pytest.mark.postgresql
def test_tables_of_one_name_meet_in_the_same_schema_or_not_at_all(tmp_path, postgres):
    schema = "CREATE SCHEMA archive; CREATE TABLE archive.assets(id int PRIMARY KEY); CREATE TABLE assets(id int PRIMARY KEY)"
    plain = "CREATE TABLE assets(id int PRIMARY KEY)"
    parent = make_node("postgresql", schema, tmp_path, "P", lambda _: postgres)
    child = make_node("postgresql", schema, tmp_path, "c0", lambda _: postgres)
    parent.run("INSERT INTO assets VALUES (7)")
    world = World(parent, {"c0": child}, ["public.assets"])
    mixed = World(
        SqliteNode(tmp_path / "p", plain),
        {"c0": make_node("postgresql", schema, tmp_path, "c1", lambda _: postgres)},
        ["assets"],
    )

    world.sync()
    (member,) = mixed.sync(strict=False)

    assert (child.rows("assets"), child.rows("archive.assets")) == ([(7,)], [])
    assert "it has archive.assets and public.assets" in member.failure.message
    close(world)
    close(mixed)


def test_a_condition_over_a_column_that_the_child_lacks_leaves_the_table_out(start):
    world = start(tables=("t", "u"))
    world.parent.run("ALTER TABLE t ADD COLUMN region TEXT")
    world.parent.run("INSERT INTO t VALUES (1, 'x', 'C')")
    world.parent.run("INSERT INTO u VALUES (1)")
    world.wheres[("c0", "t")] = "region = 'C'"

    (member,) = world.sync()

    assert "its condition asks for region, which it does not have" in member.unshared[0]
    assert (world.children["c0"].rows("t"), world.children["c0"].rows("u")) == ([], [(1,)])


def test_a_child_forgets_states_that_the_parent_is_far_past(start, monkeypatch):
    monkeypatch.setattr(node, "KEPT_MARKS", 3)
    world = start()
    for _ in range(9):
        world.children["c0"].run("INSERT INTO t (v) VALUES ('x')")
        world.sync()

    (kept,) = world.children["c0"].run("SELECT count(*) FROM syncd_world_marks")[0]

    assert kept <= 5


def test_a_file_that_is_replaced_is_watched_no_longer_under_its_old_name(start, monkeypatch):
    monkeypatch.setattr(watching, "WAIT_SECONDS", 0.05)
    world = start()
    world.sync()
    path, heard = world.parent.path, []
    place = Place(name="p", type="sqlite", options={"path": str(path)})
    watcher = threading.Thread(
        target=watching._watch, args=("world", place, heard.append), kwargs={"back": False}, daemon=True
    )
    watcher.start()
    watcher.join(0.3)
    assert watcher.is_alive()

    copy = path.with_suffix(".new")
    with closing(sqlite3.connect(copy)) as target:
        world.parent.connection.backup(target)
    copy.replace(path)
    watcher.join(10)

    assert not watcher.is_alive()


def test_a_table_whose_name_looks_like_a_pattern_is_found_by_it(start):
    world = start('CREATE TABLE "t[1]"(id INTEGER PRIMARY KEY)', tables=("t[1]",))
    world.parent.run('INSERT INTO "t[1]" VALUES (7)')

    world.sync()

    assert world.children["c0"].run('SELECT * FROM "t[1]"') == [(7,)]


def test_untrack_gives_up_the_edits_of_one_table(tmp_path):
    office = Office(tmp_path)
    office.run("Office", "CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    for name in ("Ohio", "Truck"):
        office.run(name, "CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    office.configure(tables="[assets, notes]")
    office.sync()
    office.run("Ohio", "UPDATE assets SET name = 'of Ohio' WHERE id = 1")
    office.configure(tables="[notes]")
    assert "untrack assets Ohio --table assets" in office.sync()

    office.syncd("cluster", "untrack", "assets", "Ohio", "--table", "assets", "--yes")

    assert "--table" not in office.sync()
    assert office.rows("Ohio")[0] == (1, "of Ohio", "Oslo")
    assert office.rows("Office")[0] == (1, "asset 1", "Oslo")
