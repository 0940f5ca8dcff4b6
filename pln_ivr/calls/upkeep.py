"""Upkeep: every now and then what we believe is compared with what Asterisk lists.

In a healthy house nothing is ever found. What is found is repaired, counted and logged: an
event was lost, a request was, or there is a bug.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import StrEnum

import structlog

from pln_ivr.ari import Client
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.adoption import Adoption, close_fallback
from pln_ivr.calls.completion import Completion
from pln_ivr.calls.journey import TALK
from pln_ivr.calls.reception import Reception
from pln_ivr.calls.sight import Sight
from pln_ivr.errors import AriError, JournalError

log = structlog.get_logger("pln_ivr.upkeep")

LOOK_AGAIN_SECONDS = 2.0
"""What is suspicious must still be so after this time: events and lists cross each other."""


class Repair(StrEnum):
    """What can be found wrong."""

    SEAT_WITHOUT_CALLER = "seat_without_caller"
    CALLER_WITHOUT_SEAT = "caller_without_seat"
    OUTSIDE_WITHOUT_SEAT = "outside_without_seat"
    LEG_WITHOUT_CALL = "leg_without_call"
    BRIDGE_WITHOUT_CALL = "bridge_without_call"
    PHONE_BUSY = "phone_busy"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One thing that is not as it should be."""

    repair: Repair
    id: str


def suspicions(
    sight: Sight,
    seats: frozenset[str],
    followed: frozenset[str],
    has_call: Callable[[str], bool],
    dismissed: Container[str],
) -> set[Suspicion]:
    """What Asterisk has and we do not know of, or the other way round. Pure.

    `dismissed` tells of channels that we have hung up, which Asterisk may list a while longer.
    """
    found = {Suspicion(Repair.SEAT_WITHOUT_CALLER, seat) for seat in seats - sight.customers}
    found |= {
        Suspicion(Repair.CALLER_WITHOUT_SEAT, caller)
        for caller in sight.callers
        if (caller not in seats or caller not in followed) and caller not in dismissed
    }
    found |= {
        Suspicion(Repair.OUTSIDE_WITHOUT_SEAT, caller)
        for caller, channel in sight.outside.items()
        if (channel.answered and caller not in seats) or caller not in followed
    }
    found |= {
        Suspicion(Repair.LEG_WITHOUT_CALL, leg)
        for leg in (*sight.legs, *sight.codes)
        if leg not in followed
    }
    found |= {
        Suspicion(Repair.BRIDGE_WITHOUT_CALL, bridge)
        for bridge in sight.talks
        if not has_call(bridge.removeprefix(TALK))
    }
    found |= {
        Suspicion(Repair.PHONE_BUSY, channel)
        for channel in sight.elsewhere
        if channel not in followed
    }
    return found


class Upkeep:
    """Looks every `seconds`, and soon after each connection. Its owner runs `run` as a task."""

    def __init__(
        self,
        ari: Client,
        seats: Seats,
        reception: Reception,
        adoption: Adoption,
        completion: Completion,
        seconds: float,
    ) -> None:
        self._ari = ari
        self._seats = seats
        self._reception = reception
        self._adoption = adoption
        self._completion = completion
        self._seconds = seconds
        self._soon = asyncio.Event()
        self.repairs: Counter[Repair] = Counter()

    def soon(self) -> None:
        """Look at the next occasion: something may have been missed."""
        self._soon.set()

    async def run(self) -> None:
        """Look until cancelled. Never raises for what Asterisk or the journal do."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            if not self._ari.ready:
                continue
            try:
                await self.look()
                await self._completion.run_once()
                await self._completion.close_lost((await self._adoption.look()).customers)
            except (AriError, JournalError) as error:
                log.warning("upkeep_postponed", error=str(error))

    async def look(self) -> None:
        """Compare, and repair what is wrong at a second look too. Raises AriError."""
        if not self._reception.draining and await self._ari.get_global("FALLBACK_OPEN") == "1":
            # A caller went past us in the moment of the connection and opened it again.
            await close_fallback(self._ari)
        first = self._suspicions(await self._adoption.look())
        if first:
            await self._look_closer(first)
        self._reception.dismissed.forget_old()

    async def _look_closer(self, first: set[Suspicion]) -> None:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        wrong = first & self._suspicions(await self._adoption.look())
        for suspicion in wrong:
            self.repairs[suspicion.repair] += 1
            log.error("repaired", what=suspicion.repair, id=suspicion.id)
            await self._repair(suspicion)
        if wrong:
            await self._adoption.adopt()

    def _suspicions(self, sight: Sight) -> set[Suspicion]:
        return suspicions(
            sight,
            self._seats.held(),
            self._ari.followed(),
            self._reception.has,
            self._reception.dismissed,
        )

    async def _repair(self, suspicion: Suspicion) -> None:
        """What adoption does not do anyway."""
        if suspicion.repair is Repair.SEAT_WITHOUT_CALLER:
            if self._ari.follows(suspicion.id):
                self._ari.channel(suspicion.id).lose(pbx_restarted=False)
            else:
                self._seats.give(suspicion.id)
        elif suspicion.repair is Repair.CALLER_WITHOUT_SEAT:
            if self._ari.follows(suspicion.id):
                self._seats.hold(suspicion.id)
        elif suspicion.repair is Repair.BRIDGE_WITHOUT_CALL:
            await self._ari.destroy_bridge(suspicion.id)
