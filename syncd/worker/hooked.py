"""The events around a run: what is done before its first query and after its last."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from syncd.errors import FatalError, RunCancelledError, SyncdError, TransientError
from syncd.model.configuration import Work
from syncd.model.definitions import Hook, Replication
from syncd.model.event import HookEnded
from syncd.model.run import Counters, Failure, Status
from syncd.ports import Check, Destination, Emit
from syncd.worker.hook import Reply, run_hook
from syncd.worker.kept import KeptPorts
from syncd.worker.tuning import tuning_of
from syncd.worker.unforeseen import unforeseen
from syncd.worker.wire import AnyOrder, ClusterOrder, Outcome


def uses_variables(work: Work) -> bool:
    """May a query of the job need what the pre-event gives?"""
    return isinstance(work, Replication) and any("{env:" in query for query in work.queries)


class Hooked:
    """One order's events. `variables` are what the pre-event gave."""

    def __init__(self, order: AnyOrder, ports: KeptPorts, emit: Emit, check: Check) -> None:
        self.variables: Mapping[str, str] = {}
        self._order = order
        self._ports = ports
        self._emit = emit
        self._check = check
        self._started = datetime.now(UTC)

    def before(self) -> Outcome | None:
        """Carry out the pre-event; an outcome when the run ends here: it failed, or it said that nothing shall run.

        A comparison asks it only for the variables that its queries need, and takes place whatever it says.
        """
        hook = self._order.work.events.pre
        if hook is None or (self._order.verify and not uses_variables(self._order.work)):
            return None
        reply, failure = self._do("pre", hook, self._facts(self._order.previous))
        if failure is not None:
            status = Status.CANCELLED if failure.code == "cancelled" else Status.FAILED
            return Outcome(status, (), failure)
        if reply.veto and not self._order.verify:
            return Outcome(
                Status.SKIPPED, (), Failure("vetoed", "the pre-event said that the job shall not run")
            )
        self.variables = reply.variables
        return None

    def after(self, outcome: Outcome) -> Outcome:
        """Carry out the post-event, however the run ended; a failing one makes a good run partial."""
        hook = self._order.work.events.post
        if hook is None or self._order.verify:
            return outcome
        total = Counters()
        for step in outcome.steps:
            total = total + step.counters
        facts = self._facts(outcome.status.value) | {
            "Runtime": round((datetime.now(UTC) - self._started).total_seconds(), 3),
            "RecordsAffected": total.inserted + total.updated + total.deleted,
            "Detail": outcome.failure.message if outcome.failure else "",
            "LogFile": self._order.log,
            "QueryResults": [
                {"query": step.step, "status": step.status.value, **msgspec.to_builtins(step.counters)}
                for step in outcome.steps
            ],
        }
        # A run that was stopped tells so too, and what tells it is not stopped again by the same wish.
        _, failure = self._do("post", hook, facts, check=lambda: None)
        if failure is not None and outcome.status is Status.OK:
            return Outcome(Status.PARTIAL, outcome.steps, failure)
        return outcome

    def _facts(self, status: str) -> dict[str, Any]:
        order = self._order
        source, destination = _ends(order)
        return {
            "JobName": order.work.name,
            "Source": source,
            "Destination": destination,
            "JobStatus": status,
            "RunId": order.run,
            "RunStartDate": self._started.isoformat(timespec="seconds"),
        }

    def _do(
        self, when: str, hook: Hook, facts: Mapping[str, Any], check: Check | None = None
    ) -> tuple[Reply, Failure | None]:
        began = time.monotonic()
        reply, failure = Reply(), None
        try:
            reply = run_hook(hook, facts, self._destination, check or self._check)
        except RunCancelledError:
            failure = Failure("cancelled", "the run was cancelled")
        except SyncdError as error:
            message = f"the {when}-event failed: {error.message}"
            # What failed after a good run is no reason to move its rows once more.
            passing = when == "pre" and isinstance(error, TransientError)
            failure = Failure("event_failed", message, error.hint, error.where, transient=passing)
        except Exception as error:  # noqa: BLE001  # whatever an event does, the run ends with an outcome
            found = unforeseen(error)
            failure = replace(found, message=f"the {when}-event failed: {found.message}")
        self._emit(
            HookEnded(
                self._order.run,
                self._order.work.name,
                when,
                time.monotonic() - began,
                veto=reply.veto,
                failure=failure,
            )
        )
        return reply, failure

    def _destination(self, name: str) -> Destination:
        order = self._order
        own = order.home.name
        for place in (order.home, *order.others, *order.places):
            if place.name == (name or own):
                port = self._ports.destination(place)
                # A kept one would go on telling what it does to an earlier run.
                port.tune(tuning_of(order, self._emit, "destination", limited=place.name == own))
                return port
        raise FatalError(f"there is no connection '{name}'", code="event_failed")


def _ends(order: AnyOrder) -> tuple[str, str]:
    """What an event is told of both ends: connections of a job, repositories of a cluster."""
    if isinstance(order, ClusterOrder):
        children = [child.repository for child in order.cluster.children if child.takes_part]
        return order.cluster.parent, ", ".join(children)
    return order.job.source, order.job.destination
