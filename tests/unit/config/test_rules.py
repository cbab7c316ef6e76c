"""Rules and messages, on data that never was a file."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.cluster import check_clusters
from syncd.config.connection import Connectors
from syncd.config.document import parse_document
from syncd.config.job import check_jobs
from syncd.config.order import cycles
from syncd.config.placeholder import Resolver
from syncd.config.report import Report, ordered
from syncd.config.suggestion import nearest, suggest
from syncd.config.validate import check_shell
from syncd.config.work import check_order
from syncd.errors import Problem
from syncd.model.secret import Secret
from tests.unit.config.stand_ins import checkers


def problems(text: str, **environ: str) -> list[str]:
    document = parse_document(text, "f")
    assert document.root is not None
    report = Report(document.root)
    resolver = Resolver(report, environ)
    resolver.resolve()
    connectors = Connectors(checkers())
    check_shell(report)
    connectors.check(report)
    check_jobs(report, checkers(), connectors, complete=True)
    check_clusters(report, checkers(), connectors, complete=True)
    check_order(report)
    found = ordered([*document.problems, *report.problems], ["f"], resolver.secrets)
    return [str(problem).removeprefix("f:") for problem in found]


def options(text: str, **environ: str) -> dict[str, Any]:
    root = parse_document(f"connections: {{c: {text}}}", "/etc/f.yaml").root
    assert root is not None
    Resolver(Report(root), environ).resolve()
    section: Any = root["connections"]
    return Connectors(checkers()).options("server", section["c"])


SERVER = {
    # options -> (the text at the problem's place, path and message)
    "url: x, host: y": ("host", "c.host: cannot stand here together with 'url' (remove one of them)"),
    "host: y": ("c: {", "c: needs 'url' or 'host' and 'database'"),
    "url: x, certificate: a": ("certificate", "c.certificate: needs 'key' beside it"),
    "url: x, port: 0": ("0", "c.port: must be more than 0"),
    "url: x, port: 65536": ("65536", "c.port: must be less than 65536"),
    "url: x, key: kkkkkkkkk": ("kkk", "c.key: must have at most 8 characters, not 9"),
    "url: x, key: abc": ("abc", "c.key: does not fit: a name that begins with k"),
    "url: x, protocol: 4": ("4", "c.protocol: must be 3"),
    "url: x, tables: [a, b, c]": ("[", "c.tables: must have at most 2 entries, not 3"),
    "url: x, tables: [a, a]": ("[", "c.tables: holds the same entry twice"),
    "url: x, size: 0": ("0", "c.size: must be at least 1"),
    "url: x, size: 5GB": ("5GB", "c.size: does not fit: pattern"),
    "url: x, size: [1]": ("[", "c.size: must be a whole number, not a list"),
    "url: 5": ("5", "c.url: must be a text, not a number (put it in quotes)"),
    "url: x, password:hunter2": ("password", "c.password: unknown key (did you mean 'password'?)"),
    "url: x, password=hunter2": ("password", "c.password: unknown key (did you mean 'password'?)"),
}


@pytest.mark.parametrize("text", SERVER)
def test_options_of_a_connector_get_sentences_of_our_own(text: str) -> None:
    line = f"connections: {{c: {{type: server, {text}}}}}"
    place, sentence = SERVER[text]

    assert problems(line) == [f"1:{line.index(place) + 1}: connections.{sentence}"]


JOBS = {
    # changed line -> (line, the text at the problem's place, path and message)
    "source: out": (3, "out", "source: connection 'out' of type 'sink' cannot be a source"),
    "destination: in": (4, " in", "destination: connection 'in' of type 'feed' cannot be a destination"),
    "queries: COPP x": (5, " x", "queries: no COPY"),
    "queries: ['COPP x']": (5, " x", "queries[0]: no COPY"),
    r'queries: ["C\u004FPP x"]': (5, '["', "queries[0]: no COPY"),
    "queries: COPY x\n    schedule: {cron: '1234'}": (
        6,
        " '1234'",
        "schedule.cron: '1234' is not always, in UTC",
    ),
}


@pytest.mark.parametrize("changed", JOBS)
def test_rule_of_jobs(changed: str) -> None:
    at, place, sentence = JOBS[changed]
    lines = {"source": "source: in", "destination": "destination: out", "queries": "queries: COPY x"}
    lines[changed.split(":")[0]] = changed
    job = "".join(f"    {line}\n" for line in lines.values())
    text = f"jobs:\n  j:\n{job}connections: {{in: {{type: feed}}, out: {{type: sink}}}}\n"
    column = text.split("\n")[at - 1].index(place) + (1 if place == "out" else 2)

    assert problems(text) == [f"{at}:{column}: jobs.j.{sentence}"]


def test_connection_that_cannot_be_a_repository_is_refused_in_a_cluster() -> None:
    text = (
        "connections: {s: {type: server, url: x}, f: {type: feed, path: y}, r: {type: store, path: z}}\n"
        "clusters: {c: {parent: {repository: P, connection: r}, tables: t, children: [\n"
        "  {repository: A, connection: s}, {repository: B, connection: f, connected: false}]}}\n"
    )

    assert problems(text) == [
        "3:31: clusters.c.children[0].connection: connection 's' of type 'server' cannot be a repository",
        "3:63: clusters.c.children[1].connection: connection 'f' of type 'feed' cannot be a repository",
    ]


def test_cron_is_asked_in_the_zone_of_its_schedule() -> None:
    job = "{source: a, destination: a, queries: COPY x, schedule: {cron: x, timezone: Europe/Rome}}"

    found = problems(f"connections: {{a: {{type: server, url: x}}}}\njobs: {{j: {job}}}")

    assert found == ["2:73: jobs.j.schedule.cron: 'x' is not always, in Europe/Rome"]


def test_connector_that_does_not_say_otherwise_takes_no_other_keys() -> None:
    assert problems("connections: {c: {type: feed, pth: x}}") == [
        "1:31: connections.c.pth: unknown key (did you mean 'path'?)"
    ]


def test_values_from_outside_and_marked_options_become_secret() -> None:
    found = options(
        "{url: 'x://u:p@h/d', host: 'x://u@h', password: abc, pin: 7, port: 5, database: '${env:DB}', key: 'k$${x'}",
        DB="crm",
    )

    assert found == {
        "url": Secret("x://u:p@h/d"),
        "host": "x://u@h",
        "password": Secret("abc"),
        "pin": Secret("7"),
        "port": 5,
        "database": Secret("crm"),
        "key": "k${x",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pw@h/db",
        "postgresql://:pw@h/db",
        "postgresql://h/db?user=u&password=pw",
        "host=h password = pw",
        "PWD=pw;Server=h",
    ],
)
def test_url_with_a_password_becomes_secret(url: str) -> None:
    assert options(f"{{url: '{url}'}}") == {"url": Secret(url)}


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/db", "postgresql://h:5432/db", "https://h/a@b:c", "C:\\data\\a@b"]
)
def test_url_without_a_password_stays_readable(url: str) -> None:
    assert options(f"{{url: '{url}'}}") == {"url": url}


def test_path_option_is_relative_to_its_file() -> None:
    assert options("{certificate: a/b.crt}") == {"certificate": "/etc/a/b.crt"}
    assert options("{certificate: /x/b.crt}") == {"certificate": "/x/b.crt"}


def test_reference_behind_an_alias_is_replaced_once() -> None:
    text = "x-a: &a {description: '$${env:A}', after: '$${env:A} ${env:A}'}\njobs: {i: *a, j: *a}\n"
    root = parse_document(text, "f").root
    assert root is not None

    Resolver(Report(root), {"A": "1"}).resolve()

    assert root["jobs"] == {name: {"description": "${env:A}", "after": "${env:A} 1"} for name in "ij"}


def test_references_in_x_keys_are_left_alone() -> None:
    assert problems("x-a: ${env:NO}\n") == []


@given(st.text(alphabet="${}env:fil credt/\\nA", max_size=30))
def test_any_text_with_references_is_resolved_or_refused(text: str) -> None:
    quoted = text.replace("'", "''")
    root = parse_document(f"connections: {{c: {{url: '{quoted}'}}}}", "/nonexistent/f").root
    assert root is not None
    report = Report(root)

    Resolver(report, {"A": "1"}).resolve()

    section: Any = root["connections"]
    changed = section["c"]["url"] != text
    assert bool(report.problems) <= changed
    assert changed == ("${" in text)


def test_resolved_texts_are_masked_wherever_they_stand() -> None:
    problem = Problem("f", 1, 1, "jobs.planted-secret", "no planted-secret", "x://u:pw@h planted-secret")

    masked = ordered([problem], ["f"], ["planted-secret", "no"])

    assert str(masked[0]) == "f:1:1: jobs.***: no *** (x://u:***@h ***)"


def test_very_long_values_are_neither_shown_whole_nor_searched_for_long() -> None:
    began = time.process_time()
    long = "://a:" * 200_000

    found = problems(
        f"connections: {{c: {{type: server, url: '{long}'}}}}\njobs: {{j: {{source: '{long}'}}}}"
    )
    secret = options(f"{{url: '{long}'}}")

    assert max(len(line) for line in found) < 1200
    assert secret == {"url": Secret(long)}
    assert time.process_time() - began < 1


def test_values_cannot_break_a_line_or_steer_a_terminal() -> None:
    found = problems('jobs: {j: {source: "a\\n\\e[31mb\\u2028c"}}')

    assert found[-1] == "1:20: jobs.j.source: there is no connection 'a [31mb c'"


def test_problems_stand_in_the_order_of_files_lines_and_columns() -> None:
    found = [
        Problem(file, line, column, "", "m") for file, line, column in (("b", 1, 1), ("a", 2, 1), ("a", 1, 9))
    ]

    assert [str(problem) for problem in ordered([*found, found[0]], ["b", "a"], [])] == [
        "b:1:1: m",
        "a:1:9: m",
        "a:2:1: m",
    ]


GRAPHS = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefx"), max_size=3), max_size=6
)


def reaches(graph: dict[str, list[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        job = waiting.pop()
        if job == goal:
            return True
        if job not in seen:
            seen.add(job)
            waiting += graph.get(job, ())
    return False


@given(GRAPHS)
def test_circles_are_found_when_there_are_some(graph: dict[str, list[str]]) -> None:
    found = cycles(graph)

    assert bool(found) == any(reaches(graph, job, job) for job in graph)
    for circle in found:
        assert len(set(circle)) == len(circle)
        for job, before in zip(circle, circle[1:] + circle[:1], strict=True):
            assert before in graph[job]
        assert circle[0] == min(circle, key=list(graph).index)


def test_circles_of_many_jobs_are_found_in_time_and_depth() -> None:
    count = 50_000
    graph = {str(n): [str((n + 1) % count)] for n in range(count)}

    assert [len(circle) for circle in cycles(graph)] == [count]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("shedule", "schedule"),
        ("Check-Column", "check_column"),
        ("Query#1", "queries"),
        ("time", "timeout_seconds"),
        ("xyz", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_nearest_word_is_found_whatever_its_spelling(word: str, near: str | None) -> None:
    assert nearest(word, ["schedule", "check_column", "queries", "timeout_seconds"]) == near


def test_long_lists_are_not_printed() -> None:
    assert suggest("zzz", ["aaa", "bbb"], "jobs") == "jobs: aaa, bbb"
    assert suggest("zzz", [f"job{n}" for n in range(1000)]) == ""
    assert suggest("zzz", []) == ""
