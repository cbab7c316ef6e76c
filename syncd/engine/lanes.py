"""Carries the windows of a first load side by side, each lane on connections of its own.

All lanes read one snapshot. They commit in the order of the windows, so a load that is interrupted goes on after the
last commit exactly as one that was written window by window.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace

from syncd.engine.shape import Shape
from syncd.engine.step import Step
from syncd.engine.turns import GIVEN_UP, Turns
from syncd.errors import SyncdError
from syncd.model.reading import Window
from syncd.model.writing import Mode
from syncd.ports import Destination, Source


def run_side_by_side(step: Step, shape: Shape, windows: Sequence[Window]) -> Sequence[Window]:
    """Do the windows side by side when that was asked for and is possible; those that are left, all or none.

    Raises:
        SyncdError: a window failed; those before it are committed.
    """
    around = step.around
    count = min(around.lanes, len(windows))
    if (
        around.lane is None
        or count < 2
        or step.rejects
        or not (step.reading.shared and around.destination.several)
    ):
        return windows
    lanes = _Lanes(step, shape, windows)
    threads = [threading.Thread(target=lanes.carry, name=f"lane {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    step.take_over(lanes.turns, lanes.done)
    lanes.raise_first()
    return ()


class _Lanes:
    """What the lanes of one load share. `_taking` guards the windows that wait, and what lanes leave behind."""

    def __init__(self, step: Step, shape: Shape, windows: Sequence[Window]) -> None:
        self.turns = Turns(windows[0].number, step.revision, step.cursor, step.rows_known)
        self.done: list[Step] = []
        self._step = step
        self._shape = shape
        self._first = windows[0].number
        self._waiting = list(windows)
        self._errors: list[BaseException] = []
        self._taking = threading.Lock()

    def carry(self) -> None:
        """Be a lane: take windows until none is left or one has failed."""
        try:
            if (open_lane := self._step.around.lane) is not None:
                with open_lane() as ends:
                    self._carry_on(*ends)
        except BaseException as error:  # noqa: BLE001  # `raise_first` raises it again in the thread that waits
            self.turns.give_up()
            with self._taking:
                self._errors.append(error)

    def raise_first(self) -> None:
        """Raise what stopped the load, and not what followed from it."""
        own = [e for e in self._errors if not (isinstance(e, SyncdError) and e.code == GIVEN_UP)]
        for error in own or self._errors:
            raise error

    def _carry_on(self, source: Source, destination: Destination) -> None:
        around = replace(self._step.around, source=source, destination=destination, lane=None)
        reading = source.join(self._step.reading)
        try:
            one = self._step.beside(around, reading, self.turns)
            with self._taking:
                self.done.append(one)
            while (window := self._take()) is not None:
                one.revision = self._step.revision + window.number - self._first
                one.move(window, one.target(self._shape, Mode.INSERT, create=False))
        finally:
            reading.close()

    def _take(self) -> Window | None:
        with self._taking:
            return self._waiting.pop(0) if self._waiting and not self.turns.failed else None
