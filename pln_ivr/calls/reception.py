"""Reception: where every channel from Asterisk arrives, and where every call ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel
from pln_ivr.ari.events import StasisStart
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.call import Call
from pln_ivr.calls.codes import AgentCodes
from pln_ivr.calls.journey import House, Journey, Rules
from pln_ivr.errors import AriError, Gone
from pln_ivr.outcomes import Outcome, Reason, Result, Stage

log = structlog.get_logger("pln_ivr.reception")

NORMAL_CLEARING = 16
NO_CIRCUIT = 34
"""Q.850: Asterisk makes SIP 503 of it, so that a proxy tries the next node."""

GONE_SECONDS = 0.5
"""How long the event may lag behind the answer that a channel is gone."""


class Reception:
    """Admits or rejects each call and runs its journey. Its owner runs `run` as a task."""

    def __init__(
        self,
        house: House,
        rules: Rules,
        seats: Seats,
        codes: AgentCodes,
        reject_cause: int,
        node: str,
        incarnation: str,
        on_end: Callable[[Call], None],
    ) -> None:
        self._house = house
        self._rules = rules
        self._seats = seats
        self._codes = codes
        self._reject_cause = reject_cause
        self._node = node
        self._incarnation = incarnation
        self._on_end = on_end
        self._tasks: asyncio.TaskGroup | None = None
        self._visits: set[asyncio.Task[None]] = set()
        self.draining = False

    @property
    def calls(self) -> int:
        """Calls with a journey under way."""
        return len(self._visits)

    async def run(self) -> None:
        """Own the journeys until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    async def drain(self, seconds: float) -> bool:
        """Admit nobody any more and wait for the calls to end; false if some have not."""
        self.draining = True
        if self._visits:
            await asyncio.wait(self._visits, timeout=seconds)
        return not self._visits

    async def end_calls(self) -> None:
        """Cut off the calls that are left: each ends as failed/shutdown, with an apology."""
        for visit in self._visits:
            visit.cancel()
        if self._visits:
            await asyncio.wait(self._visits)

    # -- arrivals --------------------------------------------------------------------

    def started(self, event: StasisStart) -> None:
        """A channel entered the application. Called by the event reader: does not wait.

        The seat is taken here, before anything else, with no await between check and take.
        """
        if self._tasks is None:
            return
        kind = event.args[0] if event.args else ""
        if kind == "call":
            call = Call.arriving(event, self._node, self._incarnation)
            if self.draining:
                self._reject(call, Reason.DRAINING, NO_CIRCUIT)
            elif self._seats.take(call.id):
                self._admit(call, event)
            else:
                self._reject(call, Reason.FULL, self._reject_cause)
        elif kind == "code" and len(event.args) == 3:
            channel = self._house.ari.channel(event.channel.id)
            channel.feed(event)
            self._tasks.create_task(self._codes.serve(channel, *event.args[1:]))
        else:  # e.g. an agent who answered as the offer was being withdrawn
            log.info("channel_not_expected", kind=kind)
            self._tasks.create_task(self._send_away(event.channel.id, NORMAL_CLEARING))

    def _admit(self, call: Call, event: StasisStart) -> None:
        assert self._tasks is not None
        caller = self._house.ari.channel(call.channel_id)
        caller.feed(event)
        visit = self._tasks.create_task(self._visit(call, caller), name=f"call {call.id}")
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    def _reject(self, call: Call, reason: Reason, cause: int) -> None:
        assert self._tasks is not None
        call.cause = cause
        self._tell_end(call, Outcome(Result.REJECTED, reason))
        self._tasks.create_task(self._send_away(call.channel_id, cause))

    async def _send_away(self, channel_id: str, cause: int) -> None:
        try:
            await self._house.ari.hang_up(channel_id, cause)
        except AriError as error:
            log.error("hangup_failed", error=str(error))

    # -- one call --------------------------------------------------------------------

    async def _visit(self, call: Call, caller: Channel) -> None:
        structlog.contextvars.bind_contextvars(call_id=call.id)
        outcome = Outcome(Result.FAILED, Reason.SHUTDOWN)
        try:
            outcome = await Journey(self._house, self._rules, call, caller).visit()
        except Gone:
            outcome = await self._outcome_of_gone(call, caller)
        except AriError as error:
            log.error("call_failed", stage=call.stage, error=str(error))
            outcome = Outcome(Result.FAILED, Reason.PBX)
        except Exception:
            log.exception("call_failed", stage=call.stage)
            outcome = Outcome(Result.FAILED, Reason.ERROR)
        finally:
            await self._end(call, caller, outcome)

    async def _outcome_of_gone(self, call: Call, caller: Channel) -> Outcome:
        try:
            async with asyncio.timeout(GONE_SECONDS):
                hangup = await caller.until_gone()
        except TimeoutError:
            return call.end_for_gone_caller()
        call.cause = hangup.cause or None
        if hangup.media_lost and call.stage is Stage.TALKING:
            return Outcome(Result.ANSWERED, Reason.MEDIA_LOST)
        if hangup.by_far_end or hangup.media_lost:
            return call.end_for_gone_caller()
        return Outcome(Result.FAILED, Reason.PBX)

    async def _end(self, call: Call, caller: Channel, outcome: Outcome) -> None:
        """The one place where a call ends: leg, seat, journal, metrics, log."""
        try:
            if outcome.result is Result.FAILED and not caller.gone and call.answered_at:
                await self._apologise(caller)
            if not caller.gone:
                await self._house.ari.hang_up(caller.id, NORMAL_CLEARING)
        except AriError as error:
            log.warning("caller_not_hung_up", error=str(error))
        finally:
            caller.close()
            self._seats.give(call.id)
            self._tell_end(call, outcome)
            log.info(
                "call_ended",
                outcome=outcome.result,
                reason=outcome.reason,
                queue=call.queue,
                agent=call.agent,
                seconds=round((datetime.now(UTC) - call.started_at).total_seconds(), 3),
            )

    async def _apologise(self, caller: Channel) -> None:
        try:
            await self._house.prompts.play(caller, "apology")
        except AriError as error:
            log.info("apology_not_heard", error=str(error))

    def _tell_end(self, call: Call, outcome: Outcome) -> None:
        call.outcome, call.ended_at, call.stage = outcome, datetime.now(UTC), Stage.ENDED
        self._house.tell(call)
        self._on_end(call)
