"""Reading YAML text: data, positions, and mistakes in the text itself."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.document import parse_document
from syncd.config.place import Items, Mark, Table, key_place, path_text, value_place
from syncd.config.scalar import resolve

CORPUS = Path(__file__).parents[2] / "config"
PRINTABLE = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=("Cc", "Cs")), max_size=12
)
SCALARS = st.one_of(
    PRINTABLE, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = PRINTABLE.filter(lambda key: key not in {"", "<<"})
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=20,
    ),
    min_size=1,
    max_size=5,
)


def dumped(data: object, flow: bool | None) -> str:
    class Dumper(yaml.SafeDumper):
        """Quotes whatever YAML 1.2 would not read as a text."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    Dumper.add_representer(
        str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style_of(text))
    )
    Dumper.add_representer(
        float, lambda dumper, number: dumper.represent_scalar("tag:yaml.org,2002:float", with_point(number))
    )
    text: str = yaml.dump(data, Dumper=Dumper, default_flow_style=flow, allow_unicode=True, width=10_000)
    return text


def assert_problems_have_places(text: str) -> None:
    lines = text.split("\n")
    for problem in parse_document(text, "f").problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message


def with_point(number: float) -> str:
    text = repr(number)
    return text if "." in text else text.replace("e", ".0e")  # else the dumper adds a tag


def style_of(text: str) -> str | None:
    return None if isinstance(resolve(text), str) else "'"


def leaves(node: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if isinstance(node, Table):
        for key, entry in node.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(node, Items):
        for index, entry in enumerate(node):
            yield from leaves(entry, (*path, index))
    else:
        yield path, node


@given(DATA, st.sampled_from([True, False, None]))
def test_dumped_data_comes_back_equal(data: dict[str, Any], flow: bool | None) -> None:
    document = parse_document(dumped(data, flow), "f")

    assert document.problems == ()
    assert document.root == data


@given(DATA, st.sampled_from([True, False, None]))
def test_every_value_stands_where_its_mark_says(data: dict[str, Any], flow: bool | None) -> None:
    text = dumped(data, flow)
    lines = text.split("\n")

    root = parse_document(text, "f").root

    assert root is not None
    for path, value in leaves(root, ()):
        mark = value_place(root, path)
        rest = lines[mark.line - 1][mark.column - 1 :]
        if isinstance(value, str) and mark.text_column:
            assert lines[mark.line - 1][mark.text_column - 1 :].startswith(value)
        elif isinstance(value, str):
            assert rest[0] in "\"'|>&" or value == "" or rest.startswith(value[:3])
        elif value is not None:
            assert resolve(rest.split(",")[0].rstrip("}] ")) == value
        key = key_place(root, path)
        assert (key.line, key.column) <= (mark.line, mark.column)


@given(st.text(alphabet="ab:- \n\t{}[],#&*!|>'\"%@`?<\\0", max_size=60))
def test_any_text_gives_data_or_problems_at_places_in_it(text: str) -> None:
    assert_problems_have_places(text)


@given(st.text(max_size=40).map(lambda text: text.replace("\r", "\n")))
def test_any_unicode_text_gives_data_or_problems_at_places_in_it(text: str) -> None:
    assert_problems_have_places(text)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.good.yaml")), ids=lambda path: path.name)
def test_truncated_file_never_gives_a_traceback(path: Path) -> None:
    text = path.read_bytes().decode()

    for end in range(len(text)):
        assert_problems_have_places(text[:end].replace("\r\n", "\n").replace("\r", "\n"))


MARKS = {
    "plain": ("a: xyz", Mark("f", 1, 4, 4)),
    "single quotes": ("a: 'xyz'", Mark("f", 1, 4, 5)),
    "double quotes": ('a: "xyz"', Mark("f", 1, 4, 5)),
    "escape": (r'a: "x\u0079z"', Mark("f", 1, 4, 0)),
    "doubled quote": ("a: 'x''z'", Mark("f", 1, 4, 0)),
    "block": ("a: |\n  xyz", Mark("f", 1, 4, 0)),
    "two lines": ("a: x\n  yz", Mark("f", 1, 4, 0)),
    "anchor": ("a: &b xyz", Mark("f", 1, 4, 0)),
    "after wide letters": ("ü: 'größe'", Mark("f", 1, 4, 5)),
    "nothing": ("a:", Mark("f", 1, 1, 0)),
    "mapping": ("a:\n  b: 1", Mark("f", 2, 3, 0)),
    "list": ("a:\n- b", Mark("f", 2, 1, 0)),
}


@pytest.mark.parametrize(("text", "mark"), MARKS.values(), ids=MARKS)
def test_mark_of_a_value(text: str, mark: Mark) -> None:
    root = parse_document(text, "f").root

    assert root is not None
    assert root.values_at[next(iter(root))] == mark


def test_alias_shares_what_it_names_and_keeps_its_place() -> None:
    root = parse_document("x-a: &a {b: 1}\nc: *a\n", "f").root

    assert root is not None
    assert root["c"] is root["x-a"]
    assert root.values_at["c"] == Mark("f", 2, 4)
    assert value_place(root, ("c", "b")) == Mark("f", 1, 13, 13)


def test_explicit_key_wins_over_a_merged_one_wherever_it_stands() -> None:
    root = parse_document("x-a: &a {k: 1, l: 1}\nb: {k: 2, <<: *a}\nc: {<<: *a, k: 2}\n", "f").root

    assert root is not None
    assert root["b"] == root["c"] == {"k": 2, "l": 1}


def test_first_of_several_merged_mappings_wins() -> None:
    root = parse_document("x: &a {k: 1}\ny: &b {k: 2, l: 2}\nz: {<<: [*a, *b]}\n", "f").root

    assert root is not None
    assert root["z"] == {"k": 1, "l": 2}


def test_anchor_means_the_last_value_of_its_name() -> None:
    root = parse_document("a: &x 1\nb: *x\nc: &x 2\nd: *x\n", "f").root

    assert root == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_aliases_may_stand_for_100_000_values_and_no_more() -> None:
    tens = "x-1: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"  # ten values with the list itself
    good = f"{tens}x: [{', '.join(['*a'] * 10_000)}]\n"
    bad = f"{tens}x: [{', '.join(['*a'] * 10_001)}]\n"

    assert parse_document(good, "f").problems == ()
    assert [problem.path for problem in parse_document(bad, "f").problems] == ["x[10000]"]


def test_alias_bomb_is_refused_within_a_second() -> None:
    lines = ["x0: &a0 [1]"]
    lines += [f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 50)}]" for n in range(1, 200)]
    began = time.process_time()

    document = parse_document("\n".join(lines), "f")

    assert "stand for more than 100000 values" in document.problems[0].message
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("depth", "fits"), [(99, True), (100, False)])
def test_depth_ends_at_100(depth: int, fits: bool) -> None:
    document = parse_document(f"a: {'[' * depth}{']' * depth}", "f")

    assert (document.root is not None) == fits


def test_very_deep_text_is_refused_at_once() -> None:
    document = parse_document("a: " + "[" * 1_000_000, "f")

    assert document.problems[0].message == "nested deeper than 100 levels"


def test_reading_ends_after_1_000_mistakes() -> None:
    document = parse_document("a: 1\n" * 500_000, "f")

    assert len(document.problems) == 1001
    assert document.problems[-1].message == "there are more than 1000 mistakes; reading ends here"


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
def test_both_parsers_tell_the_same(parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.config.reader._PARSER", getattr(yaml, parser))
    texts = [
        "a: 'x",
        "a: [1, 2",
        "a: b: c",
        "a:\n\tb: 1",
        "a: *x/",
        "a\nb: 1",
        "a: 1\na: 2",
        "a: 1\n---\nb: 1",
    ]

    found = [str(parse_document(text, "f").problems[0]).split(": ", 1)[0] for text in texts]

    assert found == ["f:1:4", "f:1:4", "f:1:5", "f:2:1", "f:1:4", "f:1:1", "f:2:1", "f:2:1"]


PATHS = {
    "": (),
    "jobs": ("jobs",),
    "jobs.accounts.queries[0]": ("jobs", "accounts", "queries", 0),
    'jobs["night load"].after': ("jobs", "night load", "after"),
    'jobs["a\\"b"]': ("jobs", 'a"b'),
    'jobs["a\\nb"]': ("jobs", "a\nb"),
    "connections.zürich": ("connections", "zürich"),
    "connections.dw.password": ("connections", "dw", "password:hunter2"),
    "connections.dw.pwd": ("connections", "dw", "pwd = hunter2"),
}


@pytest.mark.parametrize(("text", "path"), PATHS.items(), ids=list(PATHS))
def test_path_is_written_as_people_write_it(text: str, path: tuple[str | int, ...]) -> None:
    assert path_text(path) == text
