"""Amounts and dates, in prompts: the same ones in each language that puts them in this order. Pure.

Indonesian and English both say the thousands before the hundreds, and a number before its unit.
"""

from __future__ import annotations

from datetime import date

HUNDRED, THOUSAND = "number-hundred", "number-thousand"
ONE_HUNDRED, ONE_THOUSAND = "number-100", "number-1000"
"""Words of their own in Indonesian: seratus, seribu."""

_UNITS = ((10**9, "number-billion"), (10**6, "number-million"), (10**3, THOUSAND))
_TENS = tuple(f"number-{tens}" for tens in (*range(10, 20), *range(20, 100, 10)))

NUMBERS = (
    *(f"digit-{digit}" for digit in range(10)),
    *_TENS,
    *(ONE_HUNDRED, HUNDRED, ONE_THOUSAND),
    *(word for _, word in _UNITS),
)
MONTHS = tuple(f"month-{month}" for month in range(1, 13))

MOST = 10**12 - 1
"""The largest number that can be said."""


def spoken_number(number: int) -> tuple[str, ...]:
    """The prompts that say a number from 0 to MOST. Raises ValueError for others."""
    if not 0 <= number <= MOST:
        raise ValueError("no number that can be said")
    if number == 0:
        return ("digit-0",)
    words: list[str] = []
    for size, unit in _UNITS:
        count, number = divmod(number, size)
        if count == 1 and unit == THOUSAND:
            words.append(ONE_THOUSAND)
        elif count:
            words += (*_below_thousand(count), unit)
    return (*words, *_below_thousand(number))


def spoken_date(day: date) -> tuple[str, ...]:
    """The prompts that say a day and its month."""
    return (*_below_thousand(day.day), MONTHS[day.month - 1])


def _below_thousand(number: int) -> tuple[str, ...]:
    hundreds, rest = divmod(number, 100)
    words: tuple[str, ...] = ()
    if hundreds:
        words = (ONE_HUNDRED,) if hundreds == 1 else (f"digit-{hundreds}", HUNDRED)
    if 10 <= rest < 20:
        return (*words, f"number-{rest}")
    tens, ones = divmod(rest, 10)
    words += (f"number-{tens}0",) if tens else ()
    return words + ((f"digit-{ones}",) if ones else ())
