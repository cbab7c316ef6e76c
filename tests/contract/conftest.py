"""The stores that the contract runs against."""

from tests.contract.subject import subject
from tests.pairs import kind, lite_pair, make_store, pair, pg_pair

__all__ = ["kind", "lite_pair", "make_store", "pair", "pg_pair", "subject"]
