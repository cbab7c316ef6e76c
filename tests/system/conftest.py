"""Fixtures of the tests that start the real program, and the stores that the replication tests run between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pairs import kind, lite_pair, make_store, pair, pg_pair
from tests.system.site import Site

__all__ = ["kind", "lite_pair", "make_store", "pair", "pg_pair", "site"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty site whose processes end with the test."""
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.close()
