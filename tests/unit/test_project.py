"""The rules of this project that no other tool checks: sizes, names, docstrings, tests that can fail."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 400
LONGEST_FUNCTION = 40
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}

MODULES = sorted((ROOT / "syncd").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
EVERYTHING = [
    path for folder in ("syncd", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))
]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path):
    return str(path.relative_to(ROOT))


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def public_parts(tree):
    """Every public class and function of a module, and the public methods of public classes, with their names."""
    for part in tree.body:
        if not isinstance(part, Function | ast.ClassDef) or part.name.startswith("_"):
            continue
        yield part.name, part
        if isinstance(part, ast.ClassDef):
            for method in part.body:
                if (
                    isinstance(method, Function)
                    and not method.name.startswith("_")
                    and not is_overload(method)
                ):
                    yield f"{part.name}.{method.name}", method


def is_overload(function):
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in function.decorator_list)


def is_check(node):
    """An assertion: `assert`, `pytest.raises` and the like, or a call of a function that says it asserts."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in {"raises", "warns", "fail"} or name.startswith(("assert_", "check", "expect"))


def undocumented(tree):
    return [name for name, part in public_parts(tree) if not ast.get_docstring(part)]


def unchecked_tests(tree):
    found = [node for node in ast.walk(tree) if isinstance(node, Function) and node.name.startswith("test_")]
    return [test.name for test in found if not any(is_check(node) for node in ast.walk(test))]


def long_functions(tree):
    found = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return [one.name for one in found if code_lines(one) > LONGEST_FUNCTION]


def code_lines(function):
    """The lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function):
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_not_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name_of)
def test_module_and_everything_public_in_it_has_a_docstring(path):
    tree = parse(path)

    assert ast.get_docstring(tree), "the module has no docstring"
    assert undocumented(tree) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_fit_a_screen(path):
    assert long_functions(parse(path)) == []


@pytest.mark.parametrize("path", [path for path in EVERYTHING if path.name == "__init__.py"], ids=name_of)
def test_package_file_is_empty(path):
    assert path.read_bytes() == b""


def test_every_folder_of_modules_and_tests_is_a_package():
    folders = {path.parent for path in [*MODULES, *TESTS]}

    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_module_has_a_name_that_says_nothing():
    parts = {part for path in EVERYTHING for part in path.relative_to(ROOT).with_suffix("").parts}

    assert parts & EMPTY_NAMES == set()


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_checks_something(path):
    assert unchecked_tests(parse(path)) == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_is_skipped_or_expected_to_fail(path):
    marks = re.compile(r"mark\.(skip|skipif|xfail)\b|pytest\.(skip|xfail|importorskip)\(")

    assert marks.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_ignored_findings_name_what_they_ignore(path):
    bare = re.compile(r"#\s*(type:\s*ignore(?!\[)|noqa(?!: ))")

    assert bare.findall(path.read_text(encoding="utf-8")) == []


def test_changelog_has_a_place_for_what_comes():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("finder", "source", "expected"),
    [
        (
            undocumented,
            "def a(): pass\nclass B:\n  'x'\n  def c(self): pass\n  def _d(self): pass",
            ["a", "B.c"],
        ),
        (unchecked_tests, "def test_a(): f()\ndef test_b():\n  assert f()", ["test_a"]),
        (
            long_functions,
            "def a():\n" + "  f()\n" * 40 + "def b():\n  '''x\n" + "\n" * 60 + "'''\n  f()",
            ["a"],
        ),
    ],
    ids=["docstrings", "assertions", "lengths"],
)
def test_these_rules_find_what_breaks_them(finder, source, expected):
    assert finder(ast.parse(source)) == expected
