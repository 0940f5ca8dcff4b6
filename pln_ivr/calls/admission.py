"""Admission: the seats, and nothing else. No I/O and no await anywhere in it."""

from __future__ import annotations

from collections.abc import Callable

from pln_ivr.outcomes import Reason


class Seats:
    """The places for calls, held by the id of the caller leg.

    `take` checks and takes in one step of the event loop, so two callers can never get
    the last seat. A set of ids rather than a count: giving back twice does no harm, and
    what is held can be compared with the channels that Asterisk lists.
    """

    def __init__(self, budget: int) -> None:
        self._budget = 0
        self._held: set[str] = set()
        self.budget = budget

    @property
    def budget(self) -> int:
        """How many calls at once. May be lowered below what is in use at any moment:
        then nobody is dropped and nobody is admitted until enough have left."""
        return self._budget

    @budget.setter
    def budget(self, value: int) -> None:
        if value < 0:
            raise ValueError(f"seats: the budget must not be negative, it is {value}")
        self._budget = value

    @property
    def in_use(self) -> int:
        """Seats taken."""
        return len(self._held)

    @property
    def free(self) -> bool:
        """Whether the next caller would get one."""
        return len(self._held) < self._budget

    @property
    def left(self) -> int:
        """How many callers would get one; none while more are in use than there are."""
        return max(0, self._budget - len(self._held))

    def take(self, channel_id: str) -> bool:
        """Take a seat, or say that there is none. Asking again for a held one is true."""
        if channel_id in self._held:
            return True
        if not self.free:
            return False
        self._held.add(channel_id)
        return True

    def hold(self, channel_id: str) -> None:
        """Count a call that is in the house whether there was a seat for it or not: one that
        an earlier run admitted, or that Asterisk did while this program was away."""
        self._held.add(channel_id)

    def give(self, channel_id: str) -> bool:
        """Give the seat back; false if this call holds none. Idempotent."""
        if channel_id not in self._held:
            return False
        self._held.remove(channel_id)
        return True

    def held(self) -> frozenset[str]:
        """Who has a seat."""
        return frozenset(self._held)


def margin(capacity: int) -> int:
    """How many calls past the capacity the dialplan lets through to this program while it is
    connected: those whose rejection is under way. As asterisk-conf/install has it."""
    return max(50, capacity // 10)


class ArrivalLimit:
    """At most so many admissions a second, with a burst of one second's worth: a token bucket.

    `per_second` of 0 allows any. `clock` is in seconds and never goes back.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._size = max(1.0, per_second)
        self._tokens = self._size
        self._filled_at = clock()

    def allows(self) -> bool:
        """Whether one more may come in now; true uses up a token."""
        if not self._per_second:
            return True
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Door:
    """Who comes in: the seats, the arrival limit, and the disk's word, in this order."""

    def __init__(self, seats: Seats, limit: ArrivalLimit, disk_refuses: Callable[[], bool]) -> None:
        self.seats = seats
        self._limit = limit
        self._disk_refuses = disk_refuses

    def admit(self, channel_id: str) -> Reason | None:
        """Take a seat for this caller, or say why not. One step: nothing is awaited."""
        if not self.seats.free:
            return Reason.FULL
        if self._disk_refuses():
            return Reason.DISK_FULL
        if not self._limit.allows():
            return Reason.ARRIVAL_LIMIT
        self.seats.take(channel_id)
        return None
