"""What a person does with clusters at the command line, with the real program on SQLite files."""

import time

import pytest

from tests.cluster.office import Office

DAY_SECONDS = 86_400


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


@pytest.fixture
def synced(office):
    office.sync()
    return office


def test_plan_shows_a_first_contact_and_leaves_every_file_as_it_is(office):
    before = office.bytes()

    forecast = office.json("plan", "assets")["assets"]

    assert office.bytes() == before
    assert forecast["triggers"] == ["assets"]
    assert [child["triggers"] for child in forecast["children"]] == [["assets"], ["assets"]]
    assert [child["whole"] for child in forecast["children"]] == [True, True]
    assert [child["tables"][0]["down"] for child in forecast["children"]] == [10, 10]


def test_plan_counts_rows_and_conflicts_as_the_next_run_then_finds_them(synced):
    synced.conflict(1)
    synced.run("Office", "UPDATE assets SET name = 'of the office' WHERE id = 7")
    synced.run(
        "Ohio", "UPDATE assets SET city = 'Lima' WHERE id IN (2, 3)", "DELETE FROM assets WHERE id = 4"
    )
    synced.run("Truck", "UPDATE assets SET city = 'Porto' WHERE id IN (2, 9)")
    before = synced.bytes()

    forecast = synced.json("plan", "assets")["assets"]
    assert synced.bytes() == before
    run = synced.json("sync", "assets")[0]

    tables = {child["child"]: child["tables"][0] for child in forecast["children"]}
    steps = {step["step"]: step for step in run["steps"]}
    assert (tables["Ohio"]["up"], tables["Ohio"]["conflicts"]) == (4, 1)
    assert (tables["Truck"]["up"], tables["Truck"]["conflicts"]) == (2, 1)
    assert steps["Ohio up"]["conflicts"] == steps["Truck up"]["conflicts"] == 1
    assert tables["Ohio"]["down"] == 4
    assert tables["Truck"]["down"] == 5


def test_equal_edits_on_both_sides_are_no_conflict_in_the_plan(synced):
    synced.run("Office", "UPDATE assets SET name = 'same' WHERE id = 1")
    synced.run("Ohio", "UPDATE assets SET name = 'same' WHERE id = 1")

    table = synced.json("plan", "assets")["assets"]["children"][0]["tables"][0]

    assert (table["up"], table["conflicts"]) == (1, 0)


def test_plan_says_which_table_cannot_be_paired_and_which_child_is_not_there(office):
    office.run("Ohio", "DROP TABLE assets")
    (office.folder / "truck.db").unlink()

    said = office.syncd("plan", code=1)

    assert "assets with 'Ohio' is not synchronised: it has no such table" in said
    assert "would fail:   Truck: there is no SQLite file" in said


def test_a_table_that_one_child_cannot_share_leaves_the_run_partial_while_all_others_go_on(tmp_path):
    office = Office(tmp_path, tables="[assets, crews]")
    for name in ("Office", "Ohio"):
        office.run(name, "CREATE TABLE crews (id INTEGER PRIMARY KEY)")
    office.run("Office", "INSERT INTO crews VALUES (1)")

    said = office.sync(code=1)

    assert "Truck: crews with 'Truck' is not synchronised: it has no such table" in said
    assert "assets: partial" in said
    assert office.run("Ohio", "SELECT id FROM crews") == [(1,)]
    assert office.rows("Truck") == office.rows("Office")


def test_sync_ends_with_a_line_for_each_child_and_way_and_succeeds_with_conflicts(synced):
    synced.conflict()

    said = synced.sync()

    assert "child  way   received  inserted  updated  deleted  conflicts  set aside  seconds" in said
    assert "1 conflict was decided by policy (syncd conflicts list)" in said
    assert "assets: ok in" in said


def test_sync_says_how_many_conflicts_wait_for_a_person(tmp_path):
    office = Office(tmp_path, tables="[{name: assets, conflict: manual}]")
    office.sync()
    office.conflict()

    assert "1 conflict waits for you (syncd conflicts list --open)" in office.sync()
    assert office.child("Ohio")["conflicts_open"] == 1


def test_a_child_out_of_reach_does_not_stop_the_others_and_the_table_shows_both(synced):
    synced.run("Ohio", "INSERT INTO assets VALUES (20, 'new', 'Lima')")
    (synced.folder / "truck.db").rename(synced.folder / "away.db")

    said = synced.sync(code=1)

    assert "Ohio   up " in said
    assert "Truck  down: failed" in said
    assert "assets: partial" in said
    assert (20, "new", "Lima") in synced.rows("Office")
    assert synced.child("Truck", code=1)["state"] == "unreachable"


def test_a_child_that_is_not_connected_is_reported_as_left_out(tmp_path):
    office = Office(
        tmp_path,
        children="      - {repository: Ohio, connection: ohio}\n"
        "      - {repository: Truck, connection: truck, connected: 'True'}\n",
    )

    said = office.sync()

    assert "Truck  left out" in said
    assert "it must be written in small letters" in said
    assert office.rows("Truck") == []
    assert office.child("Truck")["state"] == "left out"


def test_sync_full_sends_every_child_all_rows_and_keeps_its_unsent_edits(synced):
    synced.run("Ohio", "UPDATE assets SET city = 'Lima' WHERE id = 1")

    run = synced.json("sync", "assets", "--full")[0]

    assert {step["step"]: step["counters"]["read"] for step in run["steps"]} == {
        "Ohio up": 1,
        "Truck up": 0,
        "Ohio down": 10,
        "Truck down": 10,
    }
    assert synced.rows("Ohio") == synced.rows("Truck") == synced.rows("Office")
    assert (1, "asset 1", "Lima") in synced.rows("Office")


def test_status_tells_what_is_on_its_way_and_who_holds_the_history(synced):
    synced.run("Ohio", "UPDATE assets SET city = 'Lima' WHERE id < 4")
    (synced.folder / "truck.db").rename(synced.folder / "away.db")
    assert synced.child("Ohio", code=1)["unsent"] == 3
    synced.sync(code=1)

    standing = synced.json("cluster", "status", code=1)[0]

    assert standing["floor_holder"] == "Truck"
    assert [child["unsent"] for child in standing["children"]] == [0, None]


def test_add_child_brings_one_declared_child_in_and_refuses_a_member(office):
    office.run("Ohio", "INSERT INTO assets VALUES (30, 'from Ohio', 'Lima')")

    facts = office.json("cluster", "add-child", "assets", "Ohio")

    assert (facts["sent"], facts["received"]) == (1, 11)
    assert len(office.rows("Office")) == 11
    assert office.rows("Truck") == []
    assert "is a member of cluster 'assets' already" in office.syncd(
        "cluster", "add-child", "assets", "Ohio", code=4
    )


def test_add_child_with_replace_gives_up_the_rows_that_the_child_has(office):
    office.run("Ohio", "INSERT INTO assets VALUES (30, 'from Ohio', 'Lima')")

    office.syncd("cluster", "add-child", "assets", "Ohio", "--join", "replace")

    assert office.rows("Ohio") == office.rows("Office")
    assert len(office.rows("Ohio")) == 10


def test_add_child_refuses_a_name_that_is_not_declared(office):
    said = office.syncd("cluster", "add-child", "assets", "Utah", code=3)

    assert said.splitlines() == [
        "error: cluster 'assets' declares no child 'Utah'",
        "try: it declares: Ohio, Truck",
    ]


def test_remove_child_refuses_while_edits_are_unsent_and_then_leaves_no_trace(synced):
    synced.run("Ohio", "UPDATE assets SET city = 'Lima' WHERE id < 3")
    assert "'Ohio' has 2 rows with edits" in synced.syncd("cluster", "remove-child", "assets", "Ohio", code=4)
    assert synced.kept("Ohio")

    said = synced.syncd("cluster", "remove-child", "assets", "Ohio", "--force")

    assert "rows that were not sent: 2" in said
    assert synced.kept("Ohio") == []
    assert len(synced.rows("Ohio")) == 10
    assert synced.child("Ohio")["state"] == "new"
    synced.run("Ohio", "UPDATE assets SET city = 'free again' WHERE id = 9")


def test_remove_child_forgets_one_that_the_configuration_does_not_name_any_more(synced):
    synced.configure(children="      - {repository: Ohio, connection: ohio}\n")
    assert synced.child("Truck")["state"] == "not declared"

    said = synced.syncd("cluster", "remove-child", "assets", "Truck")

    assert "its database was not touched" in said
    assert [child["child"] for child in synced.json("cluster", "status")[0]["children"]] == ["Ohio"]


def test_remove_child_of_one_out_of_reach_wants_force(synced):
    (synced.folder / "truck.db").rename(synced.folder / "away.db")

    assert "cannot be told" in synced.syncd("cluster", "remove-child", "assets", "Truck", code=1)
    assert "not sent: unknown" in synced.syncd("cluster", "remove-child", "assets", "Truck", "--force")


def test_verify_finds_what_triggers_did_not_see_and_repair_loses_nothing(synced):
    synced.drop_triggers("Ohio")
    synced.run(
        "Ohio",
        "UPDATE assets SET name = 'unseen' WHERE id = 8",
        "DELETE FROM assets WHERE id = 7",
        "INSERT INTO assets VALUES (40, 'unseen, too', 'Lima')",
    )
    synced.run("Truck", "UPDATE assets SET city = 'on its way' WHERE id = 2")

    said = synced.syncd("cluster", "verify", "assets", code=1)
    assert "the triggers of assets at 'Ohio' are missing or changed" in said
    assert "1 missing, 1 different, 1 too many" in said
    synced.syncd("cluster", "verify", "assets", "--repair")

    assert synced.rows("Ohio") == synced.rows("Truck") == synced.rows("Office")
    assert (40, "unseen, too", "Lima") in synced.rows("Office")
    assert (2, "asset 2", "on its way") in synced.rows("Office")
    assert [record["child"]["name"] for record in synced.json("conflicts", "list")] == ["unseen"]
    synced.run("Ohio", "UPDATE assets SET name = 'seen again' WHERE id = 8")
    synced.sync()
    assert (8, "seen again", "Oslo") in synced.rows("Truck")


def test_repair_says_what_differed_and_that_it_does_no_more(synced):
    synced.drop_triggers("Ohio")
    synced.run("Ohio", "UPDATE assets SET name = 'unseen' WHERE id = 8")

    said = synced.syncd("cluster", "verify", "assets", "--repair")

    assert "Ohio assets: the child differed from its parent, and was repaired: 1 different" in said
    assert "assets: after the repair all children hold what the parent holds" in said
    assert "the child differs" not in said


def test_repair_lets_an_edit_that_is_on_its_way_win_as_any_other(synced):
    synced.drop_triggers("Ohio")
    synced.run("Ohio", "UPDATE assets SET name = 'unseen' WHERE id = 8")
    synced.syncd("cluster", "verify", "assets", "--repair")
    synced.run("Ohio", "UPDATE assets SET name = 'on its way' WHERE id = 9")
    synced.drop_triggers("Ohio")
    synced.run("Ohio", "UPDATE assets SET name = 'unseen' WHERE id = 3")

    synced.syncd("cluster", "verify", "assets", "--repair")

    assert (9, "on its way", "Oslo") in synced.rows("Office")
    assert {record["key"]["id"] for record in synced.json("conflicts", "list")} == {8, 3}


def test_verify_takes_rows_that_are_on_their_way_for_no_difference(synced):
    synced.run("Ohio", "UPDATE assets SET city = 'Lima' WHERE id = 1", "DELETE FROM assets WHERE id = 2")
    synced.run("Office", "INSERT INTO assets VALUES (50, 'new', 'Oslo')")

    assert "all children hold what the parent holds" in synced.syncd("verify", "assets")


def test_verify_looks_only_at_the_rows_that_a_child_is_to_have(tmp_path):
    office = Office(tmp_path, tables='[{name: assets, where: "city = :child"}]')
    office.run("Office", "UPDATE assets SET city = 'Ohio' WHERE id < 4")
    office.sync()
    assert [row[0] for row in office.rows("Ohio")] == [1, 2, 3]

    assert "all children hold" in office.syncd("cluster", "verify")
    office.drop_triggers("Ohio")
    office.run("Ohio", "DELETE FROM assets WHERE id = 2")

    assert "1 missing" in office.syncd("cluster", "verify", code=1)


def test_verify_of_a_table_that_goes_up_alone_misses_nothing_at_the_children(tmp_path):
    office = Office(tmp_path, tables="[{name: assets, direction: up}]")
    office.run("Ohio", "INSERT INTO assets VALUES (30, 'from Ohio', 'Lima')")
    office.sync()

    assert "all children hold" in office.syncd("cluster", "verify")
    assert [row[0] for row in office.rows("Ohio")] == [30]


def test_runs_compact_what_everybody_has_and_an_expired_child_comes_back_whole(synced):
    (synced.folder / "truck.db").rename(synced.folder / "away.db")
    synced.run("Office", "DELETE FROM assets WHERE id = 1", "UPDATE assets SET city = 'Lima' WHERE id = 2")
    synced.sync(code=1)
    assert "which 'Truck' still needs" in synced.syncd("cluster", "compact")
    long_ago = int((time.time() - 95 * DAY_SECONDS) * 1000)
    synced.run("Office", f"UPDATE syncd_assets_peers SET seen = {long_ago} WHERE name = 'Truck'")

    facts = synced.json("cluster", "compact")

    assert facts["expired"] == ["Truck"]
    assert facts["holder"] == ""
    assert facts["forgotten"] >= 2
    (synced.folder / "away.db").rename(synced.folder / "truck.db")
    synced.run("Truck", "UPDATE assets SET name = 'kept at Truck' WHERE id = 5")
    assert synced.child("Truck")["state"] == "expired"
    synced.sync()
    assert synced.rows("Truck") == synced.rows("Office") == synced.rows("Ohio")
    # Nobody knows any more whether the parent's row changed since Truck saw it: that is a conflict, with a record.
    assert [record["child"]["name"] for record in synced.json("conflicts", "list")] == ["kept at Truck"]
    assert 1 not in [row[0] for row in synced.rows("Truck")]
    assert synced.child("Truck")["state"] == "live"


@pytest.mark.parametrize(("days", "part"), [(46, "50%"), (73, "80%")])
def test_a_child_that_stays_away_is_told_of_in_runs_and_in_the_status(synced, days, part):
    (synced.folder / "truck.db").rename(synced.folder / "away.db")
    away = int((time.time() - days * DAY_SECONDS) * 1000)
    synced.run("Office", f"UPDATE syncd_assets_peers SET seen = {away} WHERE name = 'Truck'")

    said = f"has not been here for {days} of the 90 days of its lease ({part} are over)"

    assert said in synced.sync(code=1)
    assert said in synced.syncd("cluster", "status", code=1)


def test_untrack_wants_a_yes_and_then_leaves_nothing_of_ours(synced):
    synced.conflict()
    synced.sync()
    assert "wants a yes" in synced.syncd("cluster", "untrack", "assets", "Ohio", code=4)
    assert synced.kept("Ohio")

    said = synced.syncd("cluster", "untrack", "assets", "--yes")

    assert "lost: 1 records of conflicts" in said
    assert [synced.kept(name) for name in ("Office", "Ohio", "Truck")] == [[], [], []]
    synced.sync()
    assert synced.rows("Ohio") == synced.rows("Office")


def test_untrack_frees_a_table_that_the_configuration_forgot(tmp_path):
    office = Office(tmp_path, tables='["*"]')
    for name in ("Office", "Ohio", "Truck"):
        office.run(name, "CREATE TABLE depots (id INTEGER PRIMARY KEY)")
    office.sync()
    office.configure()

    office.syncd("cluster", "untrack", "assets", "--yes")

    office.run("Ohio", "INSERT INTO depots VALUES (1)")
    assert office.kept("Ohio") == []


def test_the_daemon_shows_clusters_in_status_runs_and_why(synced):
    synced.conflict()
    daemon = synced.site.daemon()
    try:
        synced.sync()
        started = synced.syncd("start", "assets", "--wait")
        status = synced.syncd("status", "assets")
        runs = synced.syncd("runs", "assets")
        why = synced.syncd("why", "assets")
        verified = synced.syncd("cluster", "verify")
    finally:
        daemon.stop()

    assert "assets: ok, nothing to do" in started
    assert "parent Office, children Ohio, Truck" in status
    assert "manual" in runs
    assert "is ok." in why
    assert "all children hold" in verified


def test_names_that_are_no_cluster_are_refused_in_three_lines(office):
    assert office.syncd("cluster", "status", "asets", code=3).splitlines() == [
        "error: there is no cluster 'asets'",
        "try: did you mean 'assets'?",
    ]
