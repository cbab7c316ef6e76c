"""What unquoted scalars mean, by the core schema of YAML 1.2."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.scalar import resolve

VALUES = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "nULL": "nULL",
    "none": "none",
    "true": True,
    "True": True,
    "TRUE": True,
    "tRUE": "tRUE",
    "false": False,
    "yes": "yes",
    "no": "no",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "0": 0,
    "010": 10,
    "-12": -12,
    "+12": 12,
    "0o17": 15,
    "0o8": "0o8",
    "-0o7": "-0o7",
    "0x1F": 31,
    "0xg": "0xg",
    "+0x1": "+0x1",
    "0b1": "0b1",
    "1_000": "1_000",
    "12:30:45": "12:30:45",
    "190:20": "190:20",
    "2026-01-01": "2026-01-01",
    "1.5": 1.5,
    "1.": 1.0,
    ".5": 0.5,
    "-.5": -0.5,
    "1e3": 1000.0,
    "1E+3": 1000.0,
    "1e": "1e",
    "e3": "e3",
    ".": ".",
    "-": "-",
    "+": "+",
    "1.2.3": "1.2.3",
    "1 2": "1 2",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.Inf": math.inf,
    "inf": "inf",
    ".iNF": ".iNF",
    "nan": "nan",
    "\u0661": "\u0661",
    "=": "=",
    "<<": "<<",
}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=repr)
def test_scalar_means_what_the_core_schema_says(text: str, value: object) -> None:
    found = resolve(text)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_nan_is_a_number_that_is_none(text: str) -> None:
    found = resolve(text)

    assert isinstance(found, float)
    assert math.isnan(found)


@given(st.integers())
def test_whole_numbers_come_back_in_three_bases(number: int) -> None:
    assert resolve(str(number)) == number
    assert resolve(f"0x{abs(number):x}") == abs(number)
    assert resolve(f"0o{abs(number):o}") == abs(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_with_a_point_come_back(number: float) -> None:
    found = resolve(repr(number))

    assert found == number
    assert isinstance(found, float)


@given(st.text(alphabet="0123456789+-._eEoxXabfinNAuTrlsy~", max_size=8))
def test_text_of_no_known_form_stays_as_it_is(text: str) -> None:
    found = resolve(text)

    if isinstance(found, str):
        assert found == text
        assert not re.fullmatch(r"[-+]?[0-9]+|~|", text)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        assert re.match(r"[-+]?[.0-9]", text)


def test_very_long_number_is_refused_without_reading_it() -> None:
    with pytest.raises(ValueError, match="a number of 401 digits"):
        resolve("1" * 401)
