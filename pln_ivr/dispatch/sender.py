"""The sender: takes what is due from the outbox and posts it to the field dispatch."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

import aiohttp
import structlog

from pln_ivr.background import see_through
from pln_ivr.dispatch.delivery import KEY, SIGNATURE, TIMESTAMP, Verdict, delay, judge, signature
from pln_ivr.errors import JournalError
from pln_ivr.journal.dispatches import DispatchRow, Outbox

log = structlog.get_logger("pln_ivr.dispatch")

P = ParamSpec("P")
Answer = TypeVar("Answer")

LOOK_SECONDS = 1.0
"""How often the outbox is looked at."""

AT_ONCE = 8
"""Deliveries under way."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """See the settings' section. `url` empty: there is none."""

    url: str
    secret: str
    seconds: float
    give_up: timedelta


class Sender:
    """Posts deliveries. Its owner runs `run` as a task."""

    def __init__(
        self,
        journal_url: str,
        receiver: Receiver,
        on_attempt: Callable[[Verdict], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._journal_url = journal_url
        self._receiver = receiver
        self._on_attempt = on_attempt
        self._now = now
        self._chance = chance
        self.waiting = 0
        self.dead = 0
        """Deliveries in the outbox at the last look."""

    async def run(self) -> None:
        """Deliver until cancelled; returns at once if there is no receiver. What is under way
        when it is cancelled is tried again later, with the same key."""
        if not self._receiver.url:
            return
        timeout = aiohttp.ClientTimeout(total=self._receiver.seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    await self._deliver_from_now_on(session)
                except JournalError as error:
                    log.error("outbox_not_read", error=str(error), effect="tried again")
                await asyncio.sleep(LOOK_SECONDS)

    async def _deliver_from_now_on(self, session: aiohttp.ClientSession) -> None:
        outbox = await _seen_through(Outbox, self._journal_url)
        try:
            while True:
                if not await self.deliver_due(outbox, session):
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            outbox.close()

    async def deliver_due(self, outbox: Outbox, session: aiohttp.ClientSession) -> int:
        """Try what is due once, some of it; how many. Raises JournalError."""
        lost_after = timedelta(seconds=3 * self._receiver.seconds)
        due = await _seen_through(outbox.take, self._now(), AT_ONCE, lost_after)
        answers = await asyncio.gather(*(self._post(session, row) for row in due))
        for row, (status, error) in zip(due, answers, strict=True):
            await _seen_through(self._settle, outbox, row, status, error)
        self.waiting, self.dead = await _seen_through(outbox.counts)
        return len(due)

    async def _post(
        self, session: aiohttp.ClientSession, row: DispatchRow
    ) -> tuple[int | None, str]:
        """The status of the answer, None if there is none, and what was wrong in a few words."""
        body, timestamp = row.body.encode(), str(int(self._now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            KEY: row.dispatch_id,
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._receiver.secret, timestamp, body),
        }
        try:
            async with session.post(
                self._receiver.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, f"HTTP {answer.status}"
        except TimeoutError:
            return None, f"no answer within {self._receiver.seconds:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return None, f"no connection: {type(error).__name__}"

    def _settle(self, outbox: Outbox, row: DispatchRow, status: int | None, error: str) -> None:
        now = self._now()
        verdict = judge(status, now - row.created_at, self._receiver.give_up)
        match verdict:
            case Verdict.DELIVERED:
                outbox.delivered(row.dispatch_id, now)
            case Verdict.FAILED:
                outbox.postponed(row.dispatch_id, now + delay(row.attempts, self._chance), error)
            case Verdict.REFUSED | Verdict.GIVEN_UP:
                outbox.dead(row.dispatch_id, now, error)
        self._on_attempt(verdict)
        if verdict is not Verdict.DELIVERED:
            warn = log.warning if verdict is Verdict.FAILED else log.error
            warn(
                "not_dispatched",
                dispatch_id=row.dispatch_id,
                kind=row.kind,
                verdict=verdict,
                error=error,
                attempts=row.attempts,
            )


async def _seen_through(work: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """In a thread, whose work is over when this returns, also if cancelled: the outbox is closed
    after it."""
    return await see_through(asyncio.to_thread(work, *args, **kwargs))
