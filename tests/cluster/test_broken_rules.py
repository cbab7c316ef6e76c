"""The attack by histories is worth something: each rule of the engine that is broken is noticed by it."""

import os
import random

import pytest
from hypothesis import Phase
from hypothesis import seed as seeded

from tests.cluster.broken import RULES
from tests.cluster.test_states import SCALE, Histories, check_histories

EXAMPLES = 2_000
STEPS = 40
SEED = int(os.environ.get("BROKEN_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
"""Where the histories begin; the seed of a run can be given again."""

if SCALE > 1:

    @pytest.mark.soak
    @pytest.mark.timeout(3600)
    @pytest.mark.parametrize("broken", RULES, ids=lambda rule: rule.__name__)
    def test_a_broken_rule_is_noticed(broken, monkeypatch):
        broken(monkeypatch)

        with pytest.raises(BaseException) as noticed:  # noqa: PT011  # any way to fall counts
            check_histories(seeded(SEED)(Histories), EXAMPLES, STEPS, phases=[Phase.generate], database=None)

        assert not isinstance(noticed.value, KeyboardInterrupt)
