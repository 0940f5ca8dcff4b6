"""Recording pauses: what is said of a secret (a card's number, a password) stays out of the file.

Asterisk goes on writing, silence for both sides, so that a recording's seconds stay those of the
conversation. The journal is told first: whoever takes the conversation over after a crash knows
that it is paused, and ends the pause when its time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
import uuid_utils

from pln_ivr.ari import Channel, Client
from pln_ivr.errors import AriError, Gone, OrderRefused, RefusalKind
from pln_ivr.journal.records import RecordingPauseRow
from pln_ivr.outcomes import PauseEnd
from pln_ivr.queues.offer import Offer

log = structlog.get_logger("pln_ivr.recording_pauses")

RETRY_SECONDS = 1.0
"""Between attempts to let a recording go on."""

ADOPTED = 1000
"""How far the row of a pause from an earlier run leaps ahead of what that run may still write."""

PAUSED, RESUMED, UNCHANGED = "recording-paused", "recording-resumed", "recording-unchanged"
"""What the agent hears; the last one if what was keyed could not be done."""


@dataclass(frozen=True, slots=True)
class Pausing:
    """What the pauses of all recordings share."""

    ari: Client
    node: str
    limit_seconds: float
    """A pause that nobody ends is ended then."""
    tell: Callable[[RecordingPauseRow], None]
    say: Callable[[Channel, str], Awaitable[None]]
    """Has an agent alone hear a prompt."""


class RecordingPauses:
    """The pauses of one recording. `keep` runs while the two talk."""

    def __init__(
        self,
        shared: Pausing,
        offer: Offer,
        leg: Channel,
        earlier: Sequence[RecordingPauseRow] | None = None,
    ) -> None:
        """`earlier`: those that the journal knows of, if an earlier run began the conversation."""
        self._shared = shared
        self._offer = offer
        self._leg = leg
        self._adopted = earlier is not None
        self._current: RecordingPauseRow | None = None
        self.rows: list[RecordingPauseRow] = []
        """Those that are over."""
        self._unsure = asyncio.Event()
        """It may be paused though it should not be."""
        self._changed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        for row in earlier or ():
            if row.end is None:
                self._current = replace(row, sequence=row.sequence + ADOPTED)
            else:
                self.rows.append(row)

    @property
    def paused(self) -> bool:
        """Whether the recording is paused."""
        return self._current is not None

    async def begin(self, by: str) -> None:
        """Pause it; `by` says in the journal who ordered it.

        Raises OrderRefused and AriError: then it goes on. Safe to cancel: it is paused then, until
        the limit.
        """
        async with self._one_at_a_time:
            if self._current:
                raise OrderRefused(RefusalKind.CONFLICT, "the recording is paused")
            if self._offer.recording is None:
                raise OrderRefused(RefusalKind.CONFLICT, "this conversation is not recorded")
            row = self._current = RecordingPauseRow(
                pause_id=str(uuid_utils.uuid7()),
                sequence=1,
                node=self._shared.node,
                call_id=self._offer.call_id,
                offer_id=self._offer.id,
                agent=self._offer.agent,
                ordered_by=by,
                began_at=datetime.now(UTC),
            )
            self._changed.set()
            self._shared.tell(row)
            try:
                await self._shared.ari.mute_recording(self._leg.id, True)
            except AriError:
                self._close(PauseEnd.REFUSED)
                self._unsure.set()  # the answer may be all that was lost
                self._changed.set()
                raise

    async def end(self, by: str) -> None:
        """Let it go on. Raises OrderRefused and AriError: then it stays paused."""
        async with self._one_at_a_time:
            if self._current is None:
                raise OrderRefused(RefusalKind.CONFLICT, "the recording is not paused")
            await self._shared.ari.mute_recording(self._leg.id, False)
            self._close(PauseEnd.RESUMED, by)

    async def toggle(self, by: str) -> None:
        """The agent's key: pause it, or let it go on; they hear which. Raises OrderRefused and
        AriError."""
        said = RESUMED if self.paused else PAUSED
        try:
            await (self.end(by) if self.paused else self.begin(by))
        except (OrderRefused, AriError):
            await self._shared.say(self._leg, UNCHANGED)
            raise
        await self._shared.say(self._leg, said)

    def over(self) -> None:
        """The agent's part is over, and with it the pause. Idempotent."""
        if self._current:
            self._close(PauseEnd.CONVERSATION)

    async def keep(self) -> None:
        """Until cancelled: end each pause at its limit, and have Asterisk be as we say."""
        if self._adopted and not await self._insisted(self.paused):
            return
        while True:
            self._changed.clear()
            if self._unsure.is_set() and not self.paused:
                self._unsure.clear()
                if not await self._insisted(False):
                    return
                continue
            try:
                async with asyncio.timeout(self._left()):
                    await self._changed.wait()
            except TimeoutError:
                if not await self._insisted(False):
                    return
                log.warning("recording_pause_forgotten", call_id=self._offer.call_id)
                if self._current:
                    self._close(PauseEnd.LIMIT)

    def _left(self) -> float | None:
        if self._current is None:
            return None
        gone = (datetime.now(UTC) - self._current.began_at).total_seconds()
        return max(0.0, self._shared.limit_seconds - gone)

    async def _insisted(self, paused: bool) -> bool:
        """Set it until it is set; False if the leg has gone."""
        while True:
            try:
                await self._shared.ari.mute_recording(self._leg.id, paused)
            except Gone:
                return False
            except AriError as error:
                log.warning("recording_not_set", paused=paused, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return True

    def _close(self, end: PauseEnd, by: str | None = None) -> None:
        assert self._current
        row = replace(
            self._current,
            sequence=self._current.sequence + 1,
            ended_at=datetime.now(UTC),
            ended_by=by,
            end=end,
        )
        self._current = None
        if end is not PauseEnd.REFUSED:
            self.rows.append(row)
        self._changed.set()
        self._shared.tell(row)
