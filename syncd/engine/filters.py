"""What a parent notes of each child: of which tables it has which part.

The note is a JSON object: for the number of each table the condition under which the child has its rows, or null for a
table that it tracks and that it is to get whole when it takes part again.
"""

import json
from collections.abc import Collection, Mapping


def note_of(conditions: Mapping[int, str], kept: Collection[int]) -> str:
    """The note of a child that has these tables under these conditions, and tracks the others that are `kept`."""
    noted: dict[int, str | None] = {**dict.fromkeys(sorted(set(kept) - set(conditions))), **conditions}
    return json.dumps({str(number): noted[number] for number in sorted(noted)})


def conditions_of(note: str) -> dict[int, str | None]:
    """The note as a mapping."""
    return {int(number): condition for number, condition in json.loads(note or "{}").items()}


def narrowed(note: str, shared: Collection[int], kept: Collection[int]) -> str:
    """The note of a child that shares only these of its tables for now.

    It is written before the child is brought to a newer state in which the others are missing.
    """
    known = conditions_of(note)
    if known.keys() <= set(shared):
        return note
    still = {
        number: condition for number, condition in known.items() if number in shared and condition is not None
    }
    waiting = {number for number, condition in known.items() if condition is None or number in kept}
    return note_of(still, waiting & (set(shared) | set(kept)))
