"""Keying a customer number (IDPEL), twelve digits. Pure.

The hash key ends it, or a pause after the twelfth digit; a star begins again. A hash before the
first digit asks for an agent: zero is a digit here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

LENGTH = 12
"""Digits of a customer number, as they stand on every bill."""

MOST_KEYS = 4 * LENGTH
"""So many keys in one attempt, stars included: who needs more is lost."""

ASK, NOT_TWELVE, UNKNOWN = "report-ask", "report-not-twelve", "report-unknown"
KNOWN, READ_BACK, CORRECT = "report-known", "report-read-back", "report-correct"
REGISTERED, TODAY, YESTERDAY = "report-registered", "report-today", "report-yesterday"
EARLIER, NEIGHBOURS, OFFER_AGENT = "report-earlier", "report-neighbours", "report-offer-agent"
CALL_ME, WILL_CALL, NO_CALL = "report-call-me", "report-will-call", "report-no-call"
DIGITS = {digit: f"digit-{digit}" for digit in "0123456789"}
OVER = {100: "report-over-100", 50: "report-over-50", 20: "report-over-20", 9: "report-over-9"}
"""Said of more neighbours than this."""

PROMPTS = (
    *(ASK, NOT_TWELVE, UNKNOWN, KNOWN, READ_BACK, CORRECT, REGISTERED, TODAY, YESTERDAY),
    *(EARLIER, NEIGHBOURS, OFFER_AGENT, CALL_ME, WILL_CALL, NO_CALL),
    *DIGITS.values(),
    *OVER.values(),
)


class Fault(StrEnum):
    """Why what was keyed is no customer number."""

    NOTHING = "nothing"  # no key in time
    AGENT = "agent"  # a hash before the first digit
    TOO_FEW = "too_few"  # a hash too soon
    TOO_LATE = "too_late"  # no more keys, and it was not whole
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Entry:
    """What has been keyed so far."""

    digits: str = ""
    keys: int = 0

    @property
    def whole(self) -> bool:
        """All digits are there; a hash or a pause may follow."""
        return len(self.digits) == LENGTH


def press(entry: Entry, key: str | None) -> Entry | str | Fault:
    """What is keyed after this key, or after none in time (None); the number once it is whole."""
    if key is None:
        if entry.whole:
            return entry.digits
        return Fault.TOO_LATE if entry.keys else Fault.NOTHING
    if entry.keys >= MOST_KEYS:
        return Fault.TOO_MANY
    entry = replace(entry, keys=entry.keys + 1)
    if key == "*":
        return replace(entry, digits="")
    if key == "#":
        if entry.whole:
            return entry.digits
        return Fault.TOO_FEW if entry.digits else Fault.AGENT
    if key not in DIGITS:  # A to D: there are telephones that have them
        return entry
    return Fault.TOO_MANY if entry.whole else replace(entry, digits=entry.digits + key)


def spelt(digits: str) -> tuple[str, ...]:
    """The prompts that say these digits, one by one."""
    return tuple(DIGITS[digit] for digit in digits)


def told_when(
    at: datetime, now: datetime, words: tuple[str, str, str] = (TODAY, YESTERDAY, EARLIER)
) -> tuple[str, ...]:
    """The prompts that say when something was noted; both times in the zone that is spoken. `words`
    are for today, yesterday and earlier."""
    today, yesterday, earlier = words
    days = (now.date() - at.date()).days
    if days not in (0, 1):
        return (earlier,)
    return (yesterday if days else today, *spelt(f"{at:%H%M}"))


def told_neighbours(others: int) -> tuple[str, ...]:
    """The prompts that say how many others have reported; nothing if nobody has."""
    if others < 1:
        return ()
    over = next((prompt for bound, prompt in OVER.items() if others > bound), None)
    return (NEIGHBOURS, over or DIGITS[str(others)])
