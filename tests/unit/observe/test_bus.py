"""The bus: everybody hears everything, and a bad listener harms nobody."""

import logging

from syncd.model.event import DaemonStopped
from syncd.observe.bus import Bus

EVENT = DaemonStopped("test")


def test_subscribers_hear_events_in_the_order_they_came():
    bus, heard = Bus(), []
    bus.subscribe(lambda event: heard.append(("first", event)))
    bus.subscribe(lambda event: heard.append(("second", event)))

    bus.publish(EVENT)

    assert heard == [("first", EVENT), ("second", EVENT)]


def test_subscriber_that_left_hears_nothing_more():
    bus, heard = Bus(), []
    leave = bus.subscribe(heard.append)
    leave()
    leave()

    bus.publish(EVENT)

    assert heard == []


def test_subscriber_may_leave_and_throw_another_out_while_it_is_called():
    bus, heard = Bus(), []
    bus.subscribe(lambda _: leave())
    leave = bus.subscribe(heard.append)

    bus.publish(EVENT)
    bus.publish(EVENT)

    assert heard == []


def test_failing_subscriber_is_a_warning_and_the_others_go_on(caplog):
    bus, heard = Bus(), []

    def fails(event):
        raise ZeroDivisionError(event)

    bus.subscribe(fails)
    bus.subscribe(heard.append)

    bus.publish(EVENT)

    assert heard == [EVENT]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.facts["event.action"] == "DaemonStopped"
    assert "fails" in warning.facts["subscriber"]
