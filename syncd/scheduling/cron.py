"""Cron lines: cronsim behind our own rules for what is accepted and for what happens at DST changes.

Five fields (minute, hour, day-of-month, month, day-of-week) with lists, ranges, steps, names in any case, ``?`` for
``*``, ``L`` and ``LW`` as day-of-month, ``5L`` and ``MON#2`` as day-of-week, 0 and 7 for Sunday, and the names
``@yearly @annually @monthly @weekly @daily @midnight @hourly``. As in Debian's cron a day matches when day-of-month
OR day-of-week does, and when one of them begins with ``*``, both must.

A local time that the clock jumps over fires once, at the first valid minute; one that comes twice fires once. Lines
that fire in every hour follow the elapsed time instead: both passes, and nothing for the hour that is not there.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cronsim import CronSim, CronSimError
from cronsim.explain import Expression

from syncd.errors import ScheduleError
from syncd.scheduling.cronfield import FIELDS, check_field, values
from syncd.scheduling.zone import instants, load_zone, wall_start

MAX_CHARACTERS: Final = 1000
NAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELD: Final = re.compile(r"\S+")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line that was found good. `text` is what the user wrote, `fields` the five fields it means."""

    text: str
    fields: tuple[str, str, str, str, str]

    def firings(self, after: datetime, zone: str) -> Iterator[datetime]:
        """The instants after `after`, strictly increasing, aware UTC; the fields are read in the zone's local time.

        Ends when no year of the next fifty has a match. Cost: about 20 microseconds a firing.

        Raises:
            ScheduleError: there is no such zone.
        """
        place = load_zone(zone)
        pattern = _simulation(" ".join(self.fields))
        if pattern is None:
            return
        simulation = copy.copy(pattern)
        simulation.dt = wall_start(after, place).replace(microsecond=0)
        hourly = len(values("hour", self.fields[1])) == 24
        minutely = len(values("minute", self.fields[0])) == 60
        for moment in instants(simulation, place, gaps=not hourly, repeats=hourly or minutely):
            if moment > after:
                yield moment

    def explain(self) -> str:
        """The line in words, for example "At 02:30 on Monday"."""
        text: str = Expression(["0", *self.fields]).explain()
        return text


@lru_cache(maxsize=16384)
def parse_cron(text: str) -> Cron:
    """Read a cron line.

    Raises:
        ScheduleError: the message names the field and its range, `offset` is where the field begins.
    """
    if len(text) > MAX_CHARACTERS:
        raise ScheduleError(f"a cron line has at most {MAX_CHARACTERS} characters, not {len(text)}")
    found = list(_FIELD.finditer(text))
    if found and found[0].group().startswith("@"):
        return _named(text, found)
    if len(found) != len(FIELDS):
        raise _wrong_count(text, found)
    fields = [
        check_field(field, match.group(), match.start()) for field, match in zip(FIELDS, found, strict=True)
    ]
    minute, hour, day, month, weekday = fields
    return Cron(text, (minute, hour, day, month, weekday))


def check_cron(text: str, zone: str) -> None:
    """Refuse a cron line that cannot be meant, and one that can never fire, such as the 31st of February.

    Raises:
        ScheduleError: with the offset of the field at fault.
    """
    cron = parse_cron(text)
    if next(cron.firings(_EPOCH, zone), None) is None:
        day = [match.start() for match in _FIELD.finditer(text)][2]
        raise ScheduleError(
            f"'{text.strip()}' never fires: no month it names has such a day",
            offset=day,
            hint="the day-of-month must exist in at least one of the months",
        )


def _named(text: str, found: list[re.Match[str]]) -> Cron:
    name = found[0].group().lower()
    offset = found[0].start()
    if name in NAMES and len(found) == 1:
        minute, hour, day, month, weekday = NAMES[name].split()
        return Cron(text, (minute, hour, day, month, weekday))
    if name in NAMES:
        raise ScheduleError(f"{name} stands alone, without fields after it", offset=found[1].start())
    if name == "@reboot":
        hint = "a schedule names times; to run at start, use catch_up: latest or `syncd start`"
        raise ScheduleError("@reboot is not a time", offset=offset, hint=hint)
    if name == "@every":
        raise ScheduleError(
            "@every is not a cron name", offset=offset, hint="write `every:` instead of `cron:`"
        )
    raise ScheduleError(f"{name} is not a cron name", offset=offset, hint=f"known names: {' '.join(NAMES)}")


def _wrong_count(text: str, found: list[re.Match[str]]) -> ScheduleError:
    need = "a cron line has 5 fields: minute hour day-of-month month day-of-week"
    if len(found) < len(FIELDS):
        missing = FIELDS[len(found)].name
        return ScheduleError(
            f"{need}; here are {len(found)}, {missing} is missing", offset=len(text.rstrip())
        )
    hint = "seconds and years are not supported; for less than a minute write `every:`"
    return ScheduleError(f"{need}; here are {len(found)}", offset=found[len(FIELDS)].start(), hint=hint)


@lru_cache(maxsize=16384)
def _simulation(line: str) -> CronSim | None:
    """The line ready to be walked in naive local time; copied before use, since walking changes it.

    None when no month it names has such a day: of all mistakes, only this one passes the check of the fields.
    """
    try:
        return CronSim(line, _EPOCH.replace(tzinfo=None))
    except CronSimError:
        return None
