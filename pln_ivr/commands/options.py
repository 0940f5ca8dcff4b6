"""What several commands take: the settings' file, and days and times in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from pln_ivr.config import CONFIG_VARIABLE
from pln_ivr.errors import ConfigError

DEFAULT_ZONE = "Asia/Jakarta"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar=CONFIG_VARIABLE, help="TOML file; without it the defaults."
    ),
]
Zone = Annotated[str, typer.Option(help="Time zone of the days and times, given and shown.")]
Since = Annotated[str | None, typer.Option(help="From then on, like 2026-11-23T08:00.")]
Until = Annotated[str | None, typer.Option(help="Up to then, that moment not included.")]


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to before `until`, UTC; people read it in their zone."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{shown(self.since, self.zone)} to {shown(self.until, self.zone)} {self.zone.key}"


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ConfigError if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"--zone: there is no time zone {name!r}; write one like {DEFAULT_ZONE}"
            " (Debian's package tzdata has them all)"
        ) from None


def moment(option: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    """A time as it was given, UTC; without an offset of its own it is the zone's.

    `option` is where it was given. Raises ConfigError if it is no time.
    """
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option}: {text!r} is no time; write one like 2026-11-23 or 2026-11-23T08:00"
        ) from None


def period_of(
    day: str | None, since: str | None, until: str | None, zone: ZoneInfo, now: datetime
) -> Period:
    """The day, or from `since` to `until`, or to `now`; if nothing is given, the zone's today.

    Raises ConfigError if both are given, one is no time, or nothing lies between.
    """
    if since is None and until is None:
        return _day(day, zone, now)
    if day is not None:
        raise ConfigError("--day: a day has its own beginning and end; leave out --since, --until")
    begin, end = moment("--since", since, zone), moment("--until", until, zone) or now
    if begin is None:
        raise ConfigError("--until: needs --since, or give a --day")
    if begin >= end:
        raise ConfigError("--since: must be before --until, which is now if not given")
    return Period(begin, end, zone)


def _day(text: str | None, zone: ZoneInfo, now: datetime) -> Period:
    try:
        day = date.fromisoformat(text) if text is not None else now.astimezone(zone).date()
        begin, end = (
            datetime.combine(one, time(), zone).astimezone(UTC)
            for one in (day, day + timedelta(days=1))
        )
    except (ValueError, OverflowError):
        raise ConfigError(f"--day: {text!r} is no day; write one like 2026-11-23") from None
    return Period(begin, end, zone)


def shown(at: datetime | None, zone: ZoneInfo) -> str:
    """A time as people read it, to the second; "-" if it never came."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at else "-"
