"""Every value at the limits of every type, on all nine pairs: it arrives equal, or the run is refused with its column."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stores import TYPES, Pair
from tests.type_matrix import CASES, become, table_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "types.md"


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("source", TYPES)
def test_values_arrive_equal_or_are_refused_as_the_document_says(
    source: str, make_store: Callable[[str], Any]
) -> None:
    answers = {goal: become(Pair(make_store(source), make_store(goal)), CASES[source]) for goal in CASES}

    wrong = [
        f"{source}>{goal} {native} {name}: {said}"
        for goal, by_type in answers.items()
        for native, values in by_type.items()
        for name, said in values.items()
        if said not in {"equal", "refused"}
    ]
    assert not wrong, "\n".join(wrong)
    table = table_of(source, answers)
    assert table in DOCUMENT.read_text(), f"docs/types.md has to hold this table:\n{table}"
