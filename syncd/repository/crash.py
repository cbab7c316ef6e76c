"""Named places at which a test may let the process die, to see that nothing is lost there."""

import os
import signal
from typing import Final

VARIABLE: Final = "SYNCD_CRASH"
"""``name:count``: the process kills itself when it comes to that place for the count-th time."""

CRASH_POINTS: Final = (
    "after settle",
    "before seal",
    "after seal",
    "staged",
    "before edits are applied",
    "edits are placed",
    "after edits are applied",
    "before versions are applied",
    "versions are placed",
    "after versions are applied",
    "before the peer is told",
    "file is written",
    "file is in place",
)

_passed: dict[str, int] = {}


def crash_point(name: str) -> None:
    """Die here if a test asked for it; costs one look at the environment."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    place, _, count = wanted.rpartition(":")
    if place == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] >= int(count):
            os.kill(os.getpid(), signal.SIGKILL)
