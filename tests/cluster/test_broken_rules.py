"""The attack by histories is worth something: each rule of the engine that is broken is noticed by it."""

import os
import random
import sys
import zlib

import pytest
from hypothesis import Phase
from hypothesis import seed as seeded

from syncd.errors import SyncdError
from tests.cluster import broken
from tests.cluster.test_states import SCALE, Histories, check_histories

EXAMPLES = 2_000 if SCALE > 1 else 300
STEPS = 40
DRAWN = 5
SOON = [
    broken.unsent_edits_are_overwritten,
    broken.every_edit_counts_as_acknowledged,
    broken.any_childs_history_counts_as_ones_own,
    broken.the_parent_judges_without_its_latest_edits,
    broken.what_is_applied_is_captured_again,
    broken.the_token_of_a_child_is_not_compared,
    broken.one_identity_may_be_used_twice,
    broken.equal_rows_are_conflicts,
    broken.compaction_says_not_how_far_it_went,
    broken.the_parents_changes_begin_one_generation_late,
    broken.the_parents_changes_begin_one_generation_early,
    broken.a_changed_key_is_captured_as_an_update,
    broken.the_wrong_child_is_left_out,
]
"""Rules of which a few histories are enough; others need hundreds, and belong to the long attack."""
SHARED = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
"""The same in all processes of a run, which must draw the same rules."""
SEED = int(os.environ.get("BROKEN_SEED", "0")) or (
    zlib.crc32(SHARED.encode()) if SHARED else random.SystemRandom().randrange(1, 2**32)
)
"""Where the histories begin, and which rules are drawn; the seed of a run can be given again."""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "rule",
    broken.RULES if SCALE > 1 else random.Random(SEED).sample(SOON, DRAWN),
    ids=lambda rule: rule.__name__,
)
def test_a_broken_rule_is_noticed(rule, monkeypatch):
    sys.stdout.write(f"BROKEN_SEED={SEED}")
    rule(monkeypatch)

    with pytest.raises((AssertionError, SyncdError)):
        check_histories(seeded(SEED)(Histories), EXAMPLES, STEPS, phases=[Phase.generate], database=None)
