"""Times in words, as they are spoken: a week's opening hours, a day and an hour. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

Day = tuple[int, int] | None
"""Minutes of the day from opening to closing; None: closed."""

INDONESIAN, ENGLISH = "", "en"

_DAYS = {
    INDONESIAN: ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"),
    ENGLISH: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_TO = {INDONESIAN: "sampai", ENGLISH: "to"}
_EVERY_DAY = {INDONESIAN: "setiap hari", ENGLISH: "every day"}
_CLOSED = {INDONESIAN: "tutup", ENGLISH: "closed"}
_ALL_DAY = {INDONESIAN: "dua puluh empat jam", ENGLISH: "twenty-four hours"}
_NUMBERS = (
    *("nol", "satu", "dua", "tiga", "empat", "lima"),
    *("enam", "tujuh", "delapan", "sembilan", "sepuluh", "sebelas"),
)


def spoken_week(week: Sequence[Day], language: str) -> str:
    """The seven days from Monday on, neighbours with the same hours together."""
    parts, day = [], 0
    for hours, same in groupby(week):
        last = day + len(list(same)) - 1
        parts.append(f"{_days(day, last, language)}, {_hours(hours, language)}.")
        day = last + 1
    return " ".join(parts)


def _days(first: int, last: int, language: str) -> str:
    names = _DAYS[language]
    if (first, last) == (0, 6):
        return _EVERY_DAY[language]
    return names[first] if first == last else f"{names[first]} {_TO[language]} {names[last]}"


def _hours(hours: Day, language: str) -> str:
    if hours is None:
        return _CLOSED[language]
    if hours == (0, 24 * 60):
        return _ALL_DAY[language]
    opens, closes = (_time(minutes, language) for minutes in hours)
    return f"{opens} {_TO[language]} {closes}"


def _time(minutes: int, language: str) -> str:
    hour, minute = divmod(minutes, 60)
    if language == ENGLISH:
        half = "AM" if hour % 24 < 12 else "PM"
        return f"{hour % 12 or 12}{f':{minute:02}' if minute else ''} {half}"
    return f"pukul {number(hour)}" + (f" lewat {number(minute)} menit" if minute else "")


_MONTHS = (
    *("Januari", "Februari", "Maret", "April", "Mei", "Juni"),
    *("Juli", "Agustus", "September", "Oktober", "November", "Desember"),
)
_ZONES = {
    "Asia/Jakarta": "Waktu Indonesia Barat",
    "Asia/Makassar": "Waktu Indonesia Tengah",
    "Asia/Jayapura": "Waktu Indonesia Timur",
}


def spoken_moment(moment: datetime, zone: ZoneInfo) -> str:
    """A time, to the minute, in Indonesian; with its date, as "today" does not stay true."""
    at = moment.astimezone(zone)
    day = f"hari {_DAYS[INDONESIAN][at.weekday()]} tanggal {number(at.day)} {_MONTHS[at.month - 1]}"
    time = f"{_time(at.hour * 60 + at.minute, INDONESIAN)} {_ZONES.get(zone.key, '')}".rstrip()
    return f"{day}, {time}"


def listed(names: Sequence[str]) -> str:
    """Names as they are said one after the other, in Indonesian."""
    return " dan ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def number(value: int) -> str:
    """A number from 0 to 99 in Indonesian words."""
    tens, ones = divmod(value, 10)
    if value < len(_NUMBERS):
        return _NUMBERS[value]
    if tens == 1:
        return f"{_NUMBERS[ones]} belas"
    return f"{_NUMBERS[tens]} puluh" + (f" {_NUMBERS[ones]}" if ones else "")
