"""The stores that the contract runs against."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.postgres_ends import ends
from tests.contract.postgres_nodes import make_node, node
from tests.contract.subject import NAMED, Subject, subject
from tests.pairs import kind, lite_pair, make_store, pair, pg_pair

__all__ = ["ends", "kind", "lite_pair", "make_node", "make_store", "node", "pair", "pg_pair", "subject"]

collect_ignore = ["test_cancel.py", "test_outside_subject.py"] if NAMED else []
"""What is about connectors of this project, when the suite runs for another one."""


@pytest.fixture
def source(subject: Subject) -> Iterator[Any]:
    """The subject's source."""
    port = subject.open_source()
    yield port
    port.close()


@pytest.fixture
def destination(subject: Subject) -> Iterator[Any]:
    """The subject's destination."""
    port = subject.open_destination()
    yield port
    port.close()
