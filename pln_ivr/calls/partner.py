"""A partner: an agent bound to a call, with a leg of their own and its recording."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel, Client, Hangup
from pln_ivr.calls.call import Call
from pln_ivr.calls.recording_pauses import Pausing, RecordingPauses
from pln_ivr.journal import RecordingPauseRow
from pln_ivr.outcomes import OfferResult, Outcome, Reason, Result, TalkEnd
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.phones import Phones
from pln_ivr.queues.ringing import Ring, RingTimes, agent_leg, ring
from pln_ivr.recordings.manifest import Facts, Manifest, pauses_of
from pln_ivr.recordings.names import recording_name, recording_uri
from pln_ivr.recordings.recorder import Recorder

log = structlog.get_logger("pln_ivr.partner")


@dataclass(slots=True)
class Partner:
    """One agent's part in one call. `result` and `talk_end` are what the journal will say."""

    offer: Offer
    leg: Channel
    recording: str
    pauses: RecordingPauses
    result: OfferResult = OfferResult.CALLER_GONE
    talk_end: TalkEnd = TalkEnd.CALLER_HUNG_UP

    @property
    def talked(self) -> bool:
        """Whether it came to a conversation."""
        return self.offer.talking_at is not None


@dataclass(frozen=True, slots=True)
class Partners:
    """Binds agents to calls, and lets go of them."""

    ari: Client
    desk: Desk
    phones: Phones
    recorder: Recorder
    times: RingTimes
    pausing: Pausing
    confirm_seconds: float
    talk_unrecorded: bool
    """Whether two may talk though the recording could not be confirmed."""
    tell: Callable[[Call], None]

    @asynccontextmanager
    async def bind(
        self,
        call: Call,
        caller: Channel,
        offer: Offer,
        recording: str | None = None,
        counts: bool = True,
        pauses: Sequence[RecordingPauseRow] = (),
    ) -> AsyncIterator[Partner]:
        """The agent of this offer for the body's duration: not rung yet, unless the agent
        talks since an earlier run under that `recording`, which had these `pauses`.

        At the end the leg is hung up, the offer settled, and the recording filed, or
        discarded if nobody talked. An offer that does not count (a supervisor's, who may
        only listen) is settled only if it came to a talk.
        """
        if recording is None:
            name = self.recorder.begin(recording_name(call.id, offer.id, offer.offered_at))
        else:
            name = recording
            self.recorder.resume(name)
        try:
            async with agent_leg(self.ari, offer) as leg:
                earlier = pauses if recording is not None else None
                kept = RecordingPauses(self.pausing, offer, leg, earlier)
                partner = Partner(offer, leg, name, kept)
                try:
                    yield partner
                except BaseException:  # a shutdown and a bug are not the caller's doing either
                    if partner.talked and not caller.gone:
                        partner.talk_end = TalkEnd.FAILED
                    elif partner.result is OfferResult.CALLER_GONE and not caller.gone:
                        partner.result = OfferResult.FAILED  # nobody has said why yet
                    raise
        finally:
            if counts or partner.talked:
                result = OfferResult.ANSWERED if partner.talked else partner.result
                self.desk.settle(offer, result, partner.talk_end)
            if partner.talked:
                self._file(call, offer, name, caller.party.spoke_before() is not None, partner)
            else:
                self.recorder.discard(name)

    async def ring(
        self, partner: Partner, caller: Channel | None, number: str, waited_for: bool = True
    ) -> bool:
        """Ring the agent; true once they are there and recorded. Raises what `ring` does.

        Unless a customer waits for them (`waited_for`), a third ring missed is no miss.
        """
        rung = await ring(
            self.ari,
            self.phones,
            partner.offer,
            partner.leg,
            Ring(caller, number, partner.recording),
            self.times,
        )
        if rung is OfferResult.MISSED and not waited_for:
            rung = OfferResult.NO_ANSWER
        if rung is not OfferResult.ANSWERED:
            partner.result = rung
            return False
        if not await self._recording_runs(partner.recording):
            partner.result = OfferResult.FAILED
            return False
        return True

    def begin_talking(self, partner: Partner) -> None:
        """The two can hear each other."""
        if partner.recording:
            partner.offer.recording = recording_uri(partner.recording)
        self.desk.begin_talking(partner.offer)

    def take_over(self, partner: Partner) -> None:
        """One who was a guest so far goes on alone with the caller."""
        partner.talk_end = TalkEnd.CALLER_HUNG_UP
        self.desk.adopt(partner.offer)
        self.begin_talking(partner)

    async def _recording_runs(self, name: str) -> bool:
        """Whether the two may talk: the recording runs, or the policy is to talk all the same."""
        if await self.recorder.confirm(name, self.confirm_seconds):
            return True
        policy = "bridge" if self.talk_unrecorded else "wait"
        log.error("recording_unconfirmed", policy=policy)
        return self.talk_unrecorded

    def _file(
        self,
        call: Call,
        offer: Offer,
        recording: str,
        customer_spoke: bool,
        partner: Partner,
    ) -> None:
        if not recording:
            return

        def filed(manifest: Manifest) -> None:
            offer.recording_seconds = manifest.seconds
            self.desk.tell(offer)
            if call.recording == offer.recording:
                call.recording_seconds = manifest.seconds
                self.tell(call)

        facts = Facts(
            name=recording,
            call_id=call.id,
            offer_id=offer.id,
            queue=offer.queue,
            agent=offer.agent,
            notice_version=call.notice_version,
            notice_heard_at=call.notice_heard_at,
            began_at=offer.talking_at or call.talking_at,
            ended_at=offer.talked_until or datetime.now(UTC),
            customer_spoke=customer_spoke,
            pauses=pauses_of(partner.pauses.rows),
            end_seen=partner.talk_end is not TalkEnd.UNSEEN,
        )
        self.recorder.finish(recording, facts, filed)


def ends_of(hangup: Hangup) -> tuple[Outcome, TalkEnd]:
    """What the end of the agent's leg means for the call and for the agent's part."""
    if hangup.lost:
        return Outcome(Result.FAILED, Reason.PBX), TalkEnd.FAILED
    if hangup.unseen:
        return Outcome(Result.ANSWERED, Reason.UNSEEN), TalkEnd.UNSEEN
    if hangup.media_lost:
        return Outcome(Result.ANSWERED, Reason.MEDIA_LOST), TalkEnd.MEDIA_LOST
    return Outcome(Result.ANSWERED, Reason.AGENT_HUNG_UP), TalkEnd.AGENT_HUNG_UP
