"""A caller asks to be called back: the number is confirmed or keyed, the place in the line kept.

Every way ends: with a callback, with the caller waiting on, or with the caller gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
import uuid_utils

from pln_ivr.ari import Channel
from pln_ivr.background import see_through
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.customer_number import spelt, told_when
from pln_ivr.calls.dialogues.keying import Keying, NoNumber, NumberKind, Patience
from pln_ivr.calls.dialogues.phone_number import (
    ASK,
    CORRECT,
    EARLIER,
    KEPT,
    NO_NUMBER,
    NOTED,
    NUMBER,
    OFFER,
    TODAY,
    UNAVAILABLE,
    YESTERDAY,
    Entry,
    national,
    press,
)
from pln_ivr.errors import JournalError
from pln_ivr.journal.callbacks import CallbackRow, Noted
from pln_ivr.outcomes import CallbackEnd
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.queues.callbacks import CallbackRules
from pln_ivr.queues.lines import Standing

log = structlog.get_logger("pln_ivr.callbacks")

TELEPHONE = NumberKind(
    ask=ASK,
    wrong=NO_NUMBER,
    nothing=Entry(),
    press=press,
    whole=lambda _: False,  # numbers are of several lengths
    read_back=lambda number: (NUMBER, *spelt(number), CORRECT),
)

ENDS = {
    NoNumber.AGENT: CallbackEnd.WAITS,
    NoNumber.NO_INPUT: CallbackEnd.NO_INPUT,
    NoNumber.INVALID: CallbackEnd.INVALID,
}


@dataclass(frozen=True, slots=True)
class WaitingOffer:
    """When who waits is offered to be called back: the expected wait in seconds, 0 never; and
    what is pressed."""

    after_seconds: float
    key: str


class Callbacks:
    """Takes callers' wishes to be called back."""

    def __init__(
        self,
        asking: Asking,
        store: CallbackStore,
        rules: CallbackRules,
        patience: Patience,
        waiting: WaitingOffer,
        on_end: Callable[[CallbackEnd], None],
    ) -> None:
        self._asking = asking
        self._store = store
        self._rules = rules
        self._keying = Keying(asking, patience)
        self._waiting = waiting
        self._on_end = on_end

    # -- in the waiting line ---------------------------------------------------------------

    @property
    def key(self) -> str:
        """What who waits presses to be called back."""
        return self._waiting.key

    def words_for(self, standing: Standing | None) -> tuple[str, ...]:
        """What who stands here in the line is told of it; nothing for who is next soon."""
        after = self._waiting.after_seconds
        if not (after and standing and standing.expected and standing.expected > after):
            return ()
        return (OFFER, *spelt(self.key)) if self._store.is_open else ()

    # -- the dialogue ----------------------------------------------------------------------

    async def offer(self, call: Call, caller: Channel, queue: str) -> bool:
        """Ask for the number and note the callback, in this line; false if the caller waits on.

        The place is `call.place_at`, or now. `call.callback` is set as soon as the callback is
        noted: from then on it stands, whenever the caller hangs up. Raises Gone and AriError.
        Safe to cancel.
        """
        end = CallbackEnd.HUNG_UP
        try:
            number = await self._number(call, caller)
            if isinstance(number, CallbackEnd):
                end = number
                return False
            row = self._row(call, number, queue)
            try:
                noted = await see_through(self._note(call, row))
            except JournalError as error:
                log.error("callback_not_noted", error=str(error), call_id=call.id)
                end = CallbackEnd.UNAVAILABLE
                caller.party.forget_keys()
                await self._asking.tell(caller, (UNAVAILABLE,))
                return False
            end = CallbackEnd.NOTED if noted.new else CallbackEnd.REPEATED
            caller.party.forget_keys()
            await self._asking.tell(caller, self._words(noted))
            return True
        finally:
            if call.callback and end is CallbackEnd.HUNG_UP:
                end = CallbackEnd.NOTED  # in the moment in which it was written
            self._on_end(end)

    async def _note(self, call: Call, row: CallbackRow) -> Noted:
        noted = await self._store.ask(row)
        call.callback = row.callback_id
        log.info("callback_noted", call_id=call.id, queue=row.queue, new=noted.new)
        return noted

    def _row(self, call: Call, number: str, queue: str) -> CallbackRow:
        now = datetime.now(UTC)
        return CallbackRow(
            callback_id=str(uuid_utils.uuid7()),
            call_id=call.id,
            node=self._store.node,
            caller=number,
            queue=queue,
            language=call.language,
            place_at=call.place_at or now,
            asked_at=now,
            due_at=now,
            expires_at=now + self._rules.lasts,
            changed_at=now,
        )

    async def _number(self, call: Call, caller: Channel) -> str | CallbackEnd:
        """The number to be called, or how it ended without."""
        known = national(call.caller)
        number = await self._keying.confirmed(caller, TELEPHONE, known) if known else None
        if number is None:
            number = await self._keying.keyed(caller, TELEPHONE)
        return ENDS[number] if isinstance(number, NoNumber) else number

    def _words(self, noted: Noted) -> tuple[str, ...]:
        if noted.new:
            return (NOTED,)
        zone = self._rules.hours.zone
        when = told_when(
            noted.asked_at.astimezone(zone),
            datetime.now(UTC).astimezone(zone),
            (TODAY, YESTERDAY, EARLIER),
        )
        return (*when, KEPT)
