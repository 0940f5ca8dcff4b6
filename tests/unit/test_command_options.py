"""Days and times as they are given on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pln_ivr.commands.options import Period, moment, period_of, shown, zone_of
from pln_ivr.errors import ConfigError

JAKARTA, JAYAPURA, BERLIN = map(zone_of, ("Asia/Jakarta", "Asia/Jayapura", "Europe/Berlin"))
NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
"""Half past one in the night of the 24th in Jakarta."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_day_is_the_zones() -> None:
    day = period_of("2026-11-23", None, None, JAKARTA, NOW)
    assert day == Period(utc("2026-11-22 17:00"), utc("2026-11-23 17:00"), JAKARTA)
    assert str(day) == "2026-11-23 00:00:00 to 2026-11-24 00:00:00 Asia/Jakarta"
    assert period_of("2026-11-23", None, None, JAYAPURA, NOW).since == utc("2026-11-22 15:00")


def test_without_anything_it_is_the_zones_today() -> None:
    assert period_of(None, None, None, JAKARTA, NOW).since == utc("2026-11-23 17:00")
    assert period_of(None, None, None, zone_of("UTC"), NOW).since == utc("2026-11-23")


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    day = period_of("2026-10-25", None, None, BERLIN, NOW)
    assert day.until - day.since == timedelta(hours=25)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-23", utc("2026-11-22 17:00")),
        ("2026-11-23T08:00", utc("2026-11-23 01:00")),
        ("2026-11-23 08:00:30", utc("2026-11-23 01:00:30")),
        ("2026-11-23T08:00+00:00", utc("2026-11-23 08:00")),
        ("2026-11-23T08:00Z", utc("2026-11-23 08:00")),
        (None, None),
    ],
)
def test_a_time_is_the_zones_unless_it_says_its_own(text: str | None, at: datetime | None) -> None:
    assert moment("--since", text, JAKARTA) == at


def test_from_one_time_to_another_or_to_now() -> None:
    both = period_of(None, "2026-11-22", "2026-11-23", JAKARTA, NOW)
    assert both == Period(utc("2026-11-21 17:00"), utc("2026-11-22 17:00"), JAKARTA)
    assert period_of(None, "2026-11-22", None, JAKARTA, NOW).until == NOW


@pytest.mark.parametrize(
    ("day", "since", "until", "says"),
    [
        ("yesterday", None, None, "--day: 'yesterday' is no day"),
        ("2026-02-30", None, None, "--day: '2026-02-30' is no day"),
        ("9999-12-31", None, None, "is no day"),
        ("0001-01-01", None, None, "is no day"),
        ("2026-11-23", "2026-11-22", None, "leave out --since"),
        ("2026-11-23", None, "2026-11-24", "leave out --since"),
        (None, None, "2026-11-24", "--until: needs --since"),
        (None, "noon", None, "--since: 'noon' is no time"),
        (None, "0001-01-01", None, "--since: '0001-01-01' is no time"),
        (None, "2026-11-22", "25:00", "--until: '25:00' is no time"),
        (None, "2026-11-23", "2026-11-23", "must be before --until"),
        (None, "2026-12-01", None, "must be before --until, which is now"),
    ],
)
def test_what_is_no_period_is_one_line(
    day: str | None, since: str | None, until: str | None, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        period_of(day, since, until, JAKARTA, NOW)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Jakarta", "Asia", "../zone", "/etc/passwd", "tzdata.zi"])
def test_an_unknown_zone_is_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--zone: there is no time zone .*Asia/Jakarta"):
        zone_of(name)


def test_a_time_is_shown_in_the_zone() -> None:
    assert shown(NOW, JAKARTA) == "2026-11-24 01:30:00"
    assert shown(None, JAKARTA) == "-"
