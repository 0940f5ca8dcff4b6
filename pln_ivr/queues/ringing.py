"""Ringing one agent: from the offer to an answer, or to the reason why there is none."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pln_ivr.ari import Channel, Client, Hangup
from pln_ivr.errors import AriError, AriRefused, AriTimeout, Gone
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.phones import Phones

CONTEXT, EXTENSION = "agent-answered", "record"
"""Where in the dialplan an answered agent leg goes: it starts the recording, then Stasis."""

RECORDING_VARIABLE = "PLN_RECORDING"
ENTER_SECONDS = 3.0
"""How long an answered leg may take through the dialplan to us."""

FINAL_CAUSE_SECONDS = 0.5
"""How long to wait for the SIP status after a leg has ended; it comes with the last event."""


@dataclass(frozen=True, slots=True)
class RingTimes:
    """Deadlines in seconds. `dial`: until the phone rings at all; `ring`: from then on."""

    dial: float
    ring: float


@dataclass(frozen=True, slots=True)
class Ring:
    """What a phone is rung with. `number` is what its display shows: digits or nothing. There
    is no `caller` yet if the agent is to call one."""

    caller: Channel | None
    number: str
    recording: str


LEG = "agent-"
"""Begins the id of every agent leg; the offer's id follows."""


@asynccontextmanager
async def agent_leg(ari: Client, offer: Offer) -> AsyncIterator[Channel]:
    """The agent's channel for the body's duration, followed from before it exists.

    Hung up at the end, however the body ends: a leg whose caller has gone would stay up.
    """
    leg = ari.channel(LEG + offer.id)
    try:
        yield leg
    finally:
        try:
            if not leg.gone:
                with suppress(AriError):  # if Asterisk is away, reconnecting finds the leg
                    await ari.hang_up(leg.id)
        finally:  # the caller may go in this very moment, which cancels the line above
            leg.close()


async def ring(
    ari: Client, phones: Phones, offer: Offer, leg: Channel, what: Ring, times: RingTimes
) -> OfferResult:
    """Ring the agent's phone; ANSWERED once the leg is up and in the application.

    The ring deadline counts from the phone's own ringing, not from our dialling, so that
    an agent is never blamed for a slow network. Raises Gone if the caller has gone, and
    AriUnavailable or AriTimeout if Asterisk does not answer. Safe to cancel.
    """
    try:
        await _dial(ari, phones, offer, leg, what, times)
        await leg.until(
            lambda: leg.in_app or leg.ringing_since is not None, times.dial, "phone to ring"
        )
    except Gone:
        if what.caller and what.caller.gone:
            raise
        return await _why(leg)
    except AriRefused:
        return OfferResult.UNREACHABLE  # no channel could be made: the phone is not registered
    except AriTimeout:
        return OfferResult.UNREACHABLE
    if leg.ringing_since is None:
        return OfferResult.ANSWERED
    rung = time.monotonic() - leg.ringing_since
    offer.ringing_at = datetime.now(UTC) - timedelta(seconds=rung)
    try:
        await leg.until(lambda: leg.answered, max(times.ring - rung, 0.001), "agent to answer")
    except AriTimeout:
        return OfferResult.MISSED
    except Gone:
        return await _why(leg)
    return await _enter(leg)


async def _enter(leg: Channel) -> OfferResult:
    """What the dialplan does before the leg is ours is not the agent's time."""
    try:
        await leg.until(lambda: leg.in_app, ENTER_SECONDS, "answered leg to enter")
    except Gone:
        return await _why(leg)
    except AriTimeout:
        return OfferResult.FAILED
    return OfferResult.ANSWERED


async def _dial(
    ari: Client, phones: Phones, offer: Offer, leg: Channel, what: Ring, times: RingTimes
) -> None:
    await ari.originate(
        leg.id,
        phones.address(offer.agent),
        context=CONTEXT,
        extension=EXTENSION,
        variables={RECORDING_VARIABLE: what.recording},
        caller_id=what.number,
        originator=what.caller.id if what.caller else "",
        # Asterisk's own limit, past ours: it ends a leg that we could not end.
        seconds=int(times.dial + times.ring) + 5,
    )


async def _why(leg: Channel) -> OfferResult:
    await leg.until_destroyed(FINAL_CAUSE_SECONDS)
    return classify(leg.hangup or Hangup(by_far_end=True))


def classify(hangup: Hangup) -> OfferResult:
    """What an unanswered leg's end means: by SIP status (RFC 3261 §21), else by Q.850 cause."""
    match hangup.tech_cause:
        case 486 | 600:
            return OfferResult.BUSY
        case 603 | 403 | 607:
            return OfferResult.DECLINED
    match hangup.cause:
        case 17:
            return OfferResult.BUSY
        case 21:
            return OfferResult.DECLINED
    return OfferResult.FAILED if hangup.unseen else OfferResult.UNREACHABLE
