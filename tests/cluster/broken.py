"""Rules of the engine, broken one at a time: an attack that notices none of these proves nothing."""

import re
from dataclasses import replace
from functools import partial

from syncd.connectors.sqlite import capture
from syncd.connectors.sqlite import replica as sqlite
from syncd.connectors.sqlite.replica import SqliteStore
from syncd.engine import exchange
from syncd.model.exchange import Role
from syncd.repository import arrival, compact, consolidation, departure, replica, retry
from syncd.repository.consolidation import Consolidation
from syncd.repository.node import PARENT
from syncd.repository.placing import Placing
from syncd.repository.replica import Replica
from syncd.repository.store import Purpose

ALL = 10**9


def around(patch, owner, name, change):
    """Let `change` stand in for a function; it gets the true one first."""
    true = getattr(owner, name)
    patch.setattr(owner, name, lambda *given, **named: change(true, *given, **named))


def rewrite(patch, pattern, text):
    """Change what statements say, wherever they are run."""
    for name in ("run", "extract"):
        around(
            patch,
            SqliteStore,
            name,
            lambda true, store, sql, *rest: true(store, re.sub(pattern, text, sql), *rest),
        )


def unsent_edits_are_overwritten(patch):
    patch.setattr(SqliteStore, "unstage_owned", lambda *_: 0)


def unsent_edits_are_never_acknowledged(patch):
    patch.setattr(replica, "learn", lambda *_: None)
    patch.setattr(arrival, "learn", lambda *_: None)


def every_edit_counts_as_acknowledged(patch):
    around(patch, replica, "learn", lambda true, node, tables, _, held: true(node, tables, ALL, held))


def a_childs_own_history_is_unknown(patch):
    rewrite(patch, r"\(v\.nid = \d+ AND v\.ngen <= s\.s_gen\)", "(1 = 0)")


def any_childs_history_counts_as_ones_own(patch):
    rewrite(patch, r"\(v\.nid = \d+ AND v\.ngen <= s\.s_gen\)", "(v.nid > 0)")


def edits_are_based_on_what_nobody_sent(patch):
    around(
        patch,
        SqliteStore,
        "seal_child",
        lambda true, store, names, table, gen, base: true(store, names, table, gen, base + 1),
    )


def a_second_edit_renews_the_base(patch):
    rewrite(
        patch,
        r"DO UPDATE SET gen = excluded\.gen, op",
        "DO UPDATE SET base = excluded.base, gen = excluded.gen, op",
    )


def edits_since_the_seal_are_thrown_away(patch):
    def forget(_true, node, _role, tables):
        for table in tables:
            if table.captured:
                node.store.run(f"DELETE FROM {node.store.quote(node.names.log(table.number))}")
        return 0

    around(patch, arrival, "seal", forget)


def the_parent_judges_without_its_latest_edits(patch):
    around(
        patch,
        arrival,
        "seal",
        lambda true, node, role, tables: 0 if role is Role.PARENT else true(node, role, tables),
    )


def a_child_takes_rows_without_looking_at_its_log(patch):
    around(
        patch,
        arrival,
        "seal",
        lambda true, node, role, tables: 0 if role is Role.CHILD else true(node, role, tables),
    )


def _ahead(patch, name, change):
    """The cursor is durable before the rows are."""

    def early(true, delivery, *given):
        node = delivery._node
        node.store.begin(Purpose.SNAPSHOT, node.names, given[-1])
        peer, told = change(node, given)
        node.put_peer(peer)
        node.store.commit(given[-1])
        return true(delivery, *told)

    around(patch, arrival.NodeArrival, name, early)


def the_childs_cursor_is_written_before_the_rows(patch):
    def change(node, given):
        _, mark, *rest = given
        return replace(node.peer(PARENT), received=mark), (mark, mark, *rest)

    _ahead(patch, "apply_versions", change)


def the_parents_cursor_is_written_before_the_rows(patch):
    def change(node, given):
        peer, mark, *rest = given
        return replace(node.peer(peer.name), received=mark), (replace(peer, received=mark), mark, *rest)

    _ahead(patch, "apply_edits", change)


def what_is_applied_is_captured_again(patch):
    around(
        patch,
        SqliteStore,
        "begin",
        lambda true, store, _, names, check: true(store, Purpose.SNAPSHOT, names, check),
    )


def _greeted(patch, change):
    def greet(true, cluster, name, parent, recalled, peer, child, others):
        return change(partial(true, cluster), name, parent, recalled, peer, child, others)

    around(patch, exchange, "greet", greet)


def a_restored_child_keeps_its_number(patch):
    def change(true, name, parent, recalled, peer, child, others):
        found = true(name, parent, recalled, peer, child, others)
        return replace(found, peer=replace(found.peer, number=peer.number)) if found.rewound else found

    _greeted(patch, change)


def the_token_of_a_child_is_not_compared(patch):
    def change(true, name, parent, recalled, peer, child, others):
        known = child if peer is None else replace(child, recalled=peer.received.token)
        return true(name, parent, recalled, peer, known, others)

    _greeted(patch, change)


def the_token_of_the_parent_is_not_compared(patch):
    _greeted(
        patch,
        lambda true, name, parent, _, peer, child, others: true(
            name, parent, child.received.token, peer, child, others
        ),
    )


def one_identity_may_be_used_twice(patch):
    _greeted(
        patch,
        lambda true, name, parent, recalled, peer, child, others: true(
            name, parent, recalled, peer, child, [replace(other, id="") for other in others]
        ),
    )


def rows_go_without_looking_what_points_at_them(patch):
    patch.setattr(Placing, "_unpointed", lambda *_: "")


def equal_rows_are_conflicts(patch):
    class Row(tuple):
        __slots__ = ()

        def __eq__(self, other):
            return False

        __hash__ = tuple.__hash__

    patch.setattr(consolidation, "tuple", Row, raising=False)


def what_the_parent_wins_is_told_to_nobody(patch):
    around(
        patch,
        Consolidation,
        "_mark",
        lambda true, step, stage, numbers, state: true(
            step,
            stage,
            numbers,
            consolidation.SAME if state in {consolidation.KEPT, consolidation.BUMP} else state,
        ),
    )


def merged_rows_count_as_their_childs(patch):
    rewrite(patch, r"CASE WHEN s\.s_op = 0 OR", "CASE WHEN")


def what_a_table_refuses_is_forgotten(patch):
    patch.setattr(retry, "set_aside", lambda *_: None)


def what_is_set_aside_counts_as_received(patch):
    patch.setattr(Replica, "held", lambda *_: {})


def edits_of_refused_rows_keep_a_high_base(patch):
    patch.setattr(departure, "lower_bases", lambda *_: None)


def compaction_says_not_how_far_it_went(patch):
    around(
        patch,
        Replica,
        "compact",
        lambda true, port, _, check: true(port, port.hello().mark.gen, check),
    )
    rewrite(patch, r"SET oldest = \d+", "SET oldest = oldest")
    patch.setattr(compact.Node, "forget_marks", lambda *_: None)


def the_parents_changes_begin_one_generation_late(patch):
    rewrite(patch, r"r\.gen > (-?\d+)", r"r.gen > \1 + 1")


def the_parents_changes_begin_one_generation_early(patch):
    rewrite(patch, r"r\.gen > (-?\d+)", r"r.gen >= \1")
    rewrite(patch, r"WHERE gen > (\d+)$", r"WHERE gen >= \1")


def the_childs_edits_begin_one_generation_late(patch):
    rewrite(patch, r"o\.gen > (-?\d+)", r"o.gen > \1 + 1")


def _captured(patch, change):
    around(patch, sqlite, "triggers_of", lambda true, *given: change(true(*given)))


def a_changed_key_is_captured_as_an_update(patch):
    _captured(patch, lambda found: {name: sql for name, sql in found.items() if not name.endswith("rekey")})


def deletes_are_not_captured(patch):
    _captured(patch, lambda found: {name: sql for name, sql in found.items() if not name.endswith("delete")})


def changed_columns_are_shifted_by_one(patch):
    around(patch, capture, "_mask", lambda true, table: f"(({true(table)}) << 1)")


def _sent(patch, wrong):
    """Send an author's rows to the children for which `wrong` says so."""

    def streams(true, run, departure_, number, wanted, group):
        found = true(run, departure_, number, wanted, group)
        for at, stream in enumerate(found):
            author = stream.blocks.args[2]
            to = [
                each.lane(number)
                for each in group
                if author is None or wrong(author, each.member.peer.number)
            ]
            found[at] = replace(stream, lanes=tuple(to))
        return found

    around(patch, exchange.Exchange, "_streams", streams)


def authors_get_their_own_edits_back(patch):
    _sent(patch, lambda author, number: True)


def the_wrong_child_is_left_out(patch):
    _sent(patch, lambda author, number: author != number + 1)


def a_new_child_gets_only_what_is_new(patch):
    def change(true, name, parent, recalled, peer, child, others):
        return replace(true(name, parent, recalled, peer, child, others), whole=False)

    _greeted(patch, change)
    around(
        patch,
        exchange.Exchange,
        "_whole",
        lambda true, run, member: {},
    )


RULES = [
    unsent_edits_are_overwritten,
    unsent_edits_are_never_acknowledged,
    every_edit_counts_as_acknowledged,
    a_childs_own_history_is_unknown,
    any_childs_history_counts_as_ones_own,
    edits_are_based_on_what_nobody_sent,
    a_second_edit_renews_the_base,
    edits_since_the_seal_are_thrown_away,
    the_parent_judges_without_its_latest_edits,
    a_child_takes_rows_without_looking_at_its_log,
    the_childs_cursor_is_written_before_the_rows,
    the_parents_cursor_is_written_before_the_rows,
    what_is_applied_is_captured_again,
    a_restored_child_keeps_its_number,
    the_token_of_a_child_is_not_compared,
    the_token_of_the_parent_is_not_compared,
    one_identity_may_be_used_twice,
    rows_go_without_looking_what_points_at_them,
    equal_rows_are_conflicts,
    what_the_parent_wins_is_told_to_nobody,
    merged_rows_count_as_their_childs,
    what_a_table_refuses_is_forgotten,
    what_is_set_aside_counts_as_received,
    edits_of_refused_rows_keep_a_high_base,
    compaction_says_not_how_far_it_went,
    the_parents_changes_begin_one_generation_late,
    the_parents_changes_begin_one_generation_early,
    the_childs_edits_begin_one_generation_late,
    a_changed_key_is_captured_as_an_update,
    deletes_are_not_captured,
    changed_columns_are_shifted_by_one,
    authors_get_their_own_edits_back,
    the_wrong_child_is_left_out,
    a_new_child_gets_only_what_is_new,
]
