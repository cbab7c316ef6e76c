"""Errors on the wire and the socket's place."""

import pytest

from syncd.control.protocol import error_of, error_text
from syncd.errors import (
    BusyError,
    ConfigError,
    FatalError,
    NotFoundError,
    Problem,
    RestartNeededError,
    SyncdError,
    TransientError,
)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("no job", hint="look"),
        BusyError("runs", where="run 5", code="not_running"),
        RestartNeededError("state"),
        TransientError("gone"),
        FatalError("broken"),
        ConfigError([Problem("f", 1, 2, "jobs.x", "unknown key", "did you mean 'y'?")], hint="mend it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_keeps_its_class_and_words(error: SyncdError):
    found = error_of(error_text(error))

    assert type(found) is type(error)
    assert (found.message, found.hint, found.where, found.code) == (
        error.message,
        error.hint,
        error.where,
        error.code,
    )
    assert found.exit_code == error.exit_code
