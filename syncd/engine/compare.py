"""Finds the rows in which two tables differ, without moving the rows that are equal.

Checksums of chunks are compared first, so that equal tables cost two scans. Where both stores can make the same
checksum they do it themselves; otherwise the rows are read and summed here.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from syncd.engine.canonical import Canonical, canonicals
from syncd.engine.rowwise import Rowwise
from syncd.errors import FatalError, RowRejectedError
from syncd.model.batch import Batch, Format
from syncd.model.options import Options
from syncd.model.plan import Relation
from syncd.model.reading import Chunks, Scheme, Sums
from syncd.model.table import Kind, Table
from syncd.ports import Check, Comparable

SMALLEST_WIDTH: Final = 128
MOST_CHUNKS: Final = 65_536
HASHED_CHUNKS: Final = 32_768
PARTS: Final = 1024
ROWS_AT_ONCE: Final = 60_000
"""How many rows of differing chunks are held in memory at a time."""

NO_OPTIONS: Final = Options()

Key = tuple[Any, ...]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tables: who reads it, what is read, and its columns in the order of the other side's.

    `options` of the source's side say how its values are changed on their way to the other.
    """

    port: Comparable
    relation: Relation
    table: Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    options: Options = NO_OPTIONS


@dataclass(slots=True)
class Findings:
    """Keys (as in ROWS batches) that only the source has, that differ, and that only the destination has.

    `source_rows` and `target_rows` count the tables. Keys of `surplus` are spelt as the destination spells them.
    """

    source_rows: int = 0
    target_rows: int = 0
    missing: list[Key] = field(default_factory=list)
    different: list[Key] = field(default_factory=list)
    surplus: list[Key] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many rows differ in all."""
        return len(self.missing) + len(self.different) + len(self.surplus)


def compare(source: Side, target: Side, *, keys_only: bool, check: Check) -> Findings:
    """Compare two tables by key; with `keys_only` what stands in the rows does not matter.

    Cost: two scans when they are equal; else also the rows of the chunks that differ, in bounded memory.
    """
    plan = _chunks(source, target, keys_only=keys_only)
    if plan is None:
        return _compare_here(source, target, keys_only=keys_only, check=check)
    mine, theirs = _both(source, target, lambda side: _sums(side, plan, check))
    found = Findings(_total(mine), _total(theirs))
    _search(plan, (mine, theirs), source, target, found, keys_only=keys_only, check=check)
    return found


def count_rows(side: Side, check: Check) -> int:
    """How many rows a side has."""
    if _whole_number_key(side):
        # A file may hold other values in such a column.
        with suppress(FatalError):
            return side.port.key_range(side.relation, side.key[0])[0]
    # The sum of some column goes unused: rows need no key to be counted.
    return _total(side.port.sums(side.relation, Chunks(Scheme.NATIVE, side.key or side.columns[:1]), check))


def _search(
    plan: Chunks,
    sums: tuple[Sums, Sums],
    source: Side,
    target: Side,
    found: Findings,
    *,
    keys_only: bool,
    check: Check,
) -> None:
    """Look into the chunks that differ; one that is too large for memory is divided first."""
    mine, theirs = sums
    bad = sorted(chunk for chunk in mine.keys() | theirs.keys() if mine.get(chunk) != theirs.get(chunk))
    large = [chunk for chunk in bad if _size(chunk, mine, theirs) > ROWS_AT_ONCE and _divisible(plan)]
    for group in _groups([chunk for chunk in bad if chunk not in large], mine, theirs):
        _look_into(replace(plan, only=group), source, target, keys_only, check, found)
    for chunk in large:
        finer = _divide(plan, chunk)
        parts = _both(source, target, lambda side, finer=finer: _sums(side, finer, check))  # type: ignore[misc] # bound now
        _search(finer, parts, source, target, found, keys_only=keys_only, check=check)


def _divisible(plan: Chunks) -> bool:
    return plan.low is None or plan.width > 1


def _divide(plan: Chunks, chunk: int) -> Chunks:
    """The same chunk as many smaller ones."""
    if plan.low is None:
        # A number that is `chunk` modulo the old count is one of these modulo a multiple of it.
        return replace(
            plan, count=plan.count * PARTS, only=tuple(chunk + part * plan.count for part in range(PARTS))
        )
    parts = min(PARTS, plan.width)
    low = plan.low + chunk * plan.width
    return replace(plan, low=low, width=plan.width // parts, only=tuple(range(parts)))


def _size(chunk: int, mine: Sums, theirs: Sums) -> int:
    return max(mine.get(chunk, (0, ""))[0], theirs.get(chunk, (0, ""))[0])


def _both(source: Side, target: Side, ask: Callable[[Side], Answer]) -> tuple[Answer, Answer]:
    """Ask both sides, at the same time where they are two servers."""
    if source.port is target.port or not (source.port.apart and target.port.apart):
        return ask(source), ask(target)
    with ThreadPoolExecutor(1, thread_name_prefix="compare") as other:
        theirs = other.submit(ask, target)
        mine = ask(source)
        return mine, theirs.result()


def _sums(side: Side, plan: Chunks, check: Check) -> Sums:
    return side.port.sums(
        side.relation, replace(plan, key=side.key, of=side.columns if plan.of else ()), check
    )


def _chunks(source: Side, target: Side, *, keys_only: bool) -> Chunks | None:
    """How both stores can sum by themselves; None when they cannot do it alike."""
    alike = source.port.product == target.port.product and _same_types(source, target, keys_only=keys_only)
    # A store knows nothing of what changes values on their way.
    native = alike and not changes_of(source, target, keys_only=keys_only).needed
    whole = _whole_number_key(source) and _whole_number_key(target)
    if not native and not (whole and keys_only):
        return None
    scheme = Scheme.INTEGER if whole and keys_only else Scheme.NATIVE
    of = () if keys_only else source.columns
    if not whole:
        return Chunks(scheme, source.key, of, count=HASHED_CHUNKS)
    ranges = [side.port.key_range(side.relation, side.key[0]) for side in (source, target)]
    filled = [(low, high) for rows, low, high in ranges if rows]
    low = min((one for one, _ in filled), default=0)
    span = max((one for _, one in filled), default=0) - low + 1
    # A power of two, so that a chunk can be divided into equal parts.
    width = 1 << (max(SMALLEST_WIDTH, -(-span // MOST_CHUNKS)) - 1).bit_length()
    return Chunks(scheme, source.key, of, low=low, width=width)


def _whole_number_key(side: Side) -> bool:
    column = side.table.column(side.key[0]) if len(side.key) == 1 else None
    return column is not None and column.type.kind is Kind.INTEGER


def _same_types(source: Side, target: Side, *, keys_only: bool) -> bool:
    pairs = (
        zip(source.key, target.key, strict=True)
        if keys_only
        else zip(source.columns, target.columns, strict=True)
    )
    for name, other in pairs:
        mine, theirs = source.table.column(name), target.table.column(other)
        if mine is None or theirs is None or mine.type.native != theirs.type.native:
            return False
    return True


def _total(sums: Sums) -> int:
    return sum(rows for rows, _ in sums.values())


def _groups(bad: Sequence[int], mine: Sums, theirs: Sums) -> Generator[tuple[int, ...]]:
    """The differing chunks in groups of bounded size."""
    group: list[int] = []
    rows = 0
    for chunk in bad:
        size = _size(chunk, mine, theirs)
        if group and rows + size > ROWS_AT_ONCE:
            yield tuple(group)
            group, rows = [], 0
        group.append(chunk)
        rows += size
    if group:
        yield tuple(group)


def _look_into(
    chunks: Chunks, source: Side, target: Side, keys_only: bool, check: Check, found: Findings
) -> None:
    """Read the rows of some chunks on both sides and compare them one by one."""
    if keys_only:
        # Both sides spell these keys alike: whole numbers, or one product's own values.
        ours, others = _both(
            source, target, lambda side: set(_keys(side, replace(chunks, key=side.key), check))
        )
        found.missing += ours - others
        found.surplus += others - ours
        return
    hashes = Hashes(source, target, keys_only=keys_only)
    mine = dict(_rows(source, replace(chunks, key=source.key), hashes, check))
    theirs = dict(_rows(target, replace(chunks, key=target.key), hashes, check))
    _settle(mine, theirs, found)


Identity = tuple[str, ...]
Hashed = tuple[Identity, tuple[Key, bytes]]


class Hashes:
    """Makes of a row its canonical key and the hash of its values, alike for both sides.

    `names` are the columns of a side's rows (by the side's id), `functions` make one text of each.
    """

    def __init__(self, source: Side, target: Side, *, keys_only: bool) -> None:
        names = source.key if keys_only else source.columns
        others = target.key if keys_only else target.columns
        self.names = {id(source): names, id(target): others}
        self._source = source
        self._changes = changes_of(source, target, keys_only=keys_only)
        self.functions = canonicals(_part(source, names), target.table, others)
        self._key = tuple(names.index(name) for name in source.key)
        self._keys_only = keys_only

    def arriving(self, side: Side, batch: Batch) -> Sequence[Any]:
        """A batch's rows as they would stand in the target."""
        return _arriving(self._changes, batch) if side is self._source else batch.data

    def of(self, side: Side, batch: Batch) -> Generator[Hashed]:
        """Of each row the canonical key, the key as it is, and the hash (empty when only keys count)."""
        functions = self.functions
        rows: Sequence[Any] = batch.data
        for row, values in zip(rows, self.arriving(side, batch), strict=True):
            identity = tuple("" if values[at] is None else functions[at](values[at]) for at in self._key)
            key = tuple(row[at] for at in self._key)
            yield identity, (key, b"" if self._keys_only else _row_hash(functions, values))


def changes_of(source: Side, target: Side, *, keys_only: bool) -> Rowwise:
    """What happens to the source's values, or to its keys alone, on their way to the other side."""
    names = source.key if keys_only else source.columns
    others = target.key if keys_only else target.columns
    return Rowwise(_part(source, names), target.table, others, source.options, target.key)


def _arriving(changes: Rowwise, batch: Batch) -> Sequence[Any]:
    """The rows as they would arrive; one that cannot be changed never arrived, so it stays as it is."""
    try:
        return changes.apply(batch).data
    except RowRejectedError:
        if batch.rows == 1:
            return batch.data
        return [
            values
            for row in batch.data
            for values in _arriving(changes, Batch(batch.format, [row], 1))  # type: ignore[list-item] # ROWS batches hold tuples
        ]


def keys_at_target(source: Side, target: Side, keys: Sequence[Key]) -> tuple[Key, ...]:
    """Keys of the source's rows as the target spells them."""
    there = changes_of(source, target, keys_only=True)
    return tuple(_arriving(there, Batch(Format.ROWS, list(keys), len(keys))))


def keys_at_source(source: Side, target: Side, keys: Sequence[Key]) -> tuple[Key, ...]:
    """Keys of the target's rows as the source spells them."""
    back = Rowwise(
        _part(target, target.key), source.table, source.key, replace(source.options, truncate_strings=False)
    )
    return tuple(_arriving(back, Batch(Format.ROWS, list(keys), len(keys))))


def identities(
    source: Side, target: Side
) -> tuple[Callable[[Sequence[Key]], list[Identity]], Callable[[Sequence[Key]], list[Identity]]]:
    """Functions for keys of the source and of the target: equal results where both sides take them for the same row."""
    hashes = Hashes(source, target, keys_only=True)

    def of(side: Side, keys: Sequence[Key]) -> list[Identity]:
        return [identity for identity, _ in hashes.of(side, Batch(Format.ROWS, list(keys), len(keys)))]

    return partial(of, source), partial(of, target)


def _part(side: Side, names: Sequence[str]) -> Table:
    columns = tuple(column for name in names if (column := side.table.column(name)) is not None)
    return replace(side.table, columns=columns)


def _row_hash(functions: Sequence[Canonical], values: Sequence[Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for function, value in zip(functions, values, strict=True):
        if value is None:
            digest.update(b"\x00N")
        else:
            text = function(value).encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(text))
            digest.update(text)
    return digest.digest()


def _rows(side: Side, chunks: Chunks | None, hashes: Hashes, check: Check) -> Generator[Hashed]:
    names = hashes.names[id(side)]
    with closing(side.port.rows_of(side.relation, names, chunks, check)) as batches:
        for batch in batches:
            check()
            yield from hashes.of(side, batch)


def _keys(side: Side, chunks: Chunks, check: Check) -> Generator[Key]:
    with closing(side.port.rows_of(side.relation, side.key, chunks, check)) as batches:
        for batch in batches:
            check()
            yield from batch.data  # type: ignore[misc] # ROWS batches hold tuples


def _settle(
    mine: dict[Identity, tuple[Key, bytes]], theirs: dict[Identity, tuple[Key, bytes]], found: Findings
) -> None:
    for identity, (key, digest) in mine.items():
        other = theirs.pop(identity, None)
        if other is None:
            found.missing.append(key)
        elif other[1] != digest:
            found.different.append(key)
    found.surplus += [key for key, _ in theirs.values()]


def _compare_here(source: Side, target: Side, *, keys_only: bool, check: Check) -> Findings:
    """Read both sides and sum them here: first all rows by chunk, then those of differing chunks again."""
    hashes = Hashes(source, target, keys_only=keys_only)
    mine, theirs = (_sums_here(side, hashes, check) for side in (source, target))
    found = Findings(_total(mine), _total(theirs))
    bad = sorted(chunk for chunk in mine.keys() | theirs.keys() if mine.get(chunk) != theirs.get(chunk))
    for group in _groups(bad, mine, theirs):
        wanted = frozenset(group)
        pair = [
            {
                identity: rest
                for identity, rest in _rows(side, None, hashes, check)
                if _chunk_of(identity) in wanted
            }
            for side in (source, target)
        ]
        _settle(pair[0], pair[1], found)
    return found


def _chunk_of(identity: Identity) -> int:
    text = "\x1f".join(identity).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=2).digest(), "big")


def _sums_here(side: Side, hashes: Hashes, check: Check) -> Sums:
    totals: dict[int, list[int]] = {}
    for identity, (_, digest) in _rows(side, None, hashes, check):
        text = "\x1f".join(identity).encode("utf-8", "surrogatepass")
        place = hashlib.blake2b(text + digest, digest_size=8).digest()
        total = totals.setdefault(_chunk_of(identity), [0, 0])
        total[0] += 1
        total[1] += int.from_bytes(place, "big")
    return {chunk: (rows, str(total)) for chunk, (rows, total) in totals.items()}
