"""The digest of a statement, and what any text gives: a reading or a refusal with a place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.query import digest_of, parse_query
from syncd.engine.statement import CacheCheck, Query
from syncd.errors import QueryError

SAME_MEANING = [
    ("REPLICATE [t]", "replicate  t ;"),
    ("REPLICATE t", 'REPLICATE "t"'),
    ("REPLICATE t", "REPLICATE `t` -- comment"),
    ("REPLICATE t; -- comment", "REPLICATE t"),
    ("REPLICATE d SELECT a FROM t", "REPLICATE [d]\nselect /* x */ a\nfrom t"),
    ("REPLICATE [Accounts]", "REPLICATE Accounts"),
]
OTHER_MEANING = [
    ("REPLICATE t", "REPLICATE u"),
    ("REPLICATE d SELECT a FROM t", "REPLICATE d SELECT b FROM t"),
    ("REPLICATE d SELECT 'a' FROM t", "REPLICATE d SELECT a FROM t"),
    ("REPLICATE d SELECT 'a' FROM t", "REPLICATE d SELECT 'A' FROM t"),
    ("REPLICATE d SELECT a FROM t", 'REPLICATE d SELECT "A" FROM t'),
    ("REPLICATE d SELECT a FROM t WHERE b = 1", "REPLICATE d SELECT a FROM t WHERE b = 11"),
    ("REPLICATE d SELECT a.b FROM a", "REPLICATE d SELECT a b FROM a"),
    ("REPLICATE t", "REPLICATE t WITH IncrementalCheckColumns='u'"),
]


@pytest.mark.parametrize(("one", "other"), SAME_MEANING)
def test_digest_is_of_the_meaning(one: str, other: str) -> None:
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER_MEANING)
def test_digest_tells_meanings_apart(one: str, other: str) -> None:
    assert digest_of(one) != digest_of(other)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    found: object
    try:
        found, offset = parse_query(text), 0
    except QueryError as error:
        found, offset = error, error.offset

    assert isinstance(found, Query | CacheCheck | QueryError)
    assert 0 <= offset <= len(text)


WORDS = st.sampled_from(
    [
        "REPLICATE",
        "CHECKCACHE",
        "t",
        "[s.*]",
        ".",
        ",",
        ";",
        "(",
        ")",
        "=",
        "WITH",
        "FROM",
        "SELECT",
        "a",
        "int",
        "PRIMARY",
        "KEY",
        "INCLUDE",
        "EXCLUDE",
        "BatchSize",
        "5",
        "'x'",
        "AGAINST",
        "REPAIR",
        "SKIP",
        "START",
        "END",
        "{env:x}",
        "drop",
    ]
)


@given(st.sampled_from(["REPLICATE", "CHECKCACHE"]), st.lists(WORDS, max_size=12))
def test_any_words_are_read_or_refused_with_a_place_inside_them(first: str, words: list[str]) -> None:
    text = " ".join((first, *words))

    found: object
    try:
        found, offset = parse_query(text), 0
    except QueryError as error:
        found, offset = error, error.offset

    assert isinstance(found, Query | CacheCheck | QueryError)
    assert 0 <= offset <= len(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20))
def test_any_name_in_brackets_is_that_name(name: str) -> None:
    quoted = "[" + name.replace("]", "]]") + "]"
    if not name.strip():
        with pytest.raises(QueryError):
            parse_query(f"REPLICATE {quoted}")
    else:
        found = parse_query(f"REPLICATE {quoted}")
        assert isinstance(found, Query)
        assert found.wildcard == ("*" in name)
        assert found.wildcard or found.destination.name == name
