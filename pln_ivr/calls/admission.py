"""Admission: the seats, and nothing else. No I/O and no await anywhere in it."""

from __future__ import annotations


class Seats:
    """The places for calls, held by call id.

    `take` checks and takes in one step of the event loop, so two callers can never get
    the last seat. A set of ids rather than a count: giving back twice does no harm, and
    what is held can be compared with what Asterisk says is there.
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

    def take(self, call_id: str) -> bool:
        """Take a seat, or say that there is none. Asking again for a held one is true."""
        if call_id in self._held:
            return True
        if len(self._held) >= self._budget:
            return False
        self._held.add(call_id)
        return True

    def give(self, call_id: str) -> bool:
        """Give the seat back; false if this call holds none. Idempotent."""
        if call_id not in self._held:
            return False
        self._held.remove(call_id)
        return True

    def held(self) -> frozenset[str]:
        """Who has a seat."""
        return frozenset(self._held)
