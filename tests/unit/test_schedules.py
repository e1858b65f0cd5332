"""When things are due: in the schedule's own zone, across clock changes, after an outage, and never by surprise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clientlore.control.model import Preferences, Schedule
from clientlore.control.schedules import (
    GRACE,
    MOST_MISSED,
    check_cron,
    cron_for,
    digest_schedule,
    due_now,
    next_due,
)
from clientlore.errors import ConfigurationError

# Half an hour's change, changes at midnight, a negative "winter" time, no change at all.
ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Nuuk",
    "America/New_York",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "UTC",
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CLOCK_TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


def first_instant_at(day: date, hour: int, minute: int, zone: str) -> datetime:
    """The first instant at which a clock on the wall has reached this time of this day."""
    there = ZoneInfo(zone)
    wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall has no zone
    instant = wall.replace(tzinfo=there).astimezone(UTC)
    if instant.astimezone(there).replace(tzinfo=None) == wall:
        return instant
    # The clock skips this time, so the change comes before it.
    minute_ago = instant - timedelta(minutes=1)
    while minute_ago.astimezone(there).replace(tzinfo=None) > wall:
        minute_ago -= timedelta(minutes=1)
    return minute_ago + timedelta(minutes=1)


def a_schedule(**changes: object) -> Schedule:
    made = Schedule("s-1", "acme", "news", "monitor", "hourly", "0 * * * *", "UTC")
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "more", "cron"),
    [
        ("manual", {}, None),
        ("hourly", {"local_time": "00:20"}, "20 * * * *"),
        ("daily", {"local_time": "07:30"}, "30 7 * * *"),
        ("weekly", {"local_time": "09:00", "weekday": 0}, "0 9 * * 1"),
        ("weekly", {"local_time": "09:00", "weekday": 6}, "0 9 * * 0"),
        ("monthly", {"day_of_month": "28"}, "0 7 28 * *"),
        ("monthly", {"day_of_month": "last"}, "0 7 L * *"),
    ],
)
def test_a_type_becomes_a_cron_expression(
    kind: str, more: dict[str, object], cron: str | None
) -> None:
    made = cron_for(kind, **more)  # type: ignore[arg-type]
    assert made == cron
    if made is not None:
        assert check_cron(made) == made


@pytest.mark.parametrize(
    "wrong", ["", "daily", "61 * * * *", "* * * *", "* * * * * *", "0 0 31 2 *", "0 0 * * 9"]
)
def test_what_is_no_cron_expression_is_refused_with_its_fields(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="Five fields: minute hour day-of-month") as caught:
        check_cron(wrong)
    assert f"'{wrong}' is no cron expression (" in str(caught.value)


def test_a_weekly_and_a_monthly_schedule_come_on_their_local_day() -> None:
    sunday = cron_for("weekly", local_time="23:30", weekday=6)
    assert next_due(sunday, "America/New_York", at("2026-11-20T00:00")) == at("2026-11-23T04:30")
    last = cron_for("monthly", local_time="08:00", day_of_month="last")
    assert next_due(last, "Asia/Tokyo", at("2028-02-01T00:00")) == at("2028-02-28T23:00")
    assert next_due(None, "Asia/Tokyo", at("2028-02-01T00:00")) is None


@given(st.sampled_from(ZONES), INSTANTS, CLOCK_TIMES)
@settings(max_examples=100, deadline=None)
def test_a_daily_schedule_comes_once_for_each_local_day_at_its_time_or_right_after_the_gap(
    zone: str, start: datetime, clock_time: tuple[int, int]
) -> None:
    assert_once_a_day(zone, start, clock_time)


def assert_once_a_day(zone: str, start: datetime, clock_time: tuple[int, int]) -> None:
    cron = cron_for("daily", local_time="{:02d}:{:02d}".format(*clock_time))
    today = start.astimezone(ZoneInfo(zone)).date()
    expected = [
        due
        for n in range(-1, 5)
        if (due := first_instant_at(today + timedelta(days=n), *clock_time, zone)) > start
    ]
    found, upcoming = [], start
    for _ in range(4):
        due = next_due(cron, zone, upcoming)
        assert due is not None
        assert due > upcoming
        found.append(due)
        upcoming = due
    assert found == expected[:4]


@given(st.sampled_from(ZONES), INSTANTS, CLOCK_TIMES, st.floats(0, 0.999))
@settings(max_examples=60, deadline=None)
def test_what_is_due_next_does_not_depend_on_when_one_asks(
    zone: str, start: datetime, clock_time: tuple[int, int], part: float
) -> None:
    cron = cron_for(
        "weekly", local_time="{:02d}:{:02d}".format(*clock_time), weekday=start.weekday()
    )
    due = next_due(cron, zone, start)
    assert due is not None
    assert next_due(cron, zone, start + (due - start) * part) == due


def offset(zone: str, instant: datetime) -> timedelta | None:
    return instant.astimezone(ZoneInfo(zone)).utcoffset()


def changes() -> list[tuple[str, datetime]]:
    """The instants of some years at which a clock changes, by zone."""
    day, step = timedelta(days=1), timedelta(minutes=30)
    days = [datetime(2025, 1, 1, tzinfo=UTC) + n * day for n in range(1100)]
    return [
        (zone, instant)
        for zone in ZONES
        for start in days
        if offset(zone, start) != offset(zone, start + day)
        for instant in (start + n * step for n in range(1, 49))
        if offset(zone, instant - step) != offset(zone, instant)
    ]


@given(st.sampled_from(changes()), st.integers(-1500, 180), st.integers(-130, 130))
@example(("Europe/London", at("2027-10-31T01:00")), 10, 30)
@settings(max_examples=150, deadline=None)
def test_around_a_clock_change_it_is_so_for_every_minute(
    change: tuple[str, datetime], start_minutes: int, due_minutes: int
) -> None:
    zone, instant = change
    due = (instant + timedelta(minutes=due_minutes)).astimezone(ZoneInfo(zone))
    start = instant + timedelta(minutes=start_minutes)
    assert_once_a_day(zone, start, (due.hour, due.minute))


# The nights of a change around its hour, where errors live.
@pytest.mark.parametrize(
    ("zone", "local_time", "after", "due"),
    [
        # The gap: 01:30 does not exist on 28 March 2027 in London.
        (
            "Europe/London",
            "01:30",
            "2027-03-27T12:00",
            ["2027-03-28T01:00", "2027-03-29T00:30", "2027-03-30T00:30"],
        ),
        # The fold: 01:30 comes twice on 31 October 2027; the first counts.
        (
            "Europe/London",
            "01:30",
            "2027-10-30T12:00",
            ["2027-10-31T00:30", "2027-11-01T01:30", "2027-11-02T01:30"],
        ),
        # Between the two: the second one must not count either.
        ("Europe/London", "01:30", "2027-10-31T01:10", ["2027-11-01T01:30"]),
        # A gap at midnight: the day begins at 01:00.
        ("America/Havana", "00:30", "2027-03-13T12:00", ["2027-03-14T05:00", "2027-03-15T04:30"]),
        # Half an hour's gap.
        ("Australia/Lord_Howe", "02:15", "2027-10-02T12:00", ["2027-10-02T15:30"]),
    ],
)
def test_a_daily_schedule_neither_skips_nor_doubles_a_day_when_the_clock_changes(
    zone: str, local_time: str, after: str, due: list[str]
) -> None:
    cron, upcoming, found = cron_for("daily", local_time=local_time), at(after), []
    for _ in due:
        upcoming = next_due(cron, zone, upcoming) or upcoming
        found.append(upcoming)
    assert found == [at(text) for text in due]


@given(st.sampled_from(ZONES), INSTANTS)
@settings(max_examples=60, deadline=None)
def test_an_hourly_schedule_never_stays_away_for_two_hours(zone: str, start: datetime) -> None:
    upcoming = start
    for _ in range(4):
        due = next_due("20 * * * *", zone, upcoming)
        assert due is not None
        assert timedelta(0) < due - upcoming <= timedelta(minutes=90)
        upcoming = due


def test_what_is_not_due_stays_planned() -> None:
    for schedule in (
        a_schedule(next_run_at=at("2026-11-20T10:00")),
        a_schedule(next_run_at=at("2026-11-20T08:00"), is_active=False),
        a_schedule(next_run_at=None, cron=None),
    ):
        due = due_now(schedule, at("2026-11-20T09:59"))
        assert (due.fires, due.missed, due.next_run_at) == ((), (), schedule.next_run_at)


def test_after_an_outage_the_newest_happens_by_default_and_the_others_are_recorded() -> None:
    due = due_now(a_schedule(next_run_at=at("2026-11-20T04:00")), at("2026-11-20T07:40"))
    assert due.fires == (at("2026-11-20T07:00"),)
    assert due.missed == (at("2026-11-20T04:00"), at("2026-11-20T05:00"), at("2026-11-20T06:00"))
    assert due.next_run_at == at("2026-11-20T08:00")


def test_with_skip_only_what_is_hardly_late_happens() -> None:
    schedule = a_schedule(next_run_at=at("2026-11-20T04:00"), catch_up="skip")
    on_time = due_now(schedule, at("2026-11-20T05:00") + GRACE)
    assert (on_time.fires, on_time.missed) == (
        (at("2026-11-20T05:00"),),
        (at("2026-11-20T04:00"),),
    )
    late = due_now(schedule, at("2026-11-20T05:00") + GRACE + timedelta(seconds=1))
    assert (late.fires, len(late.missed)) == ((), 2)


def test_with_all_the_newest_happen_in_order_up_to_the_limit() -> None:
    schedule = a_schedule(next_run_at=at("2026-11-20T01:00"), catch_up="all", catch_up_limit=3)
    due = due_now(schedule, at("2026-11-20T06:30"))
    assert due.fires == (at("2026-11-20T04:00"), at("2026-11-20T05:00"), at("2026-11-20T06:00"))
    assert len(due.missed) == 3


def test_after_years_of_absence_a_tick_stays_bounded() -> None:
    schedule = a_schedule(next_run_at=at("2026-01-01T00:00"), catch_up="all", catch_up_limit=100)
    due = due_now(schedule, at("2026-11-20T00:30"))
    assert len(due.fires) + len(due.missed) == MOST_MISSED
    assert due.fires[-1] == at("2026-11-20T00:00")
    assert due.next_run_at == at("2026-11-20T01:00")


@given(
    st.sampled_from(["skip", "latest", "all"]),
    st.integers(1, 10),
    st.timedeltas(timedelta(0), timedelta(days=2)),
    st.sampled_from(["*/5 * * * *", "0 * * * *", "30 7 * * *"]),
)
@settings(max_examples=40, deadline=None)
def test_every_due_time_up_to_now_is_accounted_for_exactly_once(
    catch_up: str, limit: int, away: timedelta, cron: str
) -> None:
    first = next_due(cron, "Europe/London", at("2026-10-24T00:00"))
    assert first is not None
    schedule = a_schedule(
        cron=cron,
        timezone="Europe/London",
        next_run_at=first,
        catch_up=catch_up,
        catch_up_limit=limit,
    )
    due = due_now(schedule, first + away)
    told = sorted([*due.fires, *due.missed])
    assert len(set(told)) == len(told)
    assert told[0] == first
    for one, two in zip(told, [*told[1:], due.next_run_at], strict=True):
        assert next_due(cron, "Europe/London", one) == two
    assert due.next_run_at is not None
    assert due.next_run_at > first + away


def test_preferences_become_a_schedule_and_instant_ones_none() -> None:
    wanted = Preferences("u-1", "acme", timezone="Asia/Tokyo", local_time="08:30")
    daily = digest_schedule("ana", wanted)
    assert daily is not None
    assert (daily.name, daily.cron, daily.timezone, daily.user_id, daily.purpose) == (
        "digest:ana",
        "30 8 * * *",
        "Asia/Tokyo",
        "u-1",
        "digest",
    )
    weekly = digest_schedule("ana", replace(wanted, frequency="weekly", weekday=4))
    assert weekly is not None
    assert (weekly.cron, weekly.schedule_id) == ("30 8 * * 5", daily.schedule_id)
    assert digest_schedule("ana", replace(wanted, frequency="instant")) is None
