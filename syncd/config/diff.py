"""What changed between two configurations, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from syncd.model.configuration import Configuration, Work
from syncd.model.definitions import Connection


@dataclass(frozen=True, slots=True)
class Difference:
    """Names as ``job accounts``, ``cluster redlands``, ``connection crm``, ``state``, ``logs`` and ``limits``, each list sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def flipped(self) -> "Difference":
        """The way back: what was added is removed, and the reverse."""
        return Difference(self.removed, self.changed, self.added)


def difference(old: Configuration, new: Configuration) -> Difference:
    """Everything that means something else in `new`; where it is written does not matter.

    A job or cluster whose connection changed is not named for that; the connection is.
    """
    before, after = dict(_named(old)), dict(_named(new))
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def _named(configuration: Configuration) -> Iterator[tuple[str, object]]:
    yield "state", configuration.state
    yield "logs", configuration.logs
    yield "limits", configuration.limits
    yield from _placeless("connection", configuration.connections)
    yield from _placeless("job", configuration.jobs)
    yield from _placeless("cluster", configuration.clusters)


def _placeless(
    kind: str, definitions: Mapping[str, Connection] | Mapping[str, Work]
) -> Iterator[tuple[str, object]]:
    for name, definition in definitions.items():
        yield f"{kind} {name}", replace(definition, origin=None)
