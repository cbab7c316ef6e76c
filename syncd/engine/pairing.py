"""Which tables of a cluster take part, and how the columns of two repositories meet."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from syncd.cluster_ports import Repository
from syncd.engine.condition import columns_of
from syncd.engine.evolve import REFUSED_BY_STORE, loss
from syncd.errors import FatalError
from syncd.model.cluster import Cluster, ClusterTable, ConflictPolicy, Direction, Winner
from syncd.model.exchange import NAMES_BESIDE_KEYS, Rules, Tracked
from syncd.model.table import ANY_DIGITS, Column, Kind, Table, TableName

NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
"""Families of which values can be added."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A table of the cluster as its parent has it, with what the cluster says about it.

    `sums` are its summed columns: what they held before is recorded by children alone, so `tracked` does not name them.
    """

    entry: ClusterTable
    policy: ConflictPolicy
    tracked: Tracked
    table: Table
    sums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """One table as the parent and one child have it: the same columns in the same order."""

    shared: Shared
    parent: Tracked
    child: Tracked


@dataclass(frozen=True, slots=True)
class Pairs:
    """The tables that a child shares, and in words those that it cannot, and the columns that only one side has."""

    pairs: tuple[Pair, ...] = ()
    problems: tuple[str, ...] = field(default_factory=tuple)
    unmatched: tuple[str, ...] = field(default_factory=tuple)


def shared_tables(
    cluster: Cluster, parent: Repository, known: Mapping[str, int]
) -> tuple[list[Shared], list[str]]:
    """The parent's tables that take part, with numbers that stay the same, and what is wrong with others.

    A number is never given to another table: children that were away know it still.

    Raises:
        FatalError: an entry names no table of the parent.
        TransientError: a table cannot be looked at just now.
    """
    there = parent.tables()
    for wanted in cluster.tables:
        if not _matching(wanted.name, there):
            raise FatalError(
                f"the parent '{cluster.parent}' has no table {wanted.name}",
                hint=f"it has: {', '.join(str(name) for name in there[:12]) or 'none'}",
                code="not_found",
            )
    chosen = {name: entry for name in there if (entry := cluster.entry(name)) is not None}
    hello = parent.hello()
    highest = hello.last_table if hello else 0
    shared: list[Shared] = []
    problems: list[str] = []
    for name, entry in sorted(chosen.items()):
        try:
            table = parent.table(name)
            if table is None:
                continue
            found = _share(cluster, parent, entry, table, known.get(str(table.name), highest + 1))
            highest = max(highest, found.tracked.number)
            shared.append(found)
        except FatalError as error:
            problems.append(f"{name} at the parent: {error.message}")
    return shared, problems


def declared(cluster: Cluster, known: Mapping[str, int]) -> set[int]:
    """The numbers of those tracked tables that the cluster names, whether they can take part now or not."""
    found = set()
    for text, number in known.items():
        schema, _, name = text.rpartition(".")
        if cluster.entry(TableName(name, schema)) is not None:
            found.add(number)
    return found


def waiting(table: Tracked, child: str, cluster: str) -> str:
    """Why a child tracks a table still that the cluster does not name any more."""
    return (
        f"{table.name} at '{child}' is not in the configuration any more, and has edits that the parent does not have: they"
        f" wait until it is there again; to give them up: syncd cluster untrack {cluster} {child} --table {table.name}"
    )


def pair_with(
    shared: Sequence[Shared], child: Repository, name: str, where: Callable[[Shared], str] = lambda _: ""
) -> Pairs:
    """The tables that a child can share without losing anything of a value; the others with the reason.

    `where` gives the condition under which the child has a table's rows.

    Raises:
        TransientError: a table cannot be looked at just now.
    """
    there = child.tables()
    pairs: list[Pair] = []
    problems: list[str] = []
    unmatched: list[str] = []
    for each in shared:
        try:
            pair = _pair(each, child, there)
            _refuse_blind(pair, where(each))
            pairs.append(pair)
            unmatched += _unmatched(pair, child.table(pair.child.name), name)
        except FatalError as error:
            problems.append(f"{each.tracked.name} with '{name}' is not synchronised: {error.message}")
    return Pairs(tuple(pairs), tuple(problems), tuple(unmatched))


def rules_for(
    pairs: Sequence[Pair],
    wheres: Mapping[int, str],
    max_skew_seconds: float,
    *,
    refilling: bool,
    fresh: bool,
    gained: Mapping[int, Sequence[str]],
) -> Rules:
    """How the parent judges what a child sends. `refilling`: the parent lost its past, so the child's rows win.

    `fresh`: nothing of the child can have come before what the parent knows of. `gained`: columns of which it has no
    values of the parent's yet, as the child spells them.
    """
    first = {
        pair.parent.number: tuple(
            mine.name
            for mine, other in zip(pair.parent.columns, pair.child.columns, strict=True)
            if other.name in gained.get(pair.parent.number, ())
        )
        for pair in pairs
    }
    policies = {pair.shared.tracked.number: pair.shared.policy for pair in pairs}
    if refilling:
        policies = dict.fromkeys(policies, ConflictPolicy(Winner.CHILD))
    entries = {pair.shared.tracked.number: pair.shared.entry for pair in pairs}
    return Rules(
        policies=policies,
        wheres=wheres,
        allow_outside=frozenset(number for number, entry in entries.items() if entry.allow_outside),
        blind=frozenset(number for number, entry in entries.items() if entry.direction is Direction.UP),
        max_skew_seconds=max_skew_seconds,
        fresh=fresh,
        gained={number: names for number, names in first.items() if names},
    )


def _share(cluster: Cluster, parent: Repository, entry: ClusterTable, table: Table, number: int) -> Shared:
    policy = entry.conflict or cluster.conflict
    key = tuple(_column(table, name).name for name in entry.key) or table.key
    if not key:
        raise FatalError(
            "it has no primary key, so rows cannot be told apart",
            hint="give it one, or name unique columns: key: [...]",
            code="no_key",
        )
    taken = [name for name in key if name.lower() in NAMES_BESIDE_KEYS]
    if taken:
        raise FatalError(
            f"its key has a column named {taken[0]}, which a cluster's own tables use",
            hint="rename the column, or name other unique columns: key: [...]",
            code="name_taken",
        )
    if any(_column(table, name).type.kind is Kind.GEOMETRY for name in key):
        raise FatalError("its key holds a geometry, which tells no rows apart", code="no_key")
    local = _local_columns(table, key)
    if local and not parent.unique(table.name, key):
        raise _not_unique(key)
    if entry.direction is not Direction.DOWN:
        _refuse_unfilled(parent, table.name, local)
    for rule in (*policy.columns, *([policy.newest_by] if policy.newest_by else [])):
        _column(table, rule)
    tracked = Tracked(
        number=number,
        name=table.name,
        columns=tuple(column for column in table.columns if column.name not in local),
        key=key,
        captured=True,
        by_column=policy.by_column,
        timed=_timed(policy),
    )
    return Shared(entry, policy, tracked, table, _sums(policy, table, key))


def _pair(shared: Shared, child: Repository, there: Sequence[TableName]) -> Pair:
    mine = shared.tracked
    table = child.table(_counterpart(mine.name, there))
    if table is None:
        raise FatalError("it has no such table", hint="create it there with the same columns")
    by_name = {column.name.lower(): column for column in table.columns}
    both = [column for column in mine.columns if column.name.lower() in by_name]
    theirs = tuple(by_name[column.name.lower()] for column in both)
    key = tuple(by_name[name.lower()].name for name in mine.key if name.lower() in by_name)
    numbers = _local_columns(table, key)
    if len(key) != len(mine.key) or (
        set(table.key) != set(key) and not (shared.entry.key and child.unique(table.name, key))
    ):
        raise FatalError(
            f"its key is ({', '.join(table.key) or 'none'}), the parent's ({', '.join(mine.key)})",
            hint="give both the same key, or name columns that are unique on both sides: key: [...]",
        )
    if shared.entry.direction is not Direction.UP:
        _refuse_unfilled(child, table.name, numbers)
    kept = [pair for pair in zip(both, theirs, strict=True) if pair[1].name not in numbers]
    both, theirs = [pair[0] for pair in kept], tuple(pair[1] for pair in kept)
    _refuse_mandatory(table, {column.name for column in theirs} | numbers, "there")
    ours = {column.name for column in both} | _local_columns(shared.table, mine.key)
    _refuse_mandatory(shared.table, ours, "at the parent")
    _refuse_losses(both, theirs)
    captured = shared.entry.direction is not Direction.DOWN
    sums = shared.sums if captured else ()
    summed = tuple(_number(table, name).name for name in sums)
    return Pair(
        shared,
        replace(mine, columns=tuple(both), sums=sums),
        replace(mine, name=table.name, columns=theirs, key=key, captured=captured, sums=summed),
    )


def _unmatched(pair: Pair, table: Table | None, name: str) -> list[str]:
    """In words, the columns that only one side has, if there are any; not those by which each numbers its rows."""
    theirs = table.columns if table else ()
    sides = (
        ("the parent", pair.shared.tracked.columns, {column.lower() for column in pair.parent.names}),
        (f"'{name}'", theirs, {column.lower() for column in (*pair.child.names, *_local_of(table, pair))}),
    )
    said = []
    for whose, columns, both in sides:
        alone = [column.name for column in columns if column.name.lower() not in both]
        if alone:
            said.append(f"{'column' if len(alone) == 1 else 'columns'} {', '.join(alone)} only at {whose}")
    return [f"{pair.parent.name}: {', '.join(said)}: not synchronised"] if said else []


def _local_of(table: Table | None, pair: Pair) -> set[str]:
    return _local_columns(table, pair.child.key) if table else set()


def _sums(policy: ConflictPolicy, table: Table, key: Sequence[str]) -> tuple[str, ...]:
    found = tuple(_number(table, name).name for name in policy.summed)
    if set(found) & set(key):
        raise FatalError(
            f"column {next(iter(set(found) & set(key)))} is in the key, and cannot be summed",
            hint="take it out of conflict.columns",
            code="no_number",
        )
    return found


def _number(table: Table, name: str) -> Column:
    """A column that can be summed."""
    column = _column(table, name)
    if column.type.kind not in NUMBERS:
        raise FatalError(
            f"column {column.name} is {column.type}, and sum adds numbers only",
            hint="choose max, min or append for it, or give it a type of whole numbers, decimals or fractions",
            code="no_number",
        )
    return column


def _local_columns(table: Table, key: Sequence[str]) -> set[str]:
    """The primary key's columns where rows are told apart by others: each database numbers its rows by itself."""
    return set() if set(table.key) == set(key) else set(table.key) - set(key)


def _not_unique(key: Sequence[str]) -> FatalError:
    return FatalError(
        f"({', '.join(key)}) may hold the same value twice, or none, so rows cannot be told apart by it",
        hint="give these columns NOT NULL and a unique index",
        code="no_key",
    )


def _refuse_mandatory(table: Table, shared: set[str], where: str) -> None:
    """A column that only one side has must do without a value."""
    lacking = [column.name for column in table.columns if column.name not in shared and not column.nullable]
    if lacking:
        raise FatalError(f"only {where} it has the columns {', '.join(lacking)}, which must have a value")


def _refuse_unfilled(repository: Repository, table: TableName, local: Collection[str]) -> None:
    """Rows arrive without the columns by which each database numbers them."""
    if local and not repository.fills(table, sorted(local)):
        raise FatalError(
            f"rows arrive without a value for {', '.join(sorted(local))}, and it has no default",
            hint="let the database number its rows: AUTO_INCREMENT, an identity, INTEGER PRIMARY KEY or another default",
            code="no_default",
        )


def _refuse_blind(pair: Pair, where: str) -> None:
    """Of rows that a child sends, the parent must know whether they are in the child's part."""
    entry, shared = pair.shared.entry, {name.lower() for name in pair.parent.names}
    if not where or entry.allow_outside or not pair.child.captured:
        return
    if len(shared) == len(pair.shared.tracked.columns):
        return
    lacking = [name for name in columns_of(where) if name.lower() not in shared]
    if lacking:
        raise FatalError(
            f"its condition asks for {', '.join(lacking)}, which it does not have",
            hint="give it that column, or say allow_outside: true or direction: down",
        )


def _refuse_losses(both: Sequence[Column], theirs: Sequence[Column]) -> None:
    problems = []
    for mine, other in zip(both, theirs, strict=True):
        for source, target in ((mine, other), (other, mine)):
            said = loss(source.type, target.type)
            # Times that are kept as text are looked at one by one when they arrive.
            single = target.type.kind is source.type.kind and source.type.precision == ANY_DIGITS
            # Texts that are no UUIDs are set aside one by one as well.
            single = single or (source.type.kind, target.type.kind) == (Kind.TEXT, Kind.UUID)
            if said and not single and not said.startswith(REFUSED_BY_STORE):
                problems.append(f"{source.name} ({source.type}) into {target.type} loses {said}")
    if problems:
        raise FatalError(f"{'; '.join(problems)}", hint="give both columns types that hold the same values")


def _timed(policy: ConflictPolicy) -> bool:
    return Winner.NEWEST in {policy.winner, policy.then} and not policy.newest_by


def _column(table: Table, name: str) -> Column:
    found = next((column for column in table.columns if column.name.lower() == name.lower()), None)
    if found is None:
        raise FatalError(f"it has no column {name}", hint=f"it has: {', '.join(table.column_names[:12])}")
    return found


def _matching(wanted: str, there: Sequence[TableName]) -> list[TableName]:
    return [name for name in there if _matches(wanted, name)]


def _matches(wanted: str, name: TableName) -> bool:
    pattern, names = wanted.lower(), (name.name.lower(), str(name).lower())
    return pattern in names or any(fnmatchcase(one, pattern) for one in names)


def _counterpart(name: TableName, there: Sequence[TableName]) -> TableName:
    """The child's table of that name: of the same schema, else the only one. The very case counts before any other."""
    for found in (
        [one for one in there if one == name],
        [one for one in there if one.folded == name.folded],
        [one for one in there if one.name == name.name],
        [one for one in there if one.name.lower() == name.name.lower()],
    ):
        if len(found) > 1:
            raise FatalError(
                f"it has {' and '.join(str(one) for one in sorted(found))}, and none in the parent's schema",
                hint="leave one table of that name where its connection can see it",
                code="ambiguous_table",
            )
        if found:
            return found[0]
    raise FatalError("it has no such table", hint="create it there with the same columns")
