"""How long a child may stay away, and what its parent keeps for it meanwhile."""

import pytest

from syncd.engine.lease import DAY_SECONDS, Floor, floor_of, lapsed, lease_warning
from syncd.model.exchange import Peer

NOW = 1_700_000_000.0


def peer(name, floor=0, state="live", away_days=0.0):
    return Peer(name, 1, floor=floor, state=state, last_seen=NOW - away_days * DAY_SECONDS)


def test_the_slowest_live_child_holds_the_floor():
    assert floor_of([peer("a", 7), peer("b", 3), peer("c", 1, "expired")], 9) == Floor(3, "b")


def test_nobody_holds_the_floor_when_all_have_everything_or_none_is_live():
    assert floor_of([peer("a", 9)], 9) == Floor(9)
    assert floor_of([peer("a", 2, "expired")], 9) == Floor(9)
    assert floor_of([], 9) == Floor(9)


def test_an_edit_of_unknown_base_holds_everything():
    assert floor_of([peer("a", -1)], 9) == Floor(0, "a")


def test_a_lease_is_over_after_its_last_day():
    assert lapsed([peer("a", away_days=89.9)], NOW, 90) == []
    assert [one.state for one in lapsed([peer("a", away_days=90)], NOW, 90)] == ["expired"]


def test_a_child_that_was_never_seen_does_not_expire():
    assert lapsed([Peer("a", 1)], NOW, 90) == []


@pytest.mark.parametrize(
    ("days", "said"), [(44, ""), (45, "50% are over"), (71, "50% are over"), (72, "80% are over")]
)
def test_a_warning_comes_at_half_and_at_four_fifths_of_the_lease(days, said):
    text = lease_warning(peer("a", away_days=days), NOW, 90)

    assert (said in text) if said else text == ""


def test_an_expired_child_is_told_of():
    assert "gets everything anew" in lease_warning(peer("a", state="expired", away_days=100), NOW, 90)
