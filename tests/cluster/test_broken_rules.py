"""The attack by histories is worth something: each rule of the engine that is broken is noticed by it."""

import os
import random
import sys
import zlib

import pytest
from hypothesis import Phase
from hypothesis import seed as seeded

from tests.cluster.broken import RULES
from tests.cluster.test_states import SCALE, Histories, check_histories

EXAMPLES = 2_000
STEPS = 40
DRAWN = 5
SHARED = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
"""The same in all processes of a run, which must draw the same rules."""
SEED = int(os.environ.get("BROKEN_SEED", "0")) or (
    zlib.crc32(SHARED.encode()) if SHARED else random.SystemRandom().randrange(1, 2**32)
)
"""Where the histories begin, and which rules are drawn; the seed of a run can be given again."""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "broken",
    RULES if SCALE > 1 else random.Random(SEED).sample(RULES, DRAWN),
    ids=lambda rule: rule.__name__,
)
def test_a_broken_rule_is_noticed(broken, monkeypatch):
    sys.stdout.write(f"BROKEN_SEED={SEED}")
    broken(monkeypatch)

    with pytest.raises(BaseException) as noticed:  # noqa: PT011  # any way to fall counts
        check_histories(seeded(SEED)(Histories), EXAMPLES, STEPS, phases=[Phase.generate], database=None)

    assert not isinstance(noticed.value, KeyboardInterrupt)
