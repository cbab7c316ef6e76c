"""Fixtures of the tests that play with clusters of real stores."""

from tests.pairs import kind, make_store

__all__ = ["kind", "make_store"]
