"""Logging of a process: events, our own detail and foreign records on one stream, scrubbed."""

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest
import structlog

from syncd.model.definitions import Logs
from syncd.model.event import RunEnded
from syncd.observe.logs import configure
from syncd.observe.scrub import Scrubber
from tests.unit.observe.samples import EVENTS

SECRET = "marker-secret-71"


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal(io.BytesIO):
    def isatty(self):
        return True


class Full(io.BytesIO):
    def write(self, data):
        raise OSError(28, "No space left on device")


def started(clock, level="info", form="json", stream=None):
    stream = io.BytesIO() if stream is None else stream
    return configure(Logs(level=level, format=form), stream, Scrubber([SECRET]), clock), stream


def records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_becomes_a_line_with_time_service_and_facts(clock):
    log, stream = started(clock)

    log.write(next(event for event in EVENTS if isinstance(event, RunEnded)))

    (found,) = records(stream)
    assert (found["@timestamp"], found["service.name"], found["run"], found["log.level"]) == (
        "2026-03-01T00:00:00.000000Z", "syncd", "r1", "error"
    )  # fmt: skip
    assert found["service.version"]


@pytest.mark.parametrize(("level", "count"), [("debug", 16), ("info", 11), ("warning", 6), ("error", 2)])
def test_level_decides_which_events_are_written(clock, level, count):
    log, stream = started(clock, level)

    for event in EVENTS:
        log.write(event)

    assert len(records(stream)) == count


def test_own_detail_comes_with_its_context_and_without_secrets(clock):
    _, stream = started(clock, "debug")

    with structlog.contextvars.bound_contextvars(run="r7"):
        structlog.get_logger().debug(
            "connected", host="db", secret=SECRET, width=float("nan"), seen=(1, 2), gone=None
        )

    (found,) = records(stream)
    assert {key: found[key] for key in ("message", "log.level", "run", "host", "secret", "width", "seen")} == {
        "message": "connected", "log.level": "debug", "run": "r7", "host": "db", "secret": "***", "width": "nan",
        "seen": ["1", "2"],
    }  # fmt: skip
    assert "gone" not in found


def test_detail_below_the_level_is_not_written(clock):
    _, stream = started(clock, "info")

    structlog.get_logger().debug("detail")
    logging.getLogger("driver").debug("detail")

    assert records(stream) == []


@pytest.mark.parametrize(
    ("number", "level"), [(10, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "error")]
)
def test_record_of_a_foreign_library_is_taken_in(clock, number, level):
    _, stream = started(clock, "debug")

    logging.getLogger("driver").log(number, "cannot reach %s", f"postgresql://u:{SECRET}@db")

    (found,) = records(stream)
    assert (found["log.level"], found["log.logger"]) == (level, "driver")
    assert found["message"] == "cannot reach postgresql://u:***@db"


def test_foreign_record_that_does_not_format_is_written_all_the_same(clock):
    _, stream = started(clock)

    logging.getLogger("driver").info("%d rows", "many")

    assert "many" in records(stream)[0]["message"]


def test_traceback_is_one_scrubbed_value(clock):
    _, stream = started(clock)

    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("driver").exception("it failed")
        structlog.get_logger().exception("it failed too")

    for found in records(stream):
        assert "Traceback" in found["error.stack_trace"]
    assert SECRET.encode() not in stream.getvalue()
    assert len(records(stream)) == 2


def test_python_warnings_are_records(clock):
    _, stream = started(clock)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old way", UserWarning, stacklevel=1)
        logging.captureWarnings(False)

    assert "old way" in records(stream)[0]["message"]


def test_chatty_library_is_heard_from_warning_on(clock):
    _, stream = started(clock)

    logging.getLogger("httpx").info("GET https://x/?token=abc")
    logging.getLogger("httpx").warning("GET https://x/?token=abc")

    assert [found["message"] for found in records(stream)] == ["GET https://x/?token=***"]


@pytest.mark.parametrize(
    ("form", "terminal", "is_json"),
    [("json", True, True), ("console", False, False), ("auto", True, False), ("auto", False, True)],
)
def test_form_is_json_unless_a_person_looks(clock, form, terminal, is_json):
    log, stream = started(clock, form=form, stream=Terminal() if terminal else io.BytesIO())

    log.write(next(event for event in EVENTS if isinstance(event, RunEnded)))

    assert stream.getvalue().startswith(b"{") is is_json
    assert (b"\x1b[" in stream.getvalue()) is (terminal and not is_json)


def test_full_disk_and_closed_stream_drop_lines_and_count_them(clock):
    full, _ = started(clock, stream=Full())
    full.write(EVENTS[7])
    closed, stream = started(clock)
    stream.close()
    closed.write(EVENTS[7])

    assert (full.dropped, closed.dropped) == (1, 1)


def test_configuring_again_changes_the_level_and_doubles_nothing(clock):
    _, first = started(clock, "error")
    log, second = started(clock, "info")

    logging.getLogger("driver").info("hello")
    structlog.get_logger().info("hello")
    log.write(next(event for event in EVENTS if isinstance(event, RunEnded)))

    assert first.getvalue() == b""
    assert len(records(second)) == 3


def test_observing_does_not_import_structlog_before_it_is_configured():
    program = "import sys, syncd.observe.bus, syncd.observe.logs, syncd.observe.runlog; sys.exit('structlog' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
