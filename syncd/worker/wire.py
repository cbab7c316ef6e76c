"""What a worker process and its parent say to each other: lines of JSON over a socket pair.

Secrets stand in plain text in an order's places, in the headers of its events and in the key that signs a cluster's files,
and nowhere else.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from syncd.errors import NotFoundError
from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration
from syncd.model.definitions import Connection, OptionValue, Replication
from syncd.model.event import (
    HookEnded,
    RunEvent,
    StatementSent,
    StateReset,
    StepEnded,
    StepProgressed,
    StepStarted,
    WindowCommitted,
)
from syncd.model.run import Failure, Run, Status, StepResult
from syncd.model.secret import Secret

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
RUN_EVENTS: Final[Mapping[str, type[RunEvent]]] = {
    kind.__name__: kind
    for kind in (
        StepStarted,
        StepProgressed,
        WindowCommitted,
        StatementSent,
        HookEnded,
        StateReset,
        StepEnded,
    )
}

Plain = str | int | float | bool | None


class Place(msgspec.Struct, frozen=True):
    """A connection as a worker needs it: options with secrets revealed, and which of them are secret."""

    name: str
    type: str
    options: dict[str, Plain]
    secret: tuple[str, ...] = ()
    rows_per_second: float | None = None
    bytes_per_second: float | None = None

    @property
    def key(self) -> bytes:
        """Equal for two places that mean the same store, reached in the same way."""
        return msgspec.json.encode((self.name, self.type, self.options, self.secret), order="deterministic")

    def wrapped(self) -> dict[str, OptionValue]:
        """The options as a connector takes them, secrets wrapped again."""
        return {
            name: Secret(str(value)) if name in self.secret else value for name, value in self.options.items()
        }


class Order(msgspec.Struct, frozen=True, tag=True):
    """Do this run."""

    run: str
    job: Replication
    source: Place
    destination: Place
    queries: tuple[str, ...] = ()
    full: bool = False
    verify: str = ""
    """check or repair: compare both sides of the job's queries instead of moving rows."""
    others: tuple[Place, ...] = ()
    """Connections of the job's events."""
    previous: str = ""
    """How the job's last run ended."""
    log: str = ""
    """The run's log file; empty when nobody writes one."""

    @property
    def work(self) -> Replication:
        """What is run, by the name that all orders have for it."""
        return self.job

    @property
    def places(self) -> tuple[Place, ...]:
        """All that its transfers open."""
        return (self.source, self.destination)

    @property
    def home(self) -> Place:
        """Where the SQL of an event runs that names no connection."""
        return self.destination


class ClusterOrder(msgspec.Struct, frozen=True, tag=True):
    """Do this run of a cluster."""

    run: str
    cluster: Cluster
    parent: Place
    children: tuple[Place | None, ...]
    """In the order of the cluster's children; None for one that takes no part."""
    full: bool = False
    verify: str = ""
    """check or repair: compare every child with the parent instead of exchanging changes."""
    others: tuple[Place, ...] = ()
    """Connections of the cluster's events."""
    previous: str = ""
    """How the cluster's last run ended."""
    log: str = ""
    """The run's log file; empty when nobody writes one."""

    @property
    def work(self) -> Cluster:
        """What is run, by the name that all orders have for it."""
        return self.cluster

    @property
    def places(self) -> tuple[Place, ...]:
        """All that are synchronised, the parent first."""
        return (self.parent, *(child for child in self.children if child is not None))

    @property
    def home(self) -> Place:
        """Where the SQL of an event runs that names no connection."""
        return self.parent


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop what you are doing, soon."""


class Forget(msgspec.Struct, frozen=True, tag=True):
    """Close kept connections of these names: their definition changed or is gone."""

    names: tuple[str, ...]


AnyOrder = Order | ClusterOrder


class Watched(msgspec.Struct, frozen=True):
    """A cluster and where its repositories are."""

    cluster: str
    places: tuple[Place, ...]


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Watch these clusters until the line is closed, and say `Changed` whenever somebody edits something."""

    clusters: tuple[Watched, ...]


Request = Order | ClusterOrder | Cancel | Forget | Watch


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker holds its lock and takes orders."""


class Told(msgspec.Struct, frozen=True, tag=True):
    """One event of the run."""

    name: str
    facts: msgspec.Raw


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """How the run ended."""

    status: Status
    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None


class Changed(msgspec.Struct, frozen=True, tag=True):
    """A repository of this cluster has edits that no run has counted yet."""

    cluster: str


Answer = Ready | Told | Outcome | Changed

_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(
    Request, dec_hook=lambda kind, value: kind(value)
)
_ANSWERS: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=lambda value: value.reveal())


def place(connection: Connection) -> Place:
    """The connection with its secrets revealed, for a worker's eyes only."""
    options: dict[str, Plain] = {}
    secret = []
    for name, value in connection.options.items():
        if isinstance(value, Secret):
            secret.append(name)
            options[name] = value.reveal()
        else:
            options[name] = value
    return Place(
        connection.name,
        connection.type,
        options,
        tuple(secret),
        connection.rows_per_second,
        connection.bytes_per_second,
    )


def order_of(run: Run, configuration: Configuration, previous: Run | None, log: str = "") -> AnyOrder:
    """The order to carry out a run of a declared job or cluster; `log` is its log file.

    Raises:
        NotFoundError: it is not declared any more, or the run asks for single queries of a cluster, which has none.
    """
    work = configuration.work.get(run.job)
    if work is None:
        raise NotFoundError(f"there is no job '{run.job}' any more")
    at = configuration.connections
    hooks = [hook for hook in (work.events.pre, work.events.post) if hook is not None]
    others = tuple(place(at[hook.connection]) for hook in hooks if hook.connection)
    ended = previous.status.value if previous else "never run"
    if isinstance(work, Replication):
        return Order(
            run=run.id,
            job=work,
            source=place(at[work.source]),
            destination=place(at[work.destination]),
            queries=run.queries,
            full=run.full,
            verify=run.verify,
            others=others,
            previous=ended,
            log=log,
        )
    if run.queries:
        raise NotFoundError(f"cluster '{run.job}' has no queries", hint=f"syncd sync {run.job}")
    refuse_elsewhere(work)
    return ClusterOrder(
        run=run.id,
        cluster=work,
        parent=place(at[work.parent_connection]),
        children=tuple(
            place(at[child.connection]) if child.takes_part and child.connection else None
            for child in work.children
        ),
        full=run.full,
        verify=run.verify,
        others=others,
        previous=ended,
        log=log,
    )


def refuse_elsewhere(cluster: Cluster) -> None:
    """Refuse to run a cluster whose parent is at another site.

    Raises:
        NotFoundError: there is no connection to the parent.
    """
    if not cluster.can_run:
        raise NotFoundError(
            f"cluster '{cluster.name}' cannot be synchronised from here: its parent '{cluster.parent}' has no connection",
            hint=f"it takes part by files: syncd export {cluster.name} CHILD FILE, syncd import {cluster.name} FILE",
            code="no_parent",
        )


def line(message: Request | Answer) -> bytes:
    """A message as it travels."""
    return _ENCODER.encode(message) + b"\n"


def told(event: RunEvent) -> Told:
    """An event, ready to travel."""
    return Told(type(event).__name__, msgspec.Raw(_ENCODER.encode(event)))


def event_of(message: Told) -> RunEvent:
    """The event that was told."""
    return msgspec.json.decode(message.facts, type=RUN_EVENTS[message.name])


def request_of(text: bytes) -> Request:
    """What the parent asks."""
    return _REQUESTS.decode(text)


def answer_of(text: bytes) -> Answer:
    """What the worker says."""
    return _ANSWERS.decode(text)
