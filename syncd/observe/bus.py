"""Carries every event from where it happens to all who want to know."""

import logging
from collections.abc import Callable

from syncd.model.event import Event

Subscriber = Callable[[Event], object]

_log = logging.getLogger(__name__)


class Bus:
    """Calls its subscribers in the order they came, in the thread that publishes. Used from one thread only.

    A subscriber that raises is a warning in the log; the others and the publisher go on.
    """

    def __init__(self) -> None:
        self._subscribers: dict[object, Subscriber] = {}

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Hear every event from now on, until the callable that this gives is called (more than once does no harm)."""
        ticket = object()
        self._subscribers[ticket] = subscriber
        return lambda: self._leave(ticket)

    def publish(self, event: Event) -> None:
        """Tell everyone who listens now."""
        for ticket, subscriber in list(self._subscribers.items()):
            if ticket not in self._subscribers:
                continue
            try:
                subscriber(event)
            except Exception as error:  # noqa: BLE001 - whatever a listener does wrong, the work goes on
                facts = {"event.action": type(event).__name__, "subscriber": _name(subscriber)}
                _log.warning("a subscriber failed", exc_info=error, extra={"facts": facts})

    def _leave(self, ticket: object) -> None:
        self._subscribers.pop(ticket, None)


def _name(subscriber: Subscriber) -> str:
    return getattr(subscriber, "__qualname__", type(subscriber).__qualname__)
