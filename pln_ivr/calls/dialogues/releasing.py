"""Announce and release: callers who have heard the statement and cannot stay get what can be had
without staying, and are let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues import brief
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.reporting import Reporting
from pln_ivr.calls.staying import Staying
from pln_ivr.outcomes import BriefEnd, Outcome, Reason, ReportEnd, Result

log = structlog.get_logger("pln_ivr.releasing")

OUTCOMES = {
    BriefEnd.ANNOUNCED: Outcome(Result.RELEASED, Reason.ANNOUNCED),
    BriefEnd.REPORTED: Outcome(Result.RELEASED, Reason.REPORTED),
    BriefEnd.CALLBACK: Outcome(Result.RELEASED, Reason.CALLBACK),
    BriefEnd.NO_ROOM: Outcome(Result.RELEASED, Reason.NO_ROOM),
}
"""How a call ends whose brief visit ended so."""


class CallsBack(Protocol):
    """Who takes callbacks."""

    async def offer(self, call: Call, caller: Channel, queue: str) -> bool:
        """Ask the caller what is needed; whether a callback is noted. Raises Gone and AriError;
        safe to cancel."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a brief visit after the statement; see the settings' section."""

    tries: int
    key_seconds: float
    longest_seconds: float


class Releasing:
    """Leads callers through what is left of a brief visit."""

    def __init__(
        self,
        staying: Staying,
        asking: Asking,
        reporting: Reporting,
        callbacks: CallsBack | None,
        bounds: Bounds,
        on_end: Callable[[BriefEnd], None],
    ) -> None:
        """Without `callbacks` none is spoken of. `on_end` is told how each brief visit ended."""
        self.staying = staying
        self._asking = asking
        self._reporting = reporting
        self._callbacks = callbacks
        self._bounds = bounds
        self._on_end = on_end

    async def lead(self, call: Call, caller: Channel, queue: str) -> Outcome | None:
        """How the call ended; None if the caller may stay, to wait in a line. `queue` is the line
        in which a callback would have its place.

        Takes no longer than the bounds say, but for a lost connection. Raises Gone, AriError. Safe
        to cancel.
        """
        end = BriefEnd.HUNG_UP
        try:
            left = await self._choose(call, caller, queue)
            await self._asking.tell(caller, left.words)
            end = left.end
        finally:
            if call.reported and end is not BriefEnd.WAITS:
                end = BriefEnd.REPORTED  # whatever they did after it
            self._on_end(end)
        return OUTCOMES.get(end)

    async def _choose(self, call: Call, caller: Channel, queue: str) -> brief.Leave:
        # What was pressed before was meant for the menu.
        caller.party.forget_keys()
        first = brief.begin(self._bounds.tries, self._callbacks is not None)
        at = first.at
        step: brief.Step = first
        try:
            async with asyncio.timeout(self._bounds.longest_seconds):
                while not isinstance(step, brief.Leave):
                    at = step.at
                    step = await self._next(call, caller, step, queue)
        except TimeoutError:
            log.info("brief_visit_too_long")
            room = self.staying.has_room(caller.id)
            step = brief.out_of_time(at, room, called_back=bool(call.callback))
        if step.end is BriefEnd.WAITS:  # nothing has been awaited since there was room
            self.staying.take(caller.id)
        caller.party.forget_keys()
        return step

    async def _next(
        self,
        call: Call,
        caller: Channel,
        step: brief.Listen | brief.Report | brief.CallBack,
        queue: str,
    ) -> brief.Step:
        match step:
            case brief.Report(at):
                end, to_agent = await self._reporting.take(call, caller)
                registered = end in (ReportEnd.REGISTERED, ReportEnd.REPEATED)
                return brief.reported(at, registered, to_agent, self.staying.has_room(caller.id))
            case brief.CallBack(at):
                assert self._callbacks, "offered by nobody"
                noted = await self._callbacks.offer(call, caller, queue)
                return brief.asked_back(at, noted, self.staying.has_room(caller.id))
            case brief.Listen(at, words):
                key = await self._asking.ask(caller, words, self._bounds.key_seconds)
                after = brief.follow(at, key, self.staying.has_room(caller.id))
                if isinstance(after, brief.Listen):
                    caller.party.forget_keys()  # what was pressed with it was no choice either
                return after
