"""What a lookup of a bill answers, and how often one that fails is asked again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

import msgspec

from pln_ivr.errors import LookupFailed

LARGEST = 999_999_999_999
"""Rupiah: what is more is a mistake, and could not be said."""

FAILURES = 5
"""So many lookups that fail in a row keep all others away for a while."""

PAUSE_SECONDS = 15.0
"""That while: then one is tried, and a failure of it begins another."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a customer owes."""

    amount: int
    """Whole rupiah; nothing if it is 0."""
    due: date | None = None


class _Body(msgspec.Struct):
    amount: Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
    due: date | None = None
    paid: bool = False


def read_answer(status: int, body: bytes) -> Bill | None:
    """The bill; None if the customer is not known there. Raises LookupFailed."""
    if status == 404:
        return None
    if status != 200:
        raise LookupFailed(f"HTTP {status}")
    try:
        told = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # its text names no value
        raise LookupFailed(f"not a bill: {error}") from None
    return Bill(0 if told.paid else told.amount, told.due)


class Circuit:
    """Keeps callers from waiting for a server that does not answer."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_until = 0.0

    def admits(self, now: float) -> bool:
        """Whether to ask; who is let in after a pause begins the next one, until `told`."""
        if self._failures < FAILURES:
            return True
        if now < self._closed_until:
            return False
        self._closed_until = now + PAUSE_SECONDS
        return True

    def told(self, failed: bool, now: float) -> None:
        """How a lookup ended."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= FAILURES:
            self._closed_until = now + PAUSE_SECONDS
