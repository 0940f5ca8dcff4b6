"""Reception: where every channel from Asterisk arrives, and where every call ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import structlog

from pln_ivr.ari import Channel
from pln_ivr.ari.events import ChannelInfo, StasisStart
from pln_ivr.background import Background
from pln_ivr.calls.admission import Door
from pln_ivr.calls.call import Call, Identity
from pln_ivr.calls.codes import AgentCodes
from pln_ivr.calls.completion import outcome_of_unseen
from pln_ivr.calls.ending import NORMAL_CLEARING, Dismissed, Ending
from pln_ivr.calls.house import Approach, Errand, House, Rules, Start, Talk
from pln_ivr.calls.journey import Journey
from pln_ivr.calls.sight import CALL, CODE, RETURN
from pln_ivr.errors import AriError, AriRefused, Gone, OrderRefused, RefusalKind
from pln_ivr.outcomes import Outcome, Reason, Result, Stage
from pln_ivr.recordings.names import name_of

log = structlog.get_logger("pln_ivr.reception")

NO_CIRCUIT = 34
"""Q.850: Asterisk makes SIP 503 of it, so that a proxy tries the next node."""

GONE_SECONDS = 0.5
"""How long the event may lag behind the answer that a channel is gone."""

EARLY_CALLS = 5000
"""Arrivals kept while the house is being counted: some seconds of a storm."""

FALLBACK = "fallback"
"""The dialplan's context that serves callers without this program."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How callers are turned away: the Q.850 cause, and where to while draining."""

    cause: int
    draining: Literal["reject", "fallback"]


class Reception:
    """Admits or rejects each call and runs its journey. Its owner runs `run` as a task.

    Closed at first and whenever events stop; then arrivals wait until `open` says that
    everybody who is in the house has been counted.
    """

    def __init__(
        self,
        house: House,
        rules: Rules,
        door: Door,
        codes: AgentCodes,
        refusal: Refusal,
        identity: Identity,
        on_end: Callable[[Call], None],
    ) -> None:
        self._house = house
        self._rules = rules
        self._door = door
        self._seats = door.seats
        self._codes = codes
        self._refusal = refusal
        self._ending = Ending(house, rules, on_end)
        self.identity = identity
        self._background = Background()
        self._visits: set[asyncio.Task[None]] = set()
        self._calls: dict[str, Call] = {}
        self.dismissed = Dismissed()
        self._open = False
        self._early: deque[StasisStart] = deque()
        self.draining = False
        self.leases_expired = 0
        """Callers whom Asterisk took back because it did not hear from us in time."""

    @property
    def calls(self) -> int:
        """Calls with a journey under way."""
        return len(self._calls)

    def calls_in_stages(self) -> Counter[Stage]:
        """How many of them are in each stage."""
        return Counter(call.stage for call in self._calls.values())

    def has(self, call_id: str) -> bool:
        """Whether this call's journey is under way."""
        return call_id in self._calls

    def caller_of(self, call_id: str) -> str:
        """The number of a call whose journey is under way; empty if it has none."""
        call = self._calls.get(call_id)
        return call.caller if call else ""

    async def run(self) -> None:
        """Own the journeys until cancelled."""
        await self._background.run()

    def close(self) -> None:
        """Events have stopped: who arrives from now on is counted before anybody is admitted."""
        self._open = False
        self._early.clear()

    def open(self) -> None:
        """Everybody who is in the house is counted: admit those who came meanwhile."""
        self._open = True
        while self._early:
            self._arrive(self._early.popleft())

    async def drain(self, seconds: float) -> bool:
        """Admit nobody any more and wait for the calls to end; false if some have not."""
        self.draining = True
        deadline = time.monotonic() + seconds
        while self._visits and time.monotonic() < deadline:  # callers may come back meanwhile
            await asyncio.wait(self._visits, timeout=deadline - time.monotonic())
        return not self._visits

    async def end_calls(self) -> None:
        """Cut off the calls that are left: each ends as failed/shutdown, with an apology."""
        for visit in self._visits:
            visit.cancel()
        if self._visits:
            await asyncio.wait(self._visits)

    # -- arrivals --------------------------------------------------------------------

    def started(self, event: StasisStart) -> None:
        """A channel entered the application. Called by the event reader: does not wait."""
        if not self._background.running:
            return
        if self._open:
            self._arrive(event)
        elif len(self._early) < EARLY_CALLS:
            self._early.append(event)
        else:
            self._turn_away(event, Reason.FULL)

    def _arrive(self, event: StasisStart) -> None:
        """The seat is taken here, before anything else, with no await between check and take."""
        kind = event.args[0] if event.args else ""
        who = self.identity
        if self._house.ari.follows(event.channel.id):
            self._house.ari.channel(event.channel.id).feed(event)
            return  # told twice: by Asterisk's list and by the event
        if kind == CALL:
            if event.channel.id in self.dismissed:
                return
            reason = Reason.DRAINING if self.draining else self._door.admit(event.channel.id)
            if reason is None:
                self._admit(Call.arriving(event, who.node, who.incarnation), event)
            else:
                self._turn_away(event, reason)
        elif kind == RETURN:
            self._seats.hold(event.channel.id)  # never left the house
            self._admit(Call.returning(event, who.node, who.incarnation), event)
        elif kind == CODE and len(event.args) == 3:
            channel = self._house.ari.channel(event.channel.id)
            channel.feed(event)
            self._background.start(self._codes.serve(channel, *event.args[1:]))
        else:  # e.g. an agent who answered as the offer was being withdrawn
            log.info("channel_not_expected", kind=kind)
            self._background.start(self._send_away(event.channel.id, NORMAL_CLEARING))

    def _admit(self, call: Call, event: StasisStart) -> None:
        caller = self._house.ari.channel(call.channel_id)
        caller.feed(event)
        self._begin(call, caller)

    @property
    def calls_out(self) -> bool:
        """Whether a call can be placed at this moment, if there is a seat."""
        return self._background.running and self._open and not self.draining

    def callers(self) -> Iterator[str]:
        """The numbers of all who are in the house, or are being called."""
        return (call.caller for call in self._calls.values())

    def call_out(self, call: Call, start: Errand | Approach) -> None:
        """Have a customer called. Raises OrderRefused; an agent's offer is then still the caller's
        to settle."""
        if not self.calls_out:
            raise OrderRefused(RefusalKind.CONFLICT, "no call can be placed at this moment")
        if not self._seats.free:
            raise OrderRefused(RefusalKind.CONFLICT, "every seat is taken")
        self._run(call, self._house.ari.channel(call.channel_id), start)

    def _begin(self, call: Call, caller: Channel, talk: Talk | None = None) -> None:
        self._run(call, caller, talk)
        self._background.start(self._follow_to_the_end(caller))

    def _run(self, call: Call, caller: Channel, start: Start | None) -> None:
        self._calls[call.id] = call
        visit = self._background.start(self._visit(call, caller, start), name=f"call {call.id}")
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _follow_to_the_end(self, caller: Channel) -> None:
        """Have Asterisk tell of the channel's destruction, too: it would stop at StasisEnd."""
        try:
            await self._house.ari.subscribe(f"channel:{caller.id}")
        except AriError as error:  # then the end is asked for
            log.info("end_not_followed", error=str(error))

    def _turn_away(self, event: StasisStart, reason: Reason) -> None:
        if reason is Reason.DRAINING and self._refusal.draining == "fallback":
            self._background.start(self._to_fallback(event.channel))
            return
        call = Call.arriving(event, self.identity.node, self.identity.incarnation)
        call.cause = NO_CIRCUIT if reason is Reason.DRAINING else self._refusal.cause
        self.dismissed.add(call.channel_id)
        self._ending.tell(call, Outcome(Result.REJECTED, reason))
        self._background.start(self._send_away(call.channel_id, call.cause))

    async def _send_away(self, channel_id: str, cause: int) -> None:
        self.dismissed.add(channel_id)
        try:
            await self._house.ari.hang_up(channel_id, cause)
        except AriError as error:
            log.error("hangup_failed", error=str(error))

    async def _to_fallback(self, channel: ChannelInfo) -> None:
        try:
            await self._house.ari.continue_in_dialplan(channel.id, FALLBACK, channel.dialplan.exten)
        except Gone:
            return
        except AriError as error:
            log.error("fallback_failed", error=str(error))

    # -- calls that were there before us, or are not ours -------------------------------

    def missed(self, channel: ChannelInfo) -> None:
        """A caller of whose arrival nobody told us. Idempotent."""
        if channel.id in self.dismissed:
            return
        args = channel.arguments(self._house.ari.app)
        event = StasisStart(channel=channel, args=args or ())
        if self._open:
            self.started(event)
        else:  # before those who came later
            self._early.appendleft(event)

    def adopt(
        self, call: Call, channel: ChannelInfo, bridge_id: str | None, talk: Talk | None = None
    ) -> None:
        """Go on with a call from where it stands, whether there is a seat for it or not."""
        self._begin(call, self._taken_over(channel, bridge_id), talk)

    def adopt_ended(self, call: Call, channel: ChannelInfo, bridge_id: str | None) -> None:
        """End a call whose agent hung up while nobody looked."""
        caller = self._taken_over(channel, bridge_id)
        self._calls[call.id] = call
        if call.recording:
            self._house.recorder.recover(name_of(call.recording))
        self._background.start(self._end(call, caller, outcome_of_unseen(Stage.TALKING)))

    def _taken_over(self, channel: ChannelInfo, bridge_id: str | None) -> Channel:
        self._seats.hold(channel.id)
        caller = self._house.ari.channel(channel.id)
        caller.find(channel, bridge_id)
        return caller

    def watch_outside(self, channel: ChannelInfo, call: Call | None) -> None:
        """Count a caller whom the dialplan serves, until the end or until the caller comes to
        us, to go on with `call` if an earlier run had it. Idempotent."""
        if not self._background.running or self._house.ari.follows(channel.id):
            return
        if channel.answered:
            self._seats.hold(channel.id)
        else:  # may yet be refused there: whoever is, is not one too many
            self._seats.take(channel.id)
        self._background.start(self._outside(channel, self._house.ari.channel(channel.id), call))

    async def _outside(self, channel: ChannelInfo, caller: Channel, call: Call | None) -> None:
        if not await self._comes_back(caller):
            caller.close()
            self._seats.give(caller.id)
            return
        event = StasisStart(channel=channel, args=caller.args)
        if caller.args[:1] == (CALL,):  # was only just arriving
            caller.close()
            self._seats.give(caller.id)
            self.started(event)
            return
        if call is None:
            call = Call.returning(event, self.identity.node, self.identity.incarnation)
        call.stage = Stage.WAITING
        self._begin(call, caller)

    async def _comes_back(self, caller: Channel) -> bool:
        """Wait for a caller who is in the dialplan; false if the caller hangs up there."""
        try:
            # Asterisk forgets whom to tell when a channel leaves the application.
            await self._house.ari.subscribe(f"channel:{caller.id}")
            now = await self._house.ari.get_channel(caller.id)
            if not (now and now.answered):
                await caller.until_answered()
            self._seats.hold(caller.id)
            await caller.until_in_app()
        except (Gone, AriRefused):
            return False
        except AriError as error:  # the next look at Asterisk's list finds out
            log.warning("outside_not_followed", error=str(error))
            return False
        return True

    # -- one call --------------------------------------------------------------------

    async def _visit(self, call: Call, caller: Channel, start: Start | None) -> None:
        structlog.contextvars.bind_contextvars(call_id=call.id)
        while not await self._journey(call, caller, start):
            # Nobody told us of the end, or Asterisk serves the caller now. Either way its list
            # of calls tells how it ended: completion.
            if caller.hangup is None or not caller.hangup.left:
                self._leave(call, caller)
                return
            self.leases_expired += 1
            log.warning("lease_expired", stage=call.stage)
            caller, start = self._house.ari.follow_anew(caller), None
            if not await self._comes_back(caller):
                self._leave(call, caller)
                return
            call.stage = Stage.WAITING

    async def _journey(self, call: Call, caller: Channel, start: Start | None) -> bool:
        """The call's way to its end; false if somebody else has to tell how it ended."""
        outcome: Outcome | None = Outcome(Result.FAILED, Reason.SHUTDOWN)
        try:
            outcome = await Journey(self._house, self._rules, call, caller).visit(start)
        except Gone:
            outcome = await self._outcome_of_gone(call, caller)
        except AriError as error:
            log.error("call_failed", stage=call.stage, error=str(error))
            outcome = Outcome(Result.FAILED, Reason.PBX)
        except Exception:
            log.exception("call_failed", stage=call.stage)
            outcome = Outcome(Result.FAILED, Reason.ERROR)
        finally:
            if outcome:
                await self._end(call, caller, outcome)
        return outcome is not None

    async def _outcome_of_gone(self, call: Call, caller: Channel) -> Outcome | None:
        """None if the caller has not gone, but is in the dialplan's hands, or went unseen."""
        try:
            async with asyncio.timeout(GONE_SECONDS):
                hangup = await caller.until_gone()
        except TimeoutError:
            return call.end_for_gone_caller()
        if hangup.left or (hangup.unseen and not hangup.lost):
            return None
        call.cause = hangup.cause or None
        if hangup.lost:
            return Outcome(Result.FAILED, Reason.PBX)
        if hangup.media_lost and call.stage is Stage.TALKING:
            return Outcome(Result.ANSWERED, Reason.MEDIA_LOST)
        if hangup.by_far_end or hangup.media_lost:
            return call.end_for_gone_caller()
        return Outcome(Result.FAILED, Reason.PBX)

    async def _end(self, call: Call, caller: Channel, outcome: Outcome) -> None:
        try:
            await self._ending.end(call, caller, outcome)
        finally:
            self._leave(call, caller)

    def _leave(self, call: Call, caller: Channel) -> None:
        caller.close()
        self.dismissed.add(caller.id)
        self._seats.give(caller.id)
        self._calls.pop(call.id, None)
