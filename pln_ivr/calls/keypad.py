"""What an agent keys while talking. Pure.

*9     raise the white flag, or lower it
*2N#   send the caller on to queue N (one digit) or to extension N (two or more)
*3N#   consult extension N: the caller hears music meanwhile
*4     leave the caller with whom you consult
*5     go back to the caller
*6     pause the recording, or let it go on
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEY_SECONDS = 5.0
"""Longer between two keys, and what was begun is forgotten."""

MOST_DIGITS = 10


class Key(StrEnum):
    """What can be keyed, by the key after the star."""

    TRANSFER = "2"
    CONSULT = "3"
    COMPLETE = "4"
    CANCEL = "5"
    PAUSE = "6"
    FLAG = "9"


_WITH_NUMBER = frozenset({Key.TRANSFER, Key.CONSULT})


@dataclass(frozen=True, slots=True)
class Keyed:
    """A whole code. `number` is empty for those that have none."""

    key: Key
    number: str = ""


class Keypad:
    """Puts keys together. What is no code is forgotten: a star begins anew."""

    def __init__(self) -> None:
        self._keys = ""
        self._at = 0.0

    def press(self, key: str, now: float) -> Keyed | None:
        """One more key, `now` seconds of any clock; the code that it completes, if it does."""
        if now - self._at > KEY_SECONDS:
            self._keys = ""
        self._at = now
        if key == "*":
            self._keys = "*"
            return None
        if not self._keys:
            return None
        self._keys += key
        code, number = self._keys[1], self._keys[2:]
        if code not in list(Key):
            self._keys = ""
            return None
        known = Key(code)
        if known not in _WITH_NUMBER:
            self._keys = ""
            return Keyed(known)
        if key == "#" and number[:-1]:
            self._keys = ""
            return Keyed(known, number[:-1])
        if number and (not key.isdecimal() or len(number) > MOST_DIGITS):
            self._keys = ""
        return None
