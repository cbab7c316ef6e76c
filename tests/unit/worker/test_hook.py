"""Events around a run: real commands and a real web service."""

import contextlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from syncd.errors import FatalError, RunCancelledError, TransientError
from syncd.model.definitions import Hook
from syncd.model.secret import Secret
from syncd.worker.hook import reply_of, run_hook

FACTS = {"JobName": "j", "RecordsAffected": 5, "QueryResults": [{"query": "t"}]}


def python(code: str, **more) -> Hook:
    return Hook(command=(sys.executable, "-c", code), **more)


def run(hook: Hook, check=lambda: None):
    return run_hook(hook, FACTS, lambda _name: pytest.fail("no connection is needed"), check)


def test_a_command_gets_its_facts_as_environment_and_on_standard_input():
    code = (
        "import os, sys, json; given = json.load(sys.stdin);"
        "print('env:a=' + os.environ['SYNCD_JOBNAME']); print('env:b=%d' % given['RecordsAffected'])"
    )

    assert run(python(code)).variables == {"a": "j", "b": "5"}


def test_a_command_gets_long_facts_on_standard_input_only():
    facts = FACTS | {
        "QueryResults": [{"query": f"table {number}"} for number in range(20_000)],
        "Detail": "a\0b",
    }
    code = (
        "import os, sys, json; given = json.load(sys.stdin);"
        "print('env:a=%s' % ('SYNCD_QUERYRESULTS' in os.environ)); print('env:b=%d' % len(given['QueryResults']));"
        "print('env:c=' + os.environ['SYNCD_DETAIL'])"
    )

    reply = run_hook(python(code), facts, lambda _name: pytest.fail("no connection"), lambda: None)

    assert reply.variables == {"a": "False", "b": "20000", "c": "a b"}


def test_a_command_may_veto():
    assert run(python("print('CancelJob=true')")).veto is True


def test_a_command_that_fails_says_its_last_words():
    with pytest.raises(FatalError, match="exit code 3: the tape is missing") as caught:
        run(python("import sys; print('the tape is missing', file=sys.stderr); sys.exit(3)"))

    assert caught.value.code == "event_failed"


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(FatalError, match="/no/such/command cannot be started"):
        run(Hook(command=("/no/such/command",)))


def test_a_command_that_takes_too_long_is_killed_with_its_children():
    began = time.monotonic()

    with pytest.raises(FatalError, match=r"longer than 0\.3 s"):
        run(python("import subprocess; subprocess.run(['sleep', '60'])", timeout_seconds=0.3))

    assert time.monotonic() - began < 10


def test_a_stop_ends_a_command():
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 0.2:
            raise RunCancelledError("stopped")

    with pytest.raises(RunCancelledError):
        run(python("import time; time.sleep(60)"), check)

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("text", "variables", "veto"),
    [
        ("", {}, False),
        ("hello\nenv:x=1=2\n", {"x": "1=2"}, False),
        ("env:x=\n", {"x": ""}, False),
        ("CancelJob=TRUE\n", {}, True),
        ("CancelJob=no\n", {}, False),
        ('{"env": {"x": 1}, "CancelJob": true}', {"x": "1"}, True),
        ('{"x": "y"}', {"x": "y"}, False),
        ("[1, 2]", {}, False),
        ("x=1\n", {}, False),
    ],
)
def test_replies_are_read(text, variables, veto):
    reply = reply_of(text)

    assert (reply.variables, reply.veto) == (variables, veto)


class Service(BaseHTTPRequestHandler):
    """Answers as its path says, and remembers what it was given."""

    given: ClassVar[dict] = {}

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        Service.given = {"body": json.loads(self.rfile.read(size)), "token": self.headers["X-Token"]}
        if self.path == "/drip":
            self.drip()
            return
        self.send_response(int(self.path.strip("/").split("?")[0]))
        self.end_headers()
        self.wfile.write(b'{"env": {"batch": "7"}}')

    def drip(self):
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b" ")
                time.sleep(0.1)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_service_gets_the_facts_and_gives_variables(service):
    reply = run(Hook(url=f"{service}/200", headers={"X-Token": Secret("t0k3n")}))

    assert reply.variables == {"batch": "7"}
    assert Service.given == {"body": FACTS, "token": "t0k3n"}


def test_a_web_service_that_refuses_is_named_without_its_query(service):
    with pytest.raises(FatalError, match=r"/403 answers with 403") as caught:
        run(Hook(url=f"{service}/403?token=s3cret"))

    assert "s3cret" not in caught.value.message


def test_a_web_service_that_is_busy_may_be_tried_again(service):
    with pytest.raises(TransientError, match="answers with 503"):
        run(Hook(url=f"{service}/503"))


def test_a_web_service_that_is_not_there_may_be_tried_again():
    with pytest.raises(TransientError, match="does not answer"):
        run(Hook(url="http://127.0.0.1:9/"))


def test_statements_give_rows_of_name_and_value():
    class Store:
        def execute(self, statement, check):
            assert statement == "SELECT name, value FROM settings"
            return [("x", 1), ("y", None), ("CancelJob", "true")]

    asked = []
    hook = Hook(sql="SELECT name, value FROM settings", connection="other")

    reply = run_hook(hook, FACTS, lambda name: asked.append(name) or Store(), lambda: None)

    assert (reply.variables, reply.veto, asked) == ({"x": "1"}, True, ["other"])


def test_a_web_service_that_drips_has_one_time_limit_for_all(service):
    began = time.monotonic()

    with pytest.raises(TransientError, match=r"/drip does not answer within 0\.5 s"):
        run(Hook(url=f"{service}/drip", timeout_seconds=0.5))

    assert time.monotonic() - began < 5


def test_a_stop_ends_a_call_of_a_web_service(service):
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 0.2:
            raise RunCancelledError("stopped")

    with pytest.raises(RunCancelledError):
        run(Hook(url=f"{service}/drip"), check)

    assert time.monotonic() - began < 5


@pytest.mark.parametrize("value", ["p\u00e4ss", "two\nlines", " blank", "nul\0"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(service, value):
    with pytest.raises(FatalError, match="the header X-Token holds what no header can") as caught:
        run(Hook(url=f"{service}/200", headers={"X-Token": Secret(value)}))

    assert value.strip() not in caught.value.message
    assert caught.value.code == "bad_header"


@pytest.mark.parametrize("url", ["http://h:99999/x", "http://h:x/", "http://[::1/"])
def test_a_url_that_cannot_be_is_refused(url):
    with pytest.raises(FatalError, match="a host or a port that cannot be"):
        run(Hook(url=url))
