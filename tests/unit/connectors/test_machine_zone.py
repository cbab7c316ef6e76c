"""Times without zone are the machine's; the slowest season counts."""

from datetime import UTC, datetime

import pytest

from syncd.connectors.sqlite import moment
from syncd.model.table import Kind

SUMMER = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("machine", "bound"),
    [
        ("America/New_York", "2026-07-01 07:00:00"),
        ("Europe/Berlin", "2026-07-01 12:00:00"),
        ("UTC", "2026-07-01 12:00:00"),
    ],
)
def test_bound_is_on_the_slower_clock(monkeypatch: pytest.MonkeyPatch, machine: str, bound: str) -> None:
    monkeypatch.setenv("TZ", machine)

    assert moment.place("2026-06-30 10:00:00", Kind.TIMESTAMP, SUMMER) == bound
