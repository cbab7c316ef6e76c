"""The stores that the replication tests run between."""

from tests.pairs import kind, lite_pair, make_store, pair, pg_pair

__all__ = ["kind", "lite_pair", "make_store", "pair", "pg_pair"]
