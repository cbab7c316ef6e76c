"""Reads REPLICATE statements."""


def check_query(text: str) -> None:
    """Refuse a text that is not one single REPLICATE statement.

    Raises:
        QueryError: with the offset of the mistake, counted in characters from 0.
    """
    raise AssertionError(text)
