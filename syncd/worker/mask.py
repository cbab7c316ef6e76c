"""Takes secrets out of texts that drivers and other people's code wrote."""

from collections.abc import Iterable
from dataclasses import replace

from syncd.model.cluster import Cluster
from syncd.model.configuration import Configuration, Work
from syncd.model.event import HookEnded, RunEvent, StatementSent
from syncd.model.run import Failure, StepResult
from syncd.model.secret import MASK, Secret
from syncd.worker.wire import Outcome, Place


def secrets_of(configuration: Configuration) -> set[str]:
    """Every secret of every connection, event and cluster, in plain text."""
    found = {
        value.reveal()
        for connection in configuration.connections.values()
        for value in connection.options.values()
        if isinstance(value, Secret)
    }
    return found.union(*(secrets_of_work(work) for work in configuration.work.values()))


def secrets_of_work(work: Work) -> set[str]:
    """What the headers of its events hold, and the key that signs a cluster's files, in plain text."""
    hooks = [hook for hook in (work.events.pre, work.events.post) if hook is not None]
    found = {value.reveal() for hook in hooks for value in hook.headers.values()}
    key = work.signing_key if isinstance(work, Cluster) else None
    return found if key is None else {*found, key.reveal()}


class SecretMask:
    """Knows the secrets of a run's places and puts the mask over every one that a text quotes."""

    def __init__(self, places: Iterable[Place], more: Iterable[str] = ()) -> None:
        texts = {str(place.options[name]) for place in places for name in place.secret} | set(more)
        # The longest first: one secret may be a part of another.
        self._secrets = sorted((text for text in texts if text), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text, masked."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def failure(self, failure: Failure | None) -> Failure | None:
        """The failure, masked."""
        if failure is None or not self._secrets:
            return failure
        return replace(
            failure,
            message=self.text(failure.message),
            hint=self.text(failure.hint),
            where=self.text(failure.where),
        )

    def event(self, event: RunEvent) -> RunEvent:
        """The event, masked where other people's words stand in it."""
        if not self._secrets:
            return event
        if isinstance(event, StatementSent):
            return replace(event, statement=self.text(event.statement))
        if isinstance(event, HookEnded):
            return replace(event, failure=self.failure(event.failure))
        return event

    def step(self, step: StepResult) -> StepResult:
        """The step's result, masked."""
        if not self._secrets or (not step.warnings and step.failure is None):
            return step
        warnings = tuple(self.text(warning) for warning in step.warnings)
        return replace(step, warnings=warnings, failure=self.failure(step.failure))

    def outcome(self, outcome: Outcome) -> Outcome:
        """The whole outcome, masked."""
        steps = tuple(self.step(step) for step in outcome.steps)
        return Outcome(outcome.status, steps, self.failure(outcome.failure))
