"""What is known of one channel, kept up to date by its events, and how to wait for it.

A channel holds its latest state, not a list of events: nothing grows, nothing can
overflow, and an event that came before one began to wait is not missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pln_ivr.ari import events
from pln_ivr.ari.party import Party
from pln_ivr.errors import AriTimeout, Gone

SOFTHANGUP_DEVICE = 1
"""AST_SOFTHANGUP_DEV of Asterisk's channel.h: the channel driver gave up, e.g. rtp_timeout."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """How a channel ended.

    `by_far_end` is true if the party at the phone ended it, false if Asterisk or an
    application did; `media_lost` if Asterisk did because RTP stopped (rtp_timeout).
    `lost` if it ended with Asterisk itself, `unseen` if it ended while we were not connected:
    then nobody told us. `left` if it has not ended at all: it went on in the dialplan.
    `cause` is Q.850 (0: unknown); `tech_cause` the SIP status, if any.
    """

    by_far_end: bool
    media_lost: bool = False
    lost: bool = False
    unseen: bool = False
    left: bool = False
    cause: int = 0
    tech_cause: int = 0


class Channel:
    """One channel. Get it from `Client.channel`, and `close` it when done.

    Every wait raises Gone as soon as the channel ends, and AriTimeout at its deadline.
    Waits are safe to cancel. All methods belong to the event loop's thread.
    """

    def __init__(self, channel_id: str, forget: Callable[[str], None]) -> None:
        self.id = channel_id
        self.state = ""
        self.ringing_since: float | None = None
        """time.monotonic() at the first Ringing, seconds."""
        self.in_app = False
        """The channel is in the Stasis application: it answers to commands."""
        self.args: tuple[str, ...] = ()
        """Arguments of the latest Stasis(): what the dialplan says of this channel."""
        self.bridge_id: str | None = None
        self.hangup: Hangup | None = None
        """Set once the channel has ended, or has been asked to end by its far end."""
        self.destroyed = False
        self.party = Party()
        self.language = ""
        """What its party is spoken to in: for whoever speaks, Asterisk is not told."""
        self.playbacks = 0
        """How many have been expected until now."""
        self._playbacks: dict[str, str] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._on_gone: set[Callable[[], None]] = set()
        self._forget = forget

    @property
    def gone(self) -> bool:
        """True once the channel has ended or is ending."""
        return self.hangup is not None

    @property
    def answered(self) -> bool:
        """Somebody picked up, or the channel is in the application."""
        return self.in_app or self.state == events.UP

    def close(self) -> None:
        """Stop following the channel. Says nothing to Asterisk. Idempotent."""
        self._forget(self.id)

    # -- events in -----------------------------------------------------------------

    def feed(self, event: events.Event) -> None:
        """Take one event about this channel; called by the client, repeats do no harm."""
        match event:
            case events.StasisStart():
                self.in_app, self.args, self.state = True, event.args, event.channel.state
            case events.ChannelStateChange():
                self.state = event.channel.state
                if self.state == "Ringing" and self.ringing_since is None:
                    self.ringing_since = time.monotonic()
            case events.ChannelEnteredBridge():
                self.bridge_id = event.bridge.id
            case events.ChannelLeftBridge():
                if self.bridge_id == event.bridge.id:
                    self.bridge_id = None
            case events.PlaybackFinished():
                if event.playback.id in self._playbacks:
                    self._playbacks[event.playback.id] = event.playback.state
            case events.ChannelHangupRequest():
                if event.soft:  # then the cause is a software flag, not Q.850 (channel.c)
                    self._end(Hangup(False, media_lost=event.cause == SOFTHANGUP_DEVICE))
                else:
                    self._end(Hangup(True, cause=event.cause))
            case events.ChannelDestroyed():
                self.destroyed = True
                self._end(Hangup(by_far_end=True))
                self.hangup = replace(
                    self.hangup or Hangup(True), cause=event.cause, tech_cause=event.tech_cause
                )
            case events.StasisEnd():
                # Whoever hangs up, a request to hang up comes first.
                self.leave()
            case _:
                self.party.feed(event)
        self._wake()

    def find(self, info: events.ChannelInfo, bridge_id: str | None) -> None:
        """Take the channel's state from Asterisk's own list: no event will tell it again."""
        self.in_app, self.state, self.bridge_id = True, info.state, bridge_id

    def leave(self) -> None:
        """Mark the channel as gone on in the dialplan."""
        self.in_app = False
        self._end(Hangup(by_far_end=False, left=True))
        self._wake()

    def lose(self, pbx_restarted: bool) -> None:
        """Mark the channel as ended without an event: a look at Asterisk's list missed it.

        If Asterisk has not been restarted meanwhile, only a far end can have ended it.
        """
        self.destroyed = True
        self._end(Hangup(by_far_end=not pbx_restarted, lost=pbx_restarted, unseen=True))
        self._wake()

    def _end(self, hangup: Hangup) -> None:
        if self.hangup is None:
            self.hangup = hangup
            for callback in tuple(self._on_gone):
                callback()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- waits ---------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Return once `condition` holds; `what` names it in the error."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._raise_if_gone()
                    await self._change()
        except TimeoutError:
            raise AriTimeout(f"{what}: nothing within {seconds:g} s") from None

    async def until_in_bridge(self, bridge_id: str, seconds: float) -> None:
        """Return once the channel has entered this bridge. Raises Gone, AriTimeout."""
        await self.until(lambda: self.bridge_id == bridge_id, seconds, "entering a bridge")

    async def until_gone(self) -> Hangup:
        """Return how the channel ended, once it has."""
        while self.hangup is None:
            await self._change()
        return self.hangup

    async def next_key(self) -> str:
        """Return the next key that was pressed, once it is. Raises Gone if the channel ends."""
        while (key := self.party.take_key()) is None:
            self._raise_if_gone()
            await self._change()
        return key

    async def next_key_within(self, seconds: float) -> str | None:
        """Return the next key; None if none is pressed in time. Raises Gone if the channel ends."""
        try:
            async with asyncio.timeout(seconds):
                return await self.next_key()
        except TimeoutError:
            return None

    async def until_hold(self, on: bool) -> None:
        """Return once the phone holds (or, if not `on`, talks again). Raises Gone if the channel
        ends."""
        while self.party.on_hold != on:
            self._raise_if_gone()
            await self._change()

    async def until_answered(self) -> None:
        """Return once the channel has been answered or is in the application, however long it
        takes. Raises Gone if it ends."""
        while not self.answered:
            self._raise_if_gone()
            await self._change()

    async def until_in_app(self) -> None:
        """Return once the channel is (again) in the application, however long it takes.

        Raises Gone if it ends.
        """
        while not self.in_app:
            self._raise_if_gone()
            await self._change()

    async def until_destroyed(self, seconds: float) -> None:
        """Return once the channel is no more, or at the deadline, without an error.

        The SIP status and the final cause come only with the last event.
        """
        try:
            async with asyncio.timeout(seconds):
                while not self.destroyed:
                    await self._change()
        except TimeoutError:
            pass

    def expect_playback(self, playback_id: str) -> None:
        """Follow a playback that is about to be started under this id."""
        self._playbacks[playback_id] = ""
        self.playbacks += 1

    def playing(self) -> list[str]:
        """The playbacks whose end is expected."""
        return [playback for playback, state in self._playbacks.items() if not state]

    def end_playback(self, playback_id: str) -> None:
        """A playback has ended while nobody could tell: Asterisk plays on without us."""
        if playback_id in self._playbacks:
            self._playbacks[playback_id] = "done"
            self._wake()

    def forget_playback(self, playback_id: str) -> None:
        """Follow it no more. Idempotent."""
        self._playbacks.pop(playback_id, None)

    async def playback_ended(self, playback_id: str, seconds: float, or_key: bool = False) -> str:
        """Return how an expected playback ended: done, failed or cancelled. `or_key`: return at
        the first key that nobody has taken, too; empty if the playback has not ended by then."""

        def ended() -> bool:
            return bool(self._playbacks[playback_id]) or (or_key and self.party.pressed)

        await self.until(ended, seconds, "end of prompt")
        return self._playbacks[playback_id]

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Run the body while the channel is there; when it ends, cancel the body, raise Gone.

        An outer cancellation passes through as it is.
        """
        self._raise_if_gone()
        task = asyncio.current_task()
        assert task is not None
        cancelled_before = task.cancelling()
        ended = False

        def end() -> None:
            nonlocal ended
            ended = True
            task.cancel()

        self._on_gone.add(end)
        try:
            yield
        except BaseException as error:
            # As asyncio.timeout does: only our own cancellation becomes Gone.
            ours = ended and task.uncancel() <= cancelled_before
            if ours and isinstance(error, asyncio.CancelledError):
                raise Gone(f"channel {self.id} has ended") from None
            raise
        finally:
            self._on_gone.discard(end)

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _raise_if_gone(self) -> None:
        if self.hangup is not None:
            raise Gone(f"channel {self.id} has ended")
