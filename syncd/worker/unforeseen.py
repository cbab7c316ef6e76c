"""What is said of an error that nobody raised on purpose."""

import traceback

from syncd.model.run import Failure


def unforeseen(error: Exception) -> Failure:
    """The error as the reason of a run's or an event's failure, with its place in syncd."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "syncd" in frame.filename]
    place = f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""
    text = " ".join(str(error).split())[:500]
    return Failure(
        "internal", f"{type(error).__name__}: {text}", hint="this is a fault of syncd; report it", where=place
    )
