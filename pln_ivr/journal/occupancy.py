"""How many seats were taken when, from the beginnings and ends of calls. Pure.

Moments are epoch seconds: there may be millions of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(slots=True)
class Seats:
    """The seats of one stretch of time."""

    average: float = 0.0
    most: int = 0
    at_capacity_seconds: float = 0.0


class Occupancy:
    """Spans of time in which calls had seats, between two moments."""

    def __init__(self, since: float, until: float) -> None:
        self._since, self._until = since, until
        self._begins, self._ends = array("d"), array("d")

    def add(self, began: float, ended: float) -> None:
        """One call's. What of it lies outside does not count; a clock that was set back makes it
        no time at all."""
        began, ended = max(began, self._since), min(ended, self._until)
        if began < ended:
            self._begins.append(began)
            self._ends.append(ended)

    def between(self, edges: Sequence[float], capacity: int) -> list[Seats]:
        """The seats from each edge to the next; `edges` rise from the first moment to the last.

        A seat that is given back and one that is taken in the same moment are not taken at once.
        At capacity is every moment at which `capacity` seats or more were taken.
        """
        begins, ends = sorted(self._begins), sorted(self._ends)
        stretches: list[Seats] = []
        begun = ended = 0
        for since, until in pairwise(edges):
            taken, at, seats = begun - ended, since, Seats()
            taken_seconds = 0.0
            seats.most = taken
            while at < until:
                # Up to the next change, or to the end of the stretch.
                to = until
                if begun < len(begins) and begins[begun] < to:
                    to = begins[begun]
                if ended < len(ends) and ends[ended] < to:
                    to = ends[ended]
                taken_seconds += (to - at) * taken
                if taken >= capacity:
                    seats.at_capacity_seconds += to - at
                at = to
                while ended < len(ends) and ends[ended] <= at:
                    ended += 1
                while begun < len(begins) and begins[begun] <= at < until:
                    begun += 1
                taken = begun - ended
                if at < until:
                    seats.most = max(seats.most, taken)
            seats.average = taken_seconds / (until - since)
            stretches.append(seats)
        return stretches
