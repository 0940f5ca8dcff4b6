"""The one place where a call ends, and the channels that have."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import takewhile

import structlog

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.house import House, Rules
from pln_ivr.errors import AriError
from pln_ivr.outcomes import Outcome, Reason, Result, Stage

log = structlog.get_logger("pln_ivr.ending")

NORMAL_CLEARING = 16

DESTROYED_SECONDS = 2.0
"""How long to wait to be told that a channel has been taken down before asking Asterisk."""

DISMISSED_SECONDS = 60.0
"""How long after we were done with a channel Asterisk may list it still: longer than any
backlog of requests that leaves it alive. Until then it is not taken for a new call."""

CUT_OFF = frozenset(
    {
        Outcome(Result.ABANDONED, Reason.IN_WAITING),
        Outcome(Result.ABANDONED, Reason.IN_RINGING),
        Outcome(Result.ANSWERED, Reason.MEDIA_LOST),
        Outcome(Result.FAILED, Reason.PBX),
    }
)
"""Ends after which a caller has not got what they waited for."""


class Dismissed:
    """The channels that we have done with lately: Asterisk may list them a while longer."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        """Oldest first."""

    def __contains__(self, channel_id: object) -> bool:
        return channel_id in self._since

    def add(self, channel_id: str) -> None:
        """We are done with it. Idempotent."""
        self._since.setdefault(channel_id, time.monotonic())

    def forget_old(self) -> None:
        """Forget those that must have gone by now."""
        before = time.monotonic() - DISMISSED_SECONDS
        for channel_id, _ in tuple(takewhile(lambda item: item[1] < before, self._since.items())):
            del self._since[channel_id]


class Ending:
    """Ends calls: leg, journal, metrics, log, the place in the line."""

    def __init__(self, house: House, rules: Rules, on_end: Callable[[Call], None]) -> None:
        self._house = house
        self._rules = rules
        self._on_end = on_end

    async def end(self, call: Call, caller: Channel, outcome: Outcome) -> None:
        """Returns when Asterisk has no such channel any more; the seat is free then, not before.

        Cancelled, it still tells the end.
        """
        try:
            if outcome.result is Result.FAILED and not caller.gone and call.answered_at:
                await self._apologise(caller)
            if not caller.gone:
                await self._hang_up(caller)
        finally:
            self.tell(call, outcome)
            self._keep_place(call, outcome)
            log.info(
                "call_ended",
                outcome=outcome.result,
                reason=outcome.reason,
                queue=call.queue,
                agent=call.agent,
                seconds=round((datetime.now(UTC) - call.started_at).total_seconds(), 3),
            )
            await self._until_destroyed(caller)

    async def _hang_up(self, caller: Channel) -> None:
        try:
            await self._house.ari.hang_up(caller.id, NORMAL_CLEARING)
        except AriError as error:
            log.warning("caller_not_hung_up", error=str(error))

    async def _until_destroyed(self, caller: Channel) -> None:
        """Return when Asterisk has no such channel any more, by its event or by its word.

        An Asterisk that is too busy to hang up holds the caller, so the seat is held, too.
        """
        while True:
            await caller.until_destroyed(DESTROYED_SECONDS)
            if caller.destroyed:
                return
            try:
                if await self._house.ari.get_channel(caller.id) is None:
                    return
                await self._hang_up(caller)
            except AriError as error:
                log.info("end_not_confirmed", error=str(error))
                await self._house.ari.until_ready()

    async def _apologise(self, caller: Channel) -> None:
        try:
            await self._house.prompts.play(caller, "apology")
        except AriError as error:
            log.info("apology_not_heard", error=str(error))

    def _keep_place(self, call: Call, outcome: Outcome) -> None:
        """Who was cut off may dial again at once, and has the old place."""
        if call.place_at and outcome in CUT_OFF:
            line, now = call.first_queue or self._rules.queue(call.dialled), datetime.now(UTC)
            self._house.returning.remember(call.caller, line, call.place_at, now)

    def tell(self, call: Call, outcome: Outcome) -> None:
        """The call has ended so: for the journal and the metrics."""
        call.outcome, call.ended_at, call.stage = outcome, datetime.now(UTC), Stage.ENDED
        self._house.tell(call)
        self._on_end(call)
