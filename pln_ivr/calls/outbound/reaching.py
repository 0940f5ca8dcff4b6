"""A customer whom we call: dialled, told who calls, and asked whether they are there.

What a machine takes down after its beep is our words and not silence: what is said is said again
until a key is pressed or all of it has been said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.menu import GOODBYE
from pln_ivr.calls.house import House
from pln_ivr.calls.outbound.callout import dial
from pln_ivr.outcomes import Outcome, Reason, Result, Stage

GREETING, PRESS, MISSED = "callback-greeting", "callback-press", "callback-missed"
RESTORED, STILL_OUT, REOPENED = "restored-greeting", "restored-press", "restored-reopened"
NOT_REOPENED = "restored-not-reopened"

PROMPTS = (GREETING, PRESS, MISSED, RESTORED, STILL_OUT, REOPENED, NOT_REOPENED)

YES = "1"

TIMES = 3
"""How often it is said to who presses nothing: a machine's own words take up to half a minute,
and what is said after them is what it takes down."""

LISTEN_SECONDS = 4.0
"""How long a customer may take to press the key, each time."""


async def reach(
    house: House,
    call: Call,
    customer: Channel,
    agent: Channel | None = None,
    hindered: Callable[[], Reason | None] = lambda: None,
) -> Outcome | None:
    """Dial the customer; an outcome if that came to nothing, None once they are there.

    `hindered` says why nobody is to be dialled after all. Raises Gone: see callout.why_gone.
    """
    reason = hindered()
    if reason:
        return _why_not(reason)
    if not house.seats.take(customer.id):
        return _why_not(Reason.FULL)
    call.stage = Stage.DIALLING
    house.tell(call)
    reason = await dial(house.ari, house.trunk, customer, call.caller, agent)
    if reason:
        return Outcome(Result.UNREACHED, reason)
    call.answered_at = datetime.now(UTC)
    call.stage = Stage.NOTICE
    house.tell(call)
    return None


def _why_not(reason: Reason) -> Outcome:
    return Outcome(Result.REJECTED if reason is Reason.FULL else Result.UNREACHED, reason)


async def notify(house: House, call: Call, customer: Channel) -> None:
    """Play the notice that the call is recorded."""
    if await house.prompts.play(customer, "notice"):
        call.notice_heard_at = datetime.now(UTC)
        call.notice_version = house.prompts.version("notice")


async def pressed(asking: Asking, customer: Channel, words: tuple[str, ...]) -> bool:
    """Whether somebody is there and presses 1; said again to who presses nothing."""
    for _ in range(TIMES):
        key = await asking.ask(customer, words, LISTEN_SECONDS)
        if key is not None:
            return key == YES
    return False


@dataclass(frozen=True, slots=True)
class Invitation:
    """Customer first: who presses 1 is to have the next agent. See house.Approach."""

    house: House
    asking: Asking
    hindered: Callable[[], Reason | None]

    async def meet(self, call: Call, customer: Channel) -> Outcome | None:
        """Dial the customer; None once they want to be put through."""
        failed = await reach(self.house, call, customer, hindered=self.hindered)
        if failed:
            return failed
        if not await pressed(self.asking, customer, (GREETING, PRESS)):
            await self.asking.tell(customer, (MISSED,))
            return Outcome(Result.UNREACHED, Reason.MACHINE)
        customer.party.forget_keys()
        await notify(self.house, call, customer)
        return None


@dataclass(frozen=True, slots=True)
class Restored:
    """Power is back, the field says: the customer hears so and may say that it is not. See
    house.Approach."""

    house: House
    asking: Asking
    hindered: Callable[[], Reason | None]
    reopen: Callable[[], Awaitable[bool]]
    """Called when the customer presses that power is still out; whether that is noted."""

    async def meet(self, call: Call, customer: Channel) -> Outcome | None:
        """Dial the customer and tell them. There is always an outcome."""
        failed = await reach(self.house, call, customer, hindered=self.hindered)
        if failed:
            return failed
        words = [GOODBYE]
        if await pressed(self.asking, customer, (RESTORED, STILL_OUT)):
            words[:0] = [REOPENED if await self.reopen() else NOT_REOPENED]
        customer.party.forget_keys()
        await self.asking.tell(customer, words)
        return Outcome(Result.RELEASED, Reason.INFORMED)
