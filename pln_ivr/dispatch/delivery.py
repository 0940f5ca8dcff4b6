"""One delivery, pure: how it is signed, what an answer means, when it is tried again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

TIMESTAMP, SIGNATURE, KEY = "PLN-Timestamp", "PLN-Signature", "Idempotency-Key"
"""Headers: seconds since the epoch; see `signature`; the same at each attempt."""

VERSION = "v1"
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=5)

_LATER = frozenset({408, 425, 429})
"""Refusals that time may heal, as every 5xx is."""


class Verdict(StrEnum):
    """What one attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"  # tried again later
    REFUSED = "refused"  # the receiver will never take it: a dead letter
    GIVEN_UP = "given_up"  # failed for too long: a dead letter


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256, in hex, over the timestamp, a dot and the body."""
    message = timestamp.encode() + b"." + body
    return f"{VERSION}={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def judge(status: int | None, age: timedelta, give_up: timedelta) -> Verdict:
    """What an answer means; None if there was none. `age` is that of the delivery."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    if status is not None and status < 500 and status not in _LATER:
        return Verdict.REFUSED
    return Verdict.GIVEN_UP if age >= give_up else Verdict.FAILED


def delay(attempts: int, chance: Callable[[], float]) -> timedelta:
    """How long after that many attempts the next one follows: twice as long each time, to a
    bound, and of that between half and all (`chance` is from 0 to 1), so that what failed
    together does not come again together."""
    doubled: timedelta = FIRST_DELAY * 2 ** min(attempts - 1, 16)
    return min(doubled, LONGEST_DELAY) * (0.5 + chance() / 2)
