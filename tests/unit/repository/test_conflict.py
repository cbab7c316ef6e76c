"""Values have one order, whatever they are."""

import itertools

import pytest

from syncd.model.cluster import Combine, ConflictPolicy, Winner
from syncd.repository.conflict import Side, decide

WORDS = ["-inf", "-1", "0", "7", "1e400", "inf", "nan", "text"]
"""From the lowest to the highest; a value that is no number stands above all numbers, as PostgreSQL has it."""


def decided(policy, mine, other):
    """The value in force when the parent has one and the child the other."""
    return decide(policy, ("v",), Side((mine,), -1, 1, "P"), Side((other,), -1, 2, "c")).row[0]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(WORDS, id="texts"),
        pytest.param([float(word) for word in WORDS[:-1] if word != "1e400"], id="numbers"),
    ],
)
def test_a_value_that_is_not_finite_has_its_place_among_the_others(values):
    highest = ConflictPolicy(Winner.PARENT, columns={"v": Combine.MAX})
    lowest = ConflictPolicy(Winner.PARENT, columns={"v": Combine.MIN})
    newest = ConflictPolicy(Winner.NEWEST, newest_by="v")

    for low, high in itertools.combinations(values, 2):
        for mine, other in ((low, high), (high, low)):
            assert repr(decided(highest, mine, other)) == repr(high)
            assert repr(decided(lowest, mine, other)) == repr(low)
            assert repr(decided(newest, mine, other)) == repr(high)


def test_a_number_that_signals_stops_nothing():
    highest = ConflictPolicy(Winner.PARENT, columns={"v": Combine.MAX})

    assert decided(highest, "7", "snan") == "snan"
