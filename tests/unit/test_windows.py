"""Windows: keys by the person's own calendar, quiet hours, and which fire opens a window for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clientlore.control.model import Fire, Frequency, Preferences
from clientlore.control.schedules import cron_for, next_due
from clientlore.control.snapshots import Reader
from clientlore.digests.windows import (
    Window,
    not_before,
    readers_of_fire,
    window_for,
    window_key,
)

DAY = date(2026, 11, 20)
ZONES = (
    "UTC",
    "Europe/London",
    "America/New_York",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def preferences(**values: Any) -> Preferences:
    return Preferences("ann", "acme", **values)


def fire(**values: Any) -> Fire:
    made = Fire("f1", "acme", "digest", utc(2026, 11, 20, 7), DAY, "claimed", user_id="ann")
    return replace(made, **values)


# Keys


@pytest.mark.parametrize(
    ("frequency", "zone", "due_at", "key"),
    [
        ("daily", "UTC", utc(2026, 11, 20, 7), "2026-11-20"),
        ("daily", "Asia/Tokyo", utc(2026, 11, 19, 22), "2026-11-20"),
        ("daily", "America/New_York", utc(2026, 11, 21, 3), "2026-11-20"),
        ("weekly", "UTC", utc(2026, 11, 20, 7), "2026-W47"),
        ("weekly", "Asia/Tokyo", utc(2026, 11, 22, 23, 30), "2026-W48"),
        ("weekly", "UTC", utc(2027, 1, 1, 7), "2026-W53"),
        ("weekly", "UTC", utc(2027, 1, 4, 7), "2027-W01"),
        ("weekly", "UTC", utc(2029, 12, 31, 7), "2030-W01"),
    ],
)
def test_a_key_is_the_local_date_or_iso_week_of_the_due_time(
    frequency: Frequency, zone: str, due_at: datetime, key: str
) -> None:
    assert window_key(preferences(frequency=frequency, timezone=zone), due_at) == key


_INSTANTS = st.integers(0, 7 * 366 * 24 * 60).map(
    lambda minutes: utc(2024, 1, 1) + timedelta(minutes=minutes)
)
_TIMES = st.times().map(lambda at: f"{at:%H:%M}")


@given(zone=st.sampled_from(ZONES), after=_INSTANTS, at=_TIMES)
@example(zone="Europe/London", after=utc(2026, 3, 28, 12), at="01:30")
@example(zone="Europe/London", after=utc(2026, 10, 24, 12), at="01:30")
@example(zone="Asia/Beirut", after=utc(2026, 10, 23, 12), at="23:30")
@example(zone="America/Havana", after=utc(2026, 3, 7, 12), at="00:30")
@example(zone="America/Nuuk", after=utc(2026, 3, 27, 12), at="23:30")
@example(zone="America/Nuuk", after=utc(2026, 3, 27, 12), at="00:00")
@settings(max_examples=60, deadline=None)
def test_each_daily_digest_has_the_key_of_the_next_local_day_whatever_the_clock_does(
    zone: str, after: datetime, at: str
) -> None:
    cron = cron_for("daily", local_time=at)
    due, days = after, []
    for _ in range(4):
        found = next_due(cron, zone, due)
        assert found is not None
        due = found
        asked = preferences(frequency="daily", timezone=zone, local_time=at)
        days.append(date.fromisoformat(window_key(asked, due)))
    assert days == [days[0] + timedelta(days=n) for n in range(4)]


@given(zone=st.sampled_from(ZONES), after=_INSTANTS, at=_TIMES, weekday=st.integers(0, 6))
@example(zone="Africa/Cairo", after=utc(2026, 4, 1), at="00:30", weekday=4)
@settings(max_examples=40, deadline=None)
def test_each_weekly_digest_has_the_key_of_the_next_iso_week(
    zone: str, after: datetime, at: str, weekday: int
) -> None:
    cron = cron_for("weekly", local_time=at, weekday=weekday)
    due, mondays = after, []
    for _ in range(3):
        found = next_due(cron, zone, due)
        assert found is not None
        due = found
        asked = preferences(frequency="weekly", timezone=zone, local_time=at, weekday=weekday)
        key = window_key(asked, due)
        mondays.append(datetime.strptime(f"{key}-1", "%G-W%V-%u").date())  # noqa: DTZ007
    assert mondays == [mondays[0] + timedelta(weeks=n) for n in range(3)]


def test_the_id_of_a_window_follows_from_person_frequency_and_key_alone() -> None:
    window = Window("acme", "ann", "daily", "2026-11-20", "f1", DAY)
    again = replace(window, fire_id="f2", as_of_day=DAY + timedelta(days=1))
    assert again.window_id == window.window_id
    others = [
        replace(window, tenant_id="other"),
        replace(window, user_id="ben"),
        replace(window, frequency="weekly"),
        replace(window, key="2026-11-21"),
    ]
    assert len({w.window_id for w in (window, *others)}) == 5


# Quiet hours


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (utc(2026, 11, 20, 20, 59), utc(2026, 11, 20, 20, 59)),
        (utc(2026, 11, 20, 21, 0), utc(2026, 11, 21, 7, 0)),
        (utc(2026, 11, 20, 23, 59), utc(2026, 11, 21, 7, 0)),
        (utc(2026, 11, 21, 3, 0), utc(2026, 11, 21, 7, 0)),
        (utc(2026, 11, 21, 6, 59, 59), utc(2026, 11, 21, 7, 0)),
        (utc(2026, 11, 21, 7, 0), utc(2026, 11, 21, 7, 0)),
    ],
)
def test_mail_in_quiet_hours_across_midnight_waits_until_their_end(
    now: datetime, expected: datetime
) -> None:
    quiet = preferences(timezone="UTC", quiet_from="21:00", quiet_to="07:00")
    assert not_before(now, quiet) == expected


def test_quiet_hours_within_a_day_hold_until_their_end_on_that_day() -> None:
    quiet = preferences(timezone="Asia/Tokyo", quiet_from="12:00", quiet_to="13:00")
    assert not_before(utc(2026, 11, 20, 3, 30), quiet) == utc(2026, 11, 20, 4, 0)
    assert not_before(utc(2026, 11, 20, 2, 59), quiet) == utc(2026, 11, 20, 2, 59)


@pytest.mark.parametrize(
    ("quiet_from", "quiet_to"), [(None, None), ("21:00", None), (None, "07:00"), ("08:00", "08:00")]
)
def test_without_a_beginning_and_another_end_no_hour_is_quiet(
    quiet_from: str | None, quiet_to: str | None
) -> None:
    quiet = preferences(timezone="UTC", quiet_from=quiet_from, quiet_to=quiet_to)
    assert not_before(utc(2026, 11, 20, 8, 0), quiet) == utc(2026, 11, 20, 8, 0)


def test_an_end_that_the_clock_skips_comes_after_the_gap() -> None:
    quiet = preferences(timezone="Europe/London", quiet_from="21:00", quiet_to="01:30")
    assert not_before(utc(2026, 3, 29, 0, 45), quiet) == utc(2026, 3, 29, 1, 30)


def test_an_end_that_comes_twice_holds_in_the_repeated_hour_too() -> None:
    quiet = preferences(timezone="Europe/London", quiet_from="21:00", quiet_to="01:30")
    # 01:10 the first time (summer time), then 01:10 again an hour later.
    assert not_before(utc(2026, 10, 25, 0, 10), quiet) == utc(2026, 10, 25, 0, 30)
    assert not_before(utc(2026, 10, 25, 1, 10), quiet) == utc(2026, 10, 25, 1, 30)


def is_quiet(at: datetime, wants: Preferences) -> bool:
    assert wants.quiet_from is not None
    assert wants.quiet_to is not None
    start, end = time.fromisoformat(wants.quiet_from), time.fromisoformat(wants.quiet_to)
    clock = at.astimezone(ZoneInfo(wants.timezone)).time().replace(tzinfo=None)
    return (start <= clock < end) if start < end else start != end and not end <= clock < start


@given(zone=st.sampled_from(ZONES), now=_INSTANTS, quiet_from=_TIMES, quiet_to=_TIMES)
@example("Asia/Beirut", utc(2026, 10, 24, 21, 10), "22:00", "23:30")
@example("America/Havana", utc(2026, 11, 1, 5, 10), "22:00", "00:30")
@example("Australia/Lord_Howe", utc(2026, 4, 4, 15, 10), "22:00", "01:45")
@example("Europe/London", utc(2027, 3, 27, 23, 5), "01:34", "01:03")
@settings(max_examples=150, deadline=None)
def test_mail_never_arrives_in_quiet_hours_and_never_before_now(
    zone: str, now: datetime, quiet_from: str, quiet_to: str
) -> None:
    wants = preferences(timezone=zone, quiet_from=quiet_from, quiet_to=quiet_to)
    arrives = not_before(now, wants)
    assert arrives >= now
    assert not is_quiet(arrives, wants)
    assert arrives - now <= timedelta(hours=49)
    if not is_quiet(now, wants):
        assert arrives == now


# Which fire opens a window for whom


def test_a_digest_fire_opens_the_scheduled_window_of_its_own_person() -> None:
    found = window_for(fire(), preferences(frequency="daily", timezone="Europe/London"))
    assert found == Window("acme", "ann", "daily", "2026-11-20", "f1", DAY)
    weekly = window_for(fire(), preferences(frequency="weekly"))
    assert weekly == Window("acme", "ann", "weekly", "2026-W47", "f1", DAY)


def test_another_persons_fire_opens_nothing() -> None:
    assert window_for(fire(user_id="ben"), preferences()) is None
    assert window_for(fire(kind="adhoc", user_id="ben"), preferences()) is None


@pytest.mark.parametrize("frequency", ["instant", "daily", "weekly"])
def test_a_fire_by_hand_opens_a_window_of_its_own_for_everybody(frequency: Frequency) -> None:
    found = window_for(fire(kind="adhoc", user_id=None), preferences(frequency=frequency))
    assert found == Window("acme", "ann", "adhoc", "f1", "f1", DAY)


def test_a_monitoring_fire_opens_windows_of_those_who_want_to_be_told_at_once() -> None:
    monitoring = fire(kind="monitor", user_id=None)
    assert window_for(monitoring, preferences(frequency="instant")) == Window(
        "acme", "ann", "instant", "f1", "f1", DAY
    )
    assert window_for(monitoring, preferences(frequency="daily")) is None
    assert window_for(monitoring, preferences(frequency="weekly")) is None


def test_a_digest_fire_of_a_person_who_went_over_to_instant_opens_nothing() -> None:
    assert window_for(fire(), preferences(frequency="instant")) is None


def test_the_readers_of_a_fire_come_with_their_windows() -> None:
    readers = [
        Reader(name, name, name.title(), Preferences(name, "acme", frequency=frequency))
        for name, frequency in (("ann", "instant"), ("ben", "daily"), ("cleo", "instant"))
    ]
    pairs = readers_of_fire(fire(kind="monitor", user_id=None), readers)
    assert [(reader.handle, window.user_id) for reader, window in pairs] == [
        ("ann", "ann"),
        ("cleo", "cleo"),
    ]
