"""Masks of changed columns: a parent's count all columns of its table, a child's those that both have."""

from collections.abc import Sequence

from syncd.repository.store import ALL_COLUMNS, MOST_COLUMNS


def places_of(part: Sequence[str], whole: Sequence[str]) -> tuple[int, ...]:
    """For each column of a part its place among all of them."""
    return tuple(whole.index(name) for name in part)


def narrowed(mask: int, places: Sequence[int]) -> int:
    """A mask of all columns as one of the part that has these places among them."""
    if mask < 0:
        return mask
    return sum(1 << bit for bit, place in enumerate(places) if mask >> place & 1)


def widened(mask: str, places: Sequence[int]) -> str:
    """The SQL that makes a mask of a part one of all columns."""
    if tuple(places) == tuple(range(len(places))):
        return mask
    if max(places) >= MOST_COLUMNS or len(places) > MOST_COLUMNS:
        return str(ALL_COLUMNS)
    bits = " + ".join(f"((({mask}) >> {bit}) & 1) * {1 << place}" for bit, place in enumerate(places))
    return f"CASE WHEN {mask} < 0 THEN {mask} ELSE {bits} END"
