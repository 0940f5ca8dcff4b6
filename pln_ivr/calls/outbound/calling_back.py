"""Calling customers back: those who kept their place in a line, and those who are to hear that
power is back.

A callback whose turn may come has a virtual place in its line. Agent first, an agent who is free
for it is rung, then the customer; customer first, who is next is dialled, and has the next agent
when they press a key. Each attempt is written before anybody is rung, so that a crash counts as
one and nobody is called twice at once; what a crash left behind is settled from the journal's row
of its call.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import structlog

from pln_ivr.background import Background
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.phone_number import dialled, national
from pln_ivr.calls.house import Approach, Errand, House
from pln_ivr.calls.outbound.attempt import Attempt, ended, ended_as_journalled
from pln_ivr.calls.outbound.reaching import GREETING, Invitation, Restored
from pln_ivr.calls.reception import Reception
from pln_ivr.errors import JournalError, OrderRefused
from pln_ivr.journal import CallRow
from pln_ivr.journal.callbacks import CallbackRow
from pln_ivr.outages.reports import Reports
from pln_ivr.outcomes import (
    CallbackResult,
    CallbackStatus,
    Direction,
    OfferResult,
    Reason,
)
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.queues.callbacks import (
    CallbackRules,
    due,
    in_order,
    judge,
    late,
    result_of,
    should_dial,
)
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.lines import Line
from pln_ivr.queues.offer import Offer

log = structlog.get_logger("pln_ivr.calling_back")

LOOK_SECONDS = 1.0
"""How often it is looked whom to call, at least."""

CALL_SECONDS = 5.0
"""How often it is asked whether a call whose end nobody told is still there."""

LOST_AFTER = timedelta(minutes=10)
"""An attempt of an earlier run whose call nobody knows is over after this."""

DIAL_LEAD_SECONDS = 10.0
"""Customer first: so long before an agent is due the customer is dialled."""

REST_SECONDS = 10.0
"""After the journal could not be written, or a bug, nobody is called for so long."""

LATE_SECONDS = 15.0
"""How often it is counted how many will not be called in time: there may be thousands."""

WRAP_UP_STEP = 0.5
"""How often it is looked whether the agent has said what a conversation came to, seconds."""


class CallingBack:
    """Calls customers back. Its owner runs `run` as a task."""

    def __init__(
        self,
        store: CallbackStore,
        rules: CallbackRules,
        house: House,
        reception: Reception,
        asking: Asking,
        reports: Reports,
        wrap_up_seconds: float,
        restored_per_minute: float,
        on_attempt: Callable[[CallbackResult], None],
    ) -> None:
        self._store = store
        self._rules = rules
        self._house = house
        self._reception = reception
        self._asking = asking
        self._reports = reports
        self._wrap_up_seconds = wrap_up_seconds
        self._restored_every = 60.0 / restored_per_minute
        self._restored_at = 0.0
        self._on_attempt = on_attempt
        self._background = Background()
        self._attempts: dict[str, Attempt] = {}
        self._by_call: dict[str, Attempt] = {}
        self._reopened: set[str] = set()
        """Calls whose customer has pressed that power is still out."""
        self._rests_until = self._count_late_at = 0.0
        self.late = 0
        """Callbacks that nobody will come to before they expire."""

    @property
    def _desk(self) -> Desk:
        return self._house.desk

    def waiting(self) -> dict[str, int]:
        """How many callbacks wait, by queue; those that are to tell that power is back have
        none."""
        return dict(Counter(row.queue for row in self._store.rows() if row.waits))

    # -- whose turn it is ------------------------------------------------------------------

    async def run(self) -> None:
        """Call until cancelled; then calls go on and end as all others do."""
        async with self._background.open():
            while True:
                await self._store.until_changed(LOOK_SECONDS)
                self._look()
                await self._settle_stranded()

    def _look(self) -> None:
        now, rows = datetime.now(UTC), self._store.rows()
        may_call = self._may_call()
        with_us = {national(caller) for caller in self._reception.callers()}
        free = [row for row in rows if national(row.caller) not in with_us] if may_call else []
        places = due((row for row in free if row.report_id is None), now, self._rules)
        wanted = {row.callback_id: row for row in places}
        for callback_id, attempt in tuple(self._attempts.items()):
            if not attempt.begun and callback_id not in wanted and attempt.task:
                attempt.task.cancel()
        for callback_id, row in wanted.items():
            if callback_id not in self._attempts:
                self._start(row)
        if self._rules.customer_first:
            self._let_dial()
        self._tell_of_power(due((row for row in free if row.report_id), now, self._rules))
        if time.monotonic() >= self._count_late_at:
            self._count_late_at = time.monotonic() + LATE_SECONDS
            self.late = sum(1 for _ in late(rows, now, self._rules, self._seconds_each()))

    def _may_call(self) -> bool:
        seats = self._house.seats
        return (
            self._reception.calls_out
            and self._rules.may_call(seats.left, seats.budget)
            and time.monotonic() >= self._rests_until
        )

    def _seconds_each(self) -> dict[str, float | None]:
        desk = self._desk
        each = {name: desk.expected_wait(line, 1) for name, line in desk.lines.items()}
        return each | {"": self._restored_every}

    def _tell_of_power(self, ready: list[CallbackRow]) -> None:
        """Begin with those whose turn it is, no faster than the settings allow."""
        for row in ready:
            if time.monotonic() < self._restored_at or not self._may_call():
                return
            if row.callback_id not in self._attempts:
                self._restored_at = time.monotonic() + self._restored_every
                self._start(row)

    def _let_dial(self) -> None:
        """Customer first: dial as many as will soon have an agent, in the order of the line."""
        desk = self._desk
        dialling = Counter(
            attempt.row.queue
            for attempt in self._attempts.values()
            if (attempt.begun or attempt.go.is_set()) and attempt.call.talking_at is None
        )
        working = {name: desk.working(line) for name, line in desk.lines.items()}
        for place, standing in desk.standings() if self._attempts else ():
            attempt = self._by_call.get(place.call_id)
            if attempt is None or not place.virtual or attempt.go.is_set():
                continue
            name = place.line.name
            position = standing.position + dialling[name]
            expected = desk.expected_wait(place.line, position)
            if should_dial(position, expected, working[name], DIAL_LEAD_SECONDS):
                attempt.go.set()
                dialling[name] += 1

    # -- one attempt -----------------------------------------------------------------------

    def _start(self, row: CallbackRow) -> None:
        number = dialled(national(row.caller) or row.caller, self._rules.international)
        attempt = Attempt(row, Call.calling_back(row, number, self._reception.identity))
        self._attempts[row.callback_id] = self._by_call[attempt.call.id] = attempt
        name = f"callback {row.callback_id}"
        attempt.task = self._background.start(self._attempt(attempt), name=name)

    async def _attempt(self, attempt: Attempt) -> None:
        """From the place in the line to the verdict, which is journalled. Cancelled before it has
        begun, nothing has happened."""
        structlog.contextvars.bind_contextvars(call_id=attempt.call.id)
        try:
            if attempt.row.report_id is not None:
                offer = await self._begin(attempt, self._restored(attempt))
            elif self._rules.customer_first:
                offer = await self._invite(attempt)
            else:
                offer = await self._send(attempt)
            if attempt.placed:
                await self._follow(attempt, offer)
        except JournalError as error:  # what has begun is settled from the journal, when it is back
            log.warning("callback_not_journalled", error=str(error))
            self._rests_until = time.monotonic() + REST_SECONDS
        except Exception:  # a bug is not to end the program with everybody in it
            log.exception("callback_failed", callback_id=attempt.row.callback_id)
            self._rests_until = time.monotonic() + REST_SECONDS
        finally:
            del self._attempts[attempt.row.callback_id]
            del self._by_call[attempt.call.id]

    def _line(self, row: CallbackRow) -> Line:
        """The callback's line; another one if the settings have it no more."""
        lines = self._desk.lines
        return lines.get(row.queue) or next(iter(lines.values()))

    async def _send(self, attempt: Attempt) -> Offer | None:
        """Agent first: the offer whose agent is sent to call."""
        call, desk, line = attempt.call, self._desk, self._line(attempt.row)
        async with desk.join(call.id, line, attempt.row.place_at, virtual=True) as place:
            offer = await desk.next_offer(place)
        try:
            await self._begin(attempt, Errand(offer, (GREETING,), lambda: self._hindered(attempt)))
        finally:
            if not attempt.placed:
                desk.settle(offer, OfferResult.CALLER_GONE)
        return offer

    async def _invite(self, attempt: Attempt) -> Offer | None:
        """Customer first: dialled when the line has come to them."""
        row = attempt.row
        place = self._desk.join(attempt.call.id, self._line(row), row.place_at, virtual=True)
        async with place:
            await attempt.go.wait()
        meeting = Invitation(self._house, self._asking, lambda: self._hindered(attempt))
        return await self._begin(attempt, Approach(meeting.meet))

    def _restored(self, attempt: Attempt) -> Approach:
        row = attempt.row

        async def reopen() -> bool:
            try:
                reopened = await self._reports.reopen(row.report_id or "")
            except JournalError as error:
                log.error("report_not_reopened", error=str(error))
                return False
            if reopened:
                self._reopened.add(attempt.call.id)
            return reopened

        meeting = Restored(self._house, self._asking, lambda: self._hindered(attempt), reopen)
        return Approach(meeting.meet)

    def _hindered(self, attempt: Attempt) -> Reason | None:
        """Why nobody is to be dialled after all, in the moment before it."""
        seats = self._house.seats
        if not self._rules.may_call(seats.left, seats.budget):
            return Reason.FULL
        others = Counter(national(caller) for caller in self._reception.callers())
        if others[national(attempt.row.caller)] > 1:  # this call is among them
            return Reason.NOT_NEEDED
        return Reason.NOT_NEEDED if self._store.get(attempt.row.callback_id) is None else None

    async def _begin(self, attempt: Attempt, start: Errand | Approach) -> Offer | None:
        """Write that it is being tried, and have the customer called. Raises JournalError."""
        row, call = attempt.row, attempt.call
        attempt.begun = True
        if not await self._store.begin(row.callback_id, call.id):
            return None
        try:
            self._reception.call_out(call, start)
        except OrderRefused as refused:
            log.info("callback_postponed", error=str(refused))
            await self._settle(attempt, CallbackResult.NO_SEAT)
            return None
        attempt.placed = True
        return start.offer if isinstance(start, Errand) else None

    async def _follow(self, attempt: Attempt, offer: Offer | None) -> None:
        """Wait for the call's end, and for what the agent says of it; then judge."""
        while not attempt.over.done():
            await asyncio.wait({attempt.over}, timeout=CALL_SECONDS)
            if not attempt.over.done() and not self._reception.has(attempt.call.id):
                return  # nobody told us of its end: the journal will
        call = attempt.over.result()
        if call.talking_at and offer:
            await self._until_wrapped_up(offer)
        end = ended(attempt, call, offer, call.id in self._reopened)
        self._reopened.discard(call.id)
        await self._settle(attempt, result_of(end, self._rules))

    async def _until_wrapped_up(self, offer: Offer) -> None:
        """The agent's word comes in the wrap-up, if it comes."""
        deadline = time.monotonic() + self._wrap_up_seconds
        while offer.wrapped_up_at is None and not offer.disposition:
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(WRAP_UP_STEP)

    async def _settle(self, attempt: Attempt, result: CallbackResult) -> None:
        row = self._store.get(attempt.row.callback_id)
        self._on_attempt(result)
        if row is not None and row.last_call_id == attempt.call.id:
            await self._judge(row, result)

    async def _judge(self, row: CallbackRow, result: CallbackResult) -> None:
        verdict = judge(row, result, self._rules, datetime.now(UTC))
        log.info("callback_attempted", result=result, status=verdict.status, queue=row.queue)
        await self._store.settle(row.callback_id, row.last_call_id or "", verdict)

    # -- what others tell ------------------------------------------------------------------

    def call_ended(self, call: Call) -> None:
        """Some call has ended: that of an attempt, or that of a customer who called us."""
        attempt = self._by_call.get(call.id)
        if attempt and not attempt.over.done():
            attempt.over.set_result(call)
        elif call.direction is Direction.INBOUND and call.talking_at:
            self._came_in(call.caller, call.talking_at, {call.queue, call.first_queue})

    def call_completed(self, row: CallRow) -> None:
        """Asterisk has served a call while we were away: its own queue is that of every line."""
        if row.fallback and row.talking_at:
            self._came_in(row.caller, row.talking_at, self._desk.lines)

    def _came_in(self, caller: str, talked_at: datetime, lines: Collection[str | None]) -> None:
        """Who has talked with an agent of these lines need not be called any more."""
        number = national(caller)
        came = [
            row.callback_id
            for row in self._store.rows()
            if (row.caller, row.report_id) == (number, None)
            and row.queue in lines
            and row.asked_at < talked_at
        ]
        if came and self._background.running:
            self._background.start(self._came(came))

    async def _came(self, callback_ids: Collection[str]) -> None:
        for callback_id in callback_ids:
            try:
                await self._store.came(callback_id)
                self._on_attempt(CallbackResult.CAME)
            except JournalError as error:  # they are called, then, though they have talked
                log.error("callback_not_journalled", error=str(error))

    # -- what an earlier run has left ------------------------------------------------------

    async def _settle_stranded(self) -> None:
        """Attempts of which only the journal knows."""
        now = datetime.now(UTC)
        stranded = {
            row.last_call_id: row
            for row in sorted(self._store.rows(), key=in_order)
            if row.status is CallbackStatus.CALLING
            and row.last_call_id
            and row.callback_id not in self._attempts
            and not self._reception.has(row.last_call_id)
        }
        if not stranded:
            return
        try:
            calls = await self._store.ended_calls(list(stranded))
            for call_id, row in stranded.items():
                if call_id in calls:
                    end = ended_as_journalled(calls[call_id], row)
                    result = result_of(end, self._rules)
                elif row.attempted_at and now - row.attempted_at < LOST_AFTER:
                    continue
                else:
                    result = CallbackResult.INTERRUPTED
                self._on_attempt(result)
                await self._judge(row, result)
        except JournalError as error:
            log.warning("callback_not_journalled", error=str(error))
