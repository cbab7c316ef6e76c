"""Random histories of whole clusters: whatever happens in whatever order, all copies agree and no edit is lost."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from syncd.model.cluster import ConflictPolicy, DeleteRule, Winner
from syncd.repository.crash import CRASH_POINTS
from tests.cluster.play import Play
from tests.cluster.playground import PATCHES, TABLES, SqliteCopy, template

SCALE = int(os.environ.get("SOAK_SCALE", "1"))
"""How many times as long as `make soak-short` the slow attacks go on."""
CHILDREN = 4
PART_EXAMPLES = 25
PARTS = (*range(3_252_230_854, 3_252_230_874), *range(1_612_822_755, 1_612_822_760))
"""Where the parts of the longer attack begin."""

NODES = st.integers(0, CHILDREN)
EDITS = st.tuples(
    st.sampled_from(["insert", "update", "delete", "replace", "anew", "update", "rekey", "swap"]),
    st.sampled_from(["thing", "thing", *TABLES]),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    st.integers(0, 63),
    st.integers(0, 9),
)
CRASHES = st.integers(1, 90) | st.sampled_from(CRASH_POINTS)
POLICIES = st.builds(
    ConflictPolicy,
    winner=st.sampled_from([Winner.PARENT, Winner.CHILD, Winner.NEWEST, Winner.MERGE_FIELDS, Winner.MANUAL]),
    then=st.sampled_from([Winner.PARENT, Winner.CHILD, Winner.MANUAL]),
    delete=st.sampled_from(list(DeleteRule)),
)


class Histories(RuleBasedStateMachine):
    """A cluster and everything that may befall it."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=template().parent))
        self.play = None

    def make(self, name):
        return SqliteCopy(self.folder / f"{name}.db", template())

    @initialize(children=st.sampled_from([2, 1, 2, 3]), policy=POLICIES, edits=st.lists(EDITS, max_size=3))
    def start(self, children, policy, edits):
        self.play = Play(self.folder, self.make, children, policy, PATCHES)
        self.play.edit("P", *[("insert", table, which, 0, which) for table in TABLES for which in (0, 1)])
        for number, edit in enumerate(edits):
            self.play.edit(self.name(number), edit)
        self.play.sync()

    def name(self, number):
        """One of the nodes that there are."""
        names = list(self.play.world.everyone())
        return names[number % len(names)]

    def child(self, number):
        names = list(self.play.world.children)
        return names[number % len(names)]

    @rule(node=NODES, edits=st.lists(EDITS, min_size=1, max_size=3))
    def edit(self, node, edits):
        self.play.edit(self.name(node), *edits)

    @rule(node=NODES, other=NODES, first=EDITS, kind=st.sampled_from(["update", "delete", "insert"]))
    def edit_one_row_twice(self, node, other, first, kind):
        self.play.edit(self.name(node), first)
        self.play.edit(self.name(other), (kind, *first[1:3], first[3] ^ 5, first[4] + 1))

    @rule(first=NODES, second=NODES, edits=st.lists(EDITS, min_size=2, max_size=5), crash=st.none() | CRASHES)
    def edit_two_and_sync(self, first, second, edits, crash):
        for number, edit in enumerate(edits):
            self.play.edit(self.name((first, second)[number % 2]), edit)
        self.play.sync(None, (), crash)

    @rule(node=NODES, other=NODES, edit=EDITS)
    def edit_alike(self, node, other, edit):
        self.play.twin([self.name(node), self.name(other)], edit)

    @rule(nodes=st.lists(NODES, min_size=2, max_size=3, unique=True), value=st.sampled_from(["A", "B"]))
    def clash(self, nodes, value):
        self.play.clash([self.name(number) for number in nodes], value)

    @rule(node=NODES)
    def begin(self, node):
        self.play.begin(self.name(node))

    @rule(node=NODES, keep=st.booleans())
    def end(self, node, keep):
        self.play.end(self.name(node), keep=keep)

    @rule()
    def sync_all(self):
        self.play.sync()

    @rule(nodes=st.sets(NODES, min_size=1))
    def sync_some(self, nodes):
        self.play.sync(sorted({self.child(number) for number in nodes}))

    @rule(
        midway=st.lists(st.tuples(st.integers(1, 70), NODES, EDITS), min_size=1, max_size=4),
        crash=st.none() | CRASHES,
    )
    def sync_disturbed(self, midway, crash):
        self.play.sync(None, [(moment, self.name(node), edit) for moment, node, edit in midway], crash)

    @rule(node=NODES, edit=EDITS, crash=CRASHES)
    def edit_again_after_a_crash(self, node, edit, crash):
        for seed in (1, 2):
            self.play.edit(self.child(node), ("update", *edit[1:4], edit[4] + seed))
            self.play.sync(None, (), crash if seed == 1 else None)

    @rule(
        node=NODES,
        other=NODES,
        edit=EDITS,
        kind=st.sampled_from(["update", "update", "delete", "insert"]),
        moments=st.lists(st.integers(1, 90), min_size=1, max_size=3, unique=True),
        again=st.booleans(),
    )
    def sync_while_others_edit_the_same_row(self, node, other, edit, kind, moments, again):
        self.play.edit(self.name(node), ("update" if kind == "update" else edit[0], *edit[1:]))
        late = [
            (moment, self.name(other), (kind, *edit[1:3], edit[3] ^ moment, edit[4] + moment))
            for moment in moments
        ]
        self.play.sync(None, late)
        if again:
            self.play.edit(self.name(other), ("update", *edit[1:]))

    @rule(crash=CRASHES)
    def crash(self, crash):
        self.play.sync(None, (), crash)

    @rule(node=NODES)
    def save(self, node):
        self.play.save(self.name(node))

    @rule(node=NODES)
    def restore(self, node):
        self.play.restore(self.name(node))

    @rule(node=NODES, edits=st.lists(EDITS, min_size=2, max_size=3))
    def lose_and_restore(self, node, edits):
        self.play.save(self.name(node))
        for edit in edits[1:]:
            self.play.edit(self.name(node), edit)
        self.play.sync()
        self.play.restore(self.name(node))
        self.play.edit(self.name(node), edits[0])

    @rule(node=NODES)
    def clone(self, node):
        if node < 2:
            self.play.clone(self.child(node))

    @rule(node=NODES, edits=st.lists(EDITS, max_size=2))
    def add_child(self, node, edits):
        name = f"c{len(self.play.world.children)}"
        if node < 2 and len(self.play.world.children) < CHILDREN:
            self.play.add_child(name)
            self.play.edit(name, *edits)

    @rule(node=NODES, number=st.integers(0, 40))
    def drop_trigger(self, node, number):
        if number < 20:
            self.play.drop_trigger(self.name(node), number)

    @rule(table=st.sampled_from(list(TABLES)), number=st.integers(0, 1))
    def add_column(self, table, number):
        self.play.add_column(table, f"extra{number}")

    @rule(policy=POLICIES)
    def change_policy(self, policy):
        self.play.world.policy = policy
        self.play.masks_known = False

    @rule(seconds=st.sampled_from([15, 4000, -300_000_000, 300_000_000]))
    def set_clock(self, seconds):
        self.play.world.clock = max(1_000_000_000.0, self.play.world.clock + seconds)

    @rule()
    def compact(self):
        self.play.sync()
        self.play.compact()

    def teardown(self):
        try:
            if self.play is not None:
                self.play.finish()
        finally:
            if self.play is not None:
                self.play.close()
            shutil.rmtree(self.folder)


def check_histories(machine, examples, steps, **options):
    """Play so many random histories of so many steps."""
    before = gc.get_threshold()
    # A history leaves few cycles behind, and looking for them after every few hundred objects is a fifth of the time.
    gc.set_threshold(100_000)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                **options,
            ),
        )
    finally:
        gc.set_threshold(*before)


@pytest.mark.timeout(900)
def test_all_copies_agree_after_any_history_and_no_edit_is_lost():
    # The same histories each time: what is new is looked for in the long attack.
    check_histories(Histories, 200, 40, derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_more_histories_of_a_cluster_converge():
    if SCALE > 1:
        check_histories(Histories, 5_000, 60, print_blob=True, database=None)
        return
    # The same ones each time: a new history may find a new fault, which must not stop a change that did not make it.
    for start in PARTS:
        machine = seeded(start)(type("Part", (Histories,), {}))
        check_histories(machine, PART_EXAMPLES, 40, phases=[Phase.generate], print_blob=True, database=None)
