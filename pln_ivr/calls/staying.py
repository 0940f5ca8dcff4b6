"""Who may stay: the seats of callers who wait, ring or talk. No I/O and no await anywhere in it.

While a statement is live, a share of the seats is for brief visits alone. Nobody who stays loses
the seat, whatever the share and the budget become.
"""

from __future__ import annotations

from collections.abc import Callable

from pln_ivr.calls.admission import Seats


def most_staying(budget: int, share: float) -> int:
    """How many of `budget` seats callers may stay in if `share` of them (0 to 1) is for brief
    visits. What is left over from rounding goes to those who stay."""
    return budget - int(budget * share)


def may_stay(staying: int, budget: int, share: float, outage: bool) -> bool:
    """Whether one more may stay, of whom there are `staying` now; else the visit is brief. Without
    an outage everybody who has a seat may."""
    return not outage or staying < most_staying(budget, share)


class Staying:
    """Who has a seat and is on a brief visit so far; all others who have one stay.

    So a caller of whom this run knows nothing but the seat counts among those who stay, and what
    keeps the seats right keeps this right.
    """

    def __init__(self, seats: Seats, share: float, announces: Callable[[], bool]) -> None:
        """`announces` tells whether a statement is live."""
        self._seats = seats
        self._share = share
        self._announces = announces
        self._brief: set[str] = set()

    @property
    def outage(self) -> bool:
        """Whether some seats are for brief visits alone."""
        return self._share > 0 and self._announces()

    @property
    def most(self) -> int:
        """How many may stay at this moment."""
        return most_staying(self._seats.budget, self._share if self.outage else 0.0)

    @property
    def count(self) -> int:
        """How many do; more than `most` for a while after that has become less."""
        held = self._seats.held()
        self._brief &= held
        return len(held) - len(self._brief)

    def begin(self, channel_id: str) -> None:
        """A visit begins, or is still being greeted: it is brief until `take`."""
        self._brief.add(channel_id)

    def has_room(self, channel_id: str) -> bool:
        """Whether this caller may stay, or does."""
        staying = channel_id not in self._brief
        return staying or may_stay(self.count, self._seats.budget, self._share, self.outage)

    def take(self, channel_id: str) -> bool:
        """Have this caller stay, or say that there is no room. Idempotent."""
        if not self.has_room(channel_id):
            return False
        self._brief.discard(channel_id)
        return True
