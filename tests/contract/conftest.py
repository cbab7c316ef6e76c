"""The stores that the contract runs against."""

from tests.contract.postgres_ends import ends
from tests.contract.subject import subject
from tests.pairs import kind, lite_pair, make_store, pair, pg_pair

__all__ = ["ends", "kind", "lite_pair", "make_store", "pair", "pg_pair", "subject"]
