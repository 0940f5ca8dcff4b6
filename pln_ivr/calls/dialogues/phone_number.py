"""A telephone number that can be called back: as the trunk shows it, or keyed. Pure.

Indonesian numbers in their national form: a zero, an area code or a mobile network's, the rest
(E.164 by Indonesia's numbering plan: mobile numbers have 10 to 13 digits with the zero, those of
fixed lines 9 to 12). Keyed, the hash key ends it, or a pause; a star begins again; a hash before
the first digit asks for an agent: zero is a digit here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pln_ivr.calls.dialogues.customer_number import DIGITS, Fault

OFFER, NUMBER, CORRECT, ASK = (
    "callback-offer",
    "callback-number",
    "callback-correct",
    "callback-ask",
)
NO_NUMBER, NOTED, UNAVAILABLE = "callback-no-number", "callback-noted", "callback-unavailable"
TODAY, YESTERDAY, EARLIER = "callback-today", "callback-yesterday", "callback-earlier"
KEPT = "callback-kept"

PROMPTS = (
    *(OFFER, NUMBER, CORRECT, ASK, NO_NUMBER, NOTED, UNAVAILABLE),
    *(TODAY, YESTERDAY, EARLIER, KEPT),
    *DIGITS.values(),
)

COUNTRY = "62"
MOBILE_DIGITS, FIXED_DIGITS = range(10, 14), range(9, 13)
MOST_DIGITS = 13
MOST_KEYS = 4 * MOST_DIGITS
"""So many keys in one attempt, stars included: who needs more is lost."""


def national(number: str) -> str | None:
    """The number as 0…, whether it came as +62…, 62…, 0062… or 0…; None if it is none that can be
    called: short, foreign, withheld."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if digits.startswith("00"):
        digits = digits[2:]
    if digits.startswith(COUNTRY):
        digits = f"0{digits[len(COUNTRY) :]}"
    if len(digits) < 2 or digits[0] != "0" or digits[1] in "01":
        return None
    lengths = MOBILE_DIGITS if digits[1] == "8" else FIXED_DIGITS
    return digits if len(digits) in lengths else None


def dialled(number: str, international: bool) -> str:
    """A national number in the form that the trunk takes."""
    return f"+{COUNTRY}{number[1:]}" if international else number


@dataclass(frozen=True, slots=True)
class Entry:
    """What has been keyed so far."""

    digits: str = ""
    keys: int = 0

    @property
    def number(self) -> str | None:
        """The number, if it is one by now; more digits may follow."""
        return national(self.digits) if self.digits.startswith("0") else None


def press(entry: Entry, key: str | None) -> Entry | str | Fault:
    """What is keyed after this key, or after none in time (None); the number once it is whole."""
    if key is None or key == "#":
        if not entry.digits:
            return Fault.AGENT if key else Fault.TOO_LATE if entry.keys else Fault.NOTHING
        return entry.number or (Fault.TOO_FEW if key else Fault.TOO_LATE)
    if entry.keys >= MOST_KEYS:
        return Fault.TOO_MANY
    entry = replace(entry, keys=entry.keys + 1)
    if key == "*":
        return replace(entry, digits="")
    if key not in DIGITS:  # A to D: there are telephones that have them
        return entry
    if len(entry.digits) >= MOST_DIGITS:
        return Fault.TOO_MANY
    return replace(entry, digits=entry.digits + key)
