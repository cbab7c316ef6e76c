"""What docs/sync.md says of each policy is what the rules decide."""

import re
from pathlib import Path

import pytest
import yaml

from syncd.config.policy import policy_of
from syncd.repository.conflict import Side, decide

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = ("status", "note", "psi", "edited")
PARENT = Side(("open", "painted;", 48, "2026-03-01"), 0b0110, at=1000, repository="Redlands")
CHILD = Side(("broken", "leaks;", 52, "2026-03-02"), 0b1111, at=1300, repository="Ohio", summed={2: 50})
CELLS = re.compile(r"^\| `([^`]+)`[^|]* \| (\w+) \| ([\w;]+) \| (\d+) \|", re.MULTILINE)
WORDS = re.compile(r'font-family="[^"]*Mono[^"]*">([^<]+)</text>')
IN_THE_PAGE = CELLS.findall((DOCS / "sync.md").read_text(encoding="utf-8"))
IN_THE_PICTURE = WORDS.findall((DOCS / "pictures" / "sync-policies.svg").read_text(encoding="utf-8"))[6:]


def decided(policy: str) -> tuple[str, ...]:
    """Status, note and pressure of the example row under a policy as it is written in YAML."""
    decision = decide(policy_of(yaml.safe_load(policy)), COLUMNS, PARENT, CHILD)
    assert decision.row is not None
    return tuple(str(value) for value in decision.row[:3])


@pytest.mark.parametrize(("policy", "status", "note", "psi"), IN_THE_PAGE)
def test_the_page_says_what_a_policy_decides(policy: str, status: str, note: str, psi: str) -> None:
    assert decided(policy) == (status, note, psi)


@pytest.mark.parametrize("place", range(0, len(IN_THE_PICTURE), 3))
def test_the_picture_shows_what_a_policy_decides(place: int) -> None:
    policy, status, note = IN_THE_PICTURE[place : place + 3]

    assert decided(policy)[:2] == (status, note)


def test_the_page_and_its_picture_show_every_kind_of_policy() -> None:
    shown = {policy_of(yaml.safe_load(row[0])).winner for row in IN_THE_PAGE}

    assert shown == {"parent", "child", "newest", "merge-fields", "priority", "manual"}
    assert len(IN_THE_PICTURE) == 7 * 3
