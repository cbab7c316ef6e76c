"""Cron lines: what is accepted, what is refused and how, and which moments they name."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncd.errors import ScheduleError
from syncd.scheduling.cron import check_cron, parse_cron
from syncd.scheduling.cronfield import FIELDS, values

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]


def local_firings(line, after, count=3, zone="UTC"):
    place = ZoneInfo(zone)
    start = datetime.fromisoformat(after).replace(tzinfo=place)
    found = islice(parse_cron(line).firings(start.astimezone(UTC), zone), count)
    return [moment.astimezone(place).strftime("%m-%d %H:%M %z") for moment in found]


def days(line, after="2026-03-01 00:00", count=3):
    return [text[:5] for text in local_firings(line, after, count)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0-30/5 * * * *", ["03-01 00:05 +0000", "03-01 00:10 +0000", "03-01 00:15 +0000"]),
        ("0 0 * * 0", ["03-08 00:00 +0000", "03-15 00:00 +0000", "03-22 00:00 +0000"]),
        ("0 0 * * 7", ["03-08 00:00 +0000", "03-15 00:00 +0000", "03-22 00:00 +0000"]),
        ("0 0 13 * 5", ["03-06 00:00 +0000", "03-13 00:00 +0000", "03-20 00:00 +0000"]),
        ("0 0 */2 * 1", ["03-09 00:00 +0000", "03-23 00:00 +0000", "04-13 00:00 +0000"]),
        ("0 0 * * MON#2", ["03-09 00:00 +0000", "04-13 00:00 +0000", "05-11 00:00 +0000"]),
        ("0 0 L * *", ["03-31 00:00 +0000", "04-30 00:00 +0000", "05-31 00:00 +0000"]),
        ("0 0 LW * *", ["03-31 00:00 +0000", "04-30 00:00 +0000", "05-29 00:00 +0000"]),
        ("0 0 * * 5L", ["03-27 00:00 +0000", "04-24 00:00 +0000", "05-29 00:00 +0000"]),
        ("@daily", ["03-02 00:00 +0000", "03-03 00:00 +0000", "03-04 00:00 +0000"]),
        ("0 0 ? * 1", ["03-02 00:00 +0000", "03-09 00:00 +0000", "03-16 00:00 +0000"]),
    ],
)
def test_line_that_cron_libraries_disagree_about_means_what_debian_says(line, expected):
    assert local_firings(line, "2026-03-01 00:00") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 31 * *", ["03-31", "05-31", "07-31"]),
        ("0 0 * JAN-mar/2 *", ["03-02", "03-03", "03-04"]),
        ("0 0 * * sat,SUN", ["03-07", "03-08", "03-14"]),
        ("0 0 * * 5-7", ["03-06", "03-07", "03-08"]),
        ("0 0 1,15 * *", ["03-15", "04-01", "04-15"]),
        ("0 0 1,15 * MON", ["03-02", "03-09", "03-15"]),
        ("0 0 * * 1#1,5L", ["03-02", "03-27", "04-06"]),
        ("0 0 * * 4-4/2", ["03-05", "03-12", "03-19"]),
        ("0 0 5/10 * ?", ["03-05", "03-15", "03-25"]),
        ("@weekly", ["03-08", "03-15", "03-22"]),
        ("@monthly", ["04-01", "05-01", "06-01"]),
        ("@Midnight", ["03-02", "03-03", "03-04"]),
    ],
)
def test_days_follow_the_fields(line, expected):
    assert days(line) == expected


def test_leap_day_comes_every_four_years():
    found = islice(parse_cron("0 12 29 2 *").firings(datetime(2095, 1, 1, tzinfo=UTC), "UTC"), 2)

    assert [moment.year for moment in found] == [2096, 2104]


@pytest.mark.parametrize("name", ["@yearly", "@annually"])
def test_yearly_names_mean_new_year(name):
    assert days(name, count=1) == ["01-01"]


def test_hourly_name_means_every_full_hour():
    assert local_firings("@hourly", "2026-03-01 05:30", 2) == ["03-01 06:00 +0000", "03-01 07:00 +0000"]


@pytest.mark.parametrize(
    ("line", "after", "expected", "zone"),
    [
        ("30 2 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"], "Europe/Berlin"),
        ("*/30 2 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"], "Europe/Berlin"),
        ("* 2 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"], "Europe/Berlin"),
        ("30 2,3 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-29 03:30 +0200"], "Europe/Berlin"),
        ("0 2,3 * * *", "2026-03-28 12:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"], "Europe/Berlin"),
        ("30 * * * *", "2026-03-29 01:00", ["03-29 01:30 +0100", "03-29 03:30 +0200"], "Europe/Berlin"),
        ("*/20 * * * *", "2026-03-29 01:30", ["03-29 01:40 +0100", "03-29 03:00 +0200"], "Europe/Berlin"),
        ("30 2 * * *", "2026-10-24 12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"], "Europe/Berlin"),
        ("*/30 2 * * *", "2026-10-25 02:10", ["10-25 02:30 +0200", "10-26 02:00 +0100"], "Europe/Berlin"),
        ("30 * * * *", "2026-10-25 02:00", ["10-25 02:30 +0200", "10-25 02:30 +0100"], "Europe/Berlin"),
        ("*/20 * * * *", "2026-10-25 02:30", ["10-25 02:40 +0200", "10-25 02:00 +0100"], "Europe/Berlin"),
        ("* 2 * * *", "2026-10-25 02:58", ["10-25 02:59 +0200", "10-25 02:00 +0100"], "Europe/Berlin"),
        ("*/30 * * * *", "2026-10-25 02:30", ["10-25 02:00 +0100", "10-25 02:30 +0100"], "Europe/Berlin"),
        ("0 */2 * * *", "2026-10-25 01:00", ["10-25 02:00 +0200", "10-25 04:00 +0100"], "Europe/Berlin"),
        ("30 2 * * *", "2026-03-07 12:00", ["03-08 03:00 -0400", "03-09 02:30 -0400"], "America/New_York"),
        ("30 1 * * *", "2026-10-31 12:00", ["11-01 01:30 -0400", "11-02 01:30 -0500"], "America/New_York"),
        ("15 2 * * *", "2026-10-03 12:00", ["10-04 02:30 +1100", "10-05 02:15 +1100"], "Australia/Lord_Howe"),
        ("45 1 * * *", "2026-04-04 12:00", ["04-05 01:45 +1100", "04-06 01:45 +1030"], "Australia/Lord_Howe"),
        ("45 * * * *", "2026-04-05 01:00", ["04-05 01:45 +1100", "04-05 01:45 +1030"], "Australia/Lord_Howe"),
        ("0 12 * * *", "2011-12-29 13:00", ["12-31 00:00 +1400", "12-31 12:00 +1400"], "Pacific/Apia"),
        ("0 0 * * *", "2026-09-05 12:00", ["09-06 01:00 -0300", "09-07 00:00 -0300"], "America/Santiago"),
    ],
)
def test_clock_change_moves_a_skipped_time_and_never_repeats_a_fixed_one(line, after, expected, zone):
    assert local_firings(line, after, 2, zone) == expected


def test_start_inside_the_second_pass_finds_what_is_left_of_it():
    inside = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)

    found = list(islice(parse_cron("*/15 * * * *").firings(inside, "Europe/Berlin"), 4))

    assert [moment.strftime("%H:%M") for moment in found] == ["01:15", "01:30", "01:45", "02:00"]


@pytest.mark.parametrize(
    ("line", "message", "offset"),
    [
        ("61 * * * *", "minute must be 0-59, not 61", 0),
        ("  0 24 * * *", "hour must be 0-23, not 24", 4),
        ("0 0 0 * *", "day-of-month must be 1-31, not 0", 4),
        ("0 0 1 13 *", "month must be 1-12, not 13", 6),
        ("0 0 * * 8", "day-of-week must be 0-7, not 8", 8),
        ("0\t0 1,2,32 * *", "day-of-month must be 1-31, not 32", 4),
        ("0 22-2 * * *", "hour range 22-2 runs backwards", 2),
        ("0 0 * * SAT-SUN", "day-of-week range SAT-SUN runs backwards", 8),
        ("*/0 * * * *", "minute step must be 1-59, not 0", 0),
        ("*/90 * * * *", "minute step must be 1-59, not 90", 0),
        ("*/x * * * *", "minute '*/X' must have a whole number after the slash, not 'X'", 0),
        ("1,,2 * * * *", "minute has an empty entry", 0),
        ("*-5 * * * *", "minute must be 0-59, not '*'", 0),
        ("-5 * * * *", "minute must be 0-59, not ''", 0),
        ("٣ * * * *", "minute must be 0-59, not '٣'", 0),
        ("0 0 15W * *", "day-of-month '15W' (nearest weekday) is not supported", 4),
        ("0 0 * * MON#6", "day-of-week 'MON#6' must name week 1-5 after #, not '6'", 8),
        ("0 0 * * FRIL", "day-of-week 'FRIL' must be a number 0-7 before L", 8),
        ("0 0 * * L", "day-of-week 'L' must be a number 0-7 before L", 8),
        ("0 0 L/2 * *", "day-of-month must be 1-31, not 'L'", 4),
        (
            "0 0 * * * *",
            "a cron line has 5 fields: minute hour day-of-month month day-of-week; here are 6",
            10,
        ),
        (
            "0 0 *",
            "a cron line has 5 fields: minute hour day-of-month month day-of-week; here are 3, month is missing",
            5,
        ),
        (
            "",
            "a cron line has 5 fields: minute hour day-of-month month day-of-week; here are 0, minute is missing",
            0,
        ),
        ("@reboot", "@reboot is not a time", 0),
        ("@every 5m", "@every is not a cron name", 0),
        ("@fortnightly", "@fortnightly is not a cron name", 0),
        ("@daily 5", "@daily stands alone, without fields after it", 7),
        ("9" * 5000, "a cron line has at most 1000 characters, not 5000", 0),
        ("99999 * * * *", "minute must be 0-59, not '99999'", 0),
    ],
)
def test_bad_line_is_refused_with_the_field_and_its_range(line, message, offset):
    with pytest.raises(ScheduleError) as caught:
        parse_cron(line)

    assert (caught.value.message, caught.value.offset) == (message, offset)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("0 0 * * MNO", "did you mean MON?"),
        ("0 0 * * Monday", "did you mean MON?"),
        ("0 0 1 Sept *", "did you mean SEP?"),
        ("0 22-2 * * *", "write 22-23,0-2"),
        ("0 0 * * FRI-SUN", "write 5-7, 7 is Sunday too"),
        ("0 0 * * FRI-MON", "write 5-6,0-1"),
        ("0 0 * * * *", "seconds and years are not supported; for less than a minute write `every:`"),
        ("@every 5m", "write `every:` instead of `cron:`"),
    ],
)
def test_bad_line_is_refused_with_what_to_write_instead(line, hint):
    with pytest.raises(ScheduleError) as caught:
        parse_cron(line)

    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "line", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */10 2 0#5", " 0 0 31 feb ?"]
)
def test_line_that_can_never_fire_is_refused(line):
    with pytest.raises(ScheduleError, match="never fires") as caught:
        check_cron(line, "Europe/Berlin")

    assert line[caught.value.offset :].startswith(line.split()[2])


@pytest.mark.parametrize("line", ["0 0 29 2 *", "0 0 31 2 1", "0 0 * 2 MON#5", "30 2 29 3 *", "@yearly"])
def test_line_that_fires_seldom_is_accepted(line):
    check_cron(line, "Europe/Berlin")

    assert next(parse_cron(line).firings(datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin")).year <= 2044


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("../etc/passwd", ""),
        ("", "IANA"),
    ],
)
def test_unknown_zone_is_refused_with_the_nearest(zone, hint):
    with pytest.raises(ScheduleError, match="no time zone") as caught:
        check_cron("0 0 * * *", zone)

    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("30 2 * * MON", "At 02:30 on Monday"),
        ("@daily", "At 00:00 every day"),
        ("0-30/5 * * * *", "Every fifth minute from 0 through 30 of every hour"),
        ("0 0 * * 5L", "At 00:00 on the last Friday of the month"),
    ],
)
def test_line_is_explained_in_words(line, text):
    assert parse_cron(line).explain() == text


def test_values_of_a_field_are_its_numbers():
    assert values("minute", "1-10/4,50/5,7") == {1, 5, 9, 50, 55, 7}
    assert values("month", "JAN-MAR") == {1, 2, 3}
    assert len(values("hour", "*")) == 24


def test_two_walks_over_the_same_line_do_not_disturb_each_other():
    first = parse_cron("0 * * * *").firings(datetime(2026, 3, 1, tzinfo=UTC), "UTC")
    begin = next(first)
    second = parse_cron("0 * * * *").firings(datetime(2026, 5, 1, tzinfo=UTC), "UTC")
    next(second)

    assert next(first) == begin + timedelta(hours=1)


@st.composite
def terms(draw, field):
    low = draw(st.integers(field.low, field.high))
    kind = draw(st.sampled_from(["*", "one", "range", "step", "stepped range"]))
    high = draw(st.integers(low, field.high))
    step = draw(st.integers(1, 12 if field.high > 12 else field.high - 1))
    return {"*": "*", "one": f"{low}", "range": f"{low}-{high}", "step": f"*/{step}"}.get(
        kind, f"{low}-{high}/{step}"
    )


@st.composite
def lines(draw):
    return " ".join(",".join(draw(st.lists(terms(field), min_size=1, max_size=2))) for field in FIELDS)


MOMENTS = st.integers(946_684_800, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def walls_of(line):
    """Says whether a local time matches the line, straight from the rules."""
    minute, hour, day, month, weekday = parse_cron(line).fields
    both = day.startswith("*") or weekday.startswith("*")

    def matches(wall):
        by_day = wall.day in values("day-of-month", day)
        by_weekday = bool({wall.isoweekday(), wall.isoweekday() % 7} & values("day-of-week", weekday))
        return (
            wall.minute in values("minute", minute)
            and wall.hour in values("hour", hour)
            and wall.month in values("month", month)
            and ((by_day and by_weekday) if both else (by_day or by_weekday))
        )

    return matches


@given(lines(), MOMENTS, st.sampled_from(ZONES))
def test_firings_increase_and_match_the_fields_or_follow_a_jump_of_the_clock(line, after, zone):
    place = ZoneInfo(zone)
    found = list(islice(parse_cron(line).firings(after, zone), 12))
    matches = walls_of(line)

    assert all(earlier < later for earlier, later in zip([after, *found], found, strict=False))
    for moment in found:
        wall = moment.astimezone(place)
        before = (moment - timedelta(seconds=1)).astimezone(place)
        jumped = wall.utcoffset() > before.utcoffset()
        assert jumped or matches(wall)


@given(lines(), MOMENTS, st.sampled_from(ZONES))
def test_no_matching_minute_is_left_out(line, after, zone):
    """Every minute of three days is looked at, so that a matching one cannot hide."""
    after = after.replace(second=0, microsecond=0)
    place, matches = ZoneInfo(zone), walls_of(line)
    until = after + timedelta(hours=40)

    found = set()
    for moment in parse_cron(line).firings(after, zone):
        if moment > until:
            break
        found.add(moment)

    minute, hour = parse_cron(line).fields[:2]
    repeats = len(values("hour", hour)) == 24 or len(values("minute", minute)) == 60
    moment = after + timedelta(minutes=1)
    while moment <= until:
        wall = moment.astimezone(place)
        if matches(wall) and (repeats or wall.fold == 0):
            assert moment in found
        moment += timedelta(minutes=1)


@given(lines(), MOMENTS, st.sampled_from(ZONES), st.integers(0, 19))
def test_firings_after_a_firing_are_the_rest_of_the_firings(line, after, zone, place):
    cron = parse_cron(line)
    found = list(islice(cron.firings(after, zone), 20))
    assume(len(found) == 20)

    assert list(islice(cron.firings(found[place], zone), 19 - place)) == found[place + 1 :]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("line", ["*/10 * * * *", "30 2 * * *", "*/30 1-3 * * *", "* 2 * * *", "0 */2 * * *"])
def test_firings_do_not_depend_on_where_one_begins_to_count_near_a_clock_change(line, zone):
    cron = parse_cron(line)
    for year_day in (datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 4, 4, tzinfo=UTC),
                     datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)):  # fmt: skip
        whole = [
            one for one in islice(cron.firings(year_day, zone), 400) if one < year_day + timedelta(days=2)
        ]
        for quarter in range(0, 48 * 4):
            begin = year_day + timedelta(minutes=15 * quarter, seconds=7)
            rest = [one for one in whole if one > begin]
            assert list(islice(cron.firings(begin, zone), min(3, len(rest)))) == rest[:3]
