"""Fixtures of the tests that start the real program."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty site whose processes end with the test."""
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.close()
