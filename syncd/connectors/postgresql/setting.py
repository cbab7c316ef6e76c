"""What a connection is set to, whatever the role and the server say."""

from typing import Final

SETTINGS: Final = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "error",
    "search_path": "",
}
"""Texts must be exact and the same on both ends, whatever the role's defaults are."""
