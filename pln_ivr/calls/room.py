"""The waiting room: where callers hear music until an agent is there.

One holding bridge per queue, whose music one player feeds to all: 720 callers cost
little more than their own packets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.background import see_through
from pln_ivr.calls.announcing import News
from pln_ivr.calls.dialogues.callbacks import Callbacks
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriError, Gone
from pln_ivr.queues.lines import Line, Promise, Standing

log = structlog.get_logger("pln_ivr.room")

ENTER_SECONDS = 5.0
LEASE_SECONDS = 90
"""How long a caller may wait without a word from us before the dialplan serves them itself."""

RENEW_SECONDS = 30.0
"""How often the lease is renewed: two renewals may fail."""

GREETING_MARGIN_SECONDS = 15.0
"""Past the length of the prompts before the room: what Asterisk may take for the requests."""

RETRY_SECONDS = 1.0


ROOM = "wait-"
"""Begins the id of every waiting room; the queue's name follows."""


class WaitingRoom:
    """The holding bridges. `music` is the class of music on hold by queue."""

    def __init__(self, ari: Client, prompts: Prompts, music: Mapping[str, str]) -> None:
        self._ari = ari
        self._prompts = prompts
        self._music = music
        self._members: set[Channel] = set()

    async def prepare(self) -> None:
        """Make each queue's bridge and start its music; existing ones stay. Raises AriError."""
        for queue in self._music:
            await self._prepare(queue)

    async def _prepare(self, queue: str) -> None:
        await self._ari.create_bridge(self._bridge(queue), "holding")
        await self._ari.start_music(self._bridge(queue), self._music[queue])

    @asynccontextmanager
    async def comfort(
        self,
        caller: Channel,
        line: Line,
        standing: Callable[[], Standing | None],
        news: News,
        callbacks: Callbacks | None = None,
    ) -> AsyncIterator[Comfort]:
        """Tell the caller to wait, then music, and now and then where in the line they are and
        that they may be called back, and at once what there is news of, in the background of the
        body.

        Who is in the room already, from before a restart, was told to wait.
        """
        comfort = Comfort(self, self._prompts, caller, line, standing, news, callbacks)
        if self.holds(caller, line.name):
            self._members.add(caller)
        comfort.start()
        try:
            yield comfort
        finally:
            await comfort.stop()
            self._members.discard(caller)

    async def enter(self, caller: Channel, queue: str) -> None:
        """Let the caller hear the queue's music. Raises AriError. Seen through if cancelled."""
        await see_through(self._enter(caller, queue))

    async def _enter(self, caller: Channel, queue: str) -> None:
        try:
            await self._ari.add_to_bridge(self._bridge(queue), [caller.id])
        except Gone:
            if caller.gone:
                raise
            await self._prepare(queue)  # it is the bridge that has gone: Asterisk is a new one
            await self._ari.add_to_bridge(self._bridge(queue), [caller.id])
        await caller.until_in_bridge(self._bridge(queue), ENTER_SECONDS)
        # The player leaves with the last caller: who comes into an empty room starts it again.
        # Asterisk tells of leaving and entering in order, so what is known now was true then.
        self._members.add(caller)
        bridge = self._bridge(queue)
        if not any(other.bridge_id == bridge for other in self._members if other is not caller):
            await self._ari.start_music(bridge, self._music[queue])

    def holds(self, caller: Channel, queue: str) -> bool:
        """Whether the caller is in the queue's room."""
        return caller.bridge_id == self._bridge(queue)

    def greeting_seconds(self) -> int:
        """The lease of a caller who is being greeted: until the room, with time to spare."""
        prompts = self._prompts.seconds("notice") + self._prompts.seconds("please-wait")
        return round(prompts + GREETING_MARGIN_SECONDS)

    async def lease(self, caller: Channel, seconds: int = LEASE_SECONDS) -> None:
        """See Operations.lease."""
        await self._ari.lease(caller.id, seconds)

    async def until_ready(self) -> None:
        """Wait, as long as it takes, until Asterisk can be asked."""
        await self._ari.until_ready()

    @staticmethod
    def _bridge(queue: str) -> str:
        return f"{ROOM}{queue}"


class Comfort:
    """What one waiting caller hears. Stopped before the caller is moved anywhere else."""

    def __init__(
        self,
        room: WaitingRoom,
        prompts: Prompts,
        caller: Channel,
        line: Line,
        standing: Callable[[], Standing | None],
        news: News,
        callbacks: Callbacks | None = None,
    ) -> None:
        self._room = room
        self._callbacks = callbacks
        self._news = news
        self._prompts = prompts
        self._caller = caller
        self._line = line
        self._standing = standing
        self._told_to_wait = room.holds(caller, line.name)
        self._promise = Promise()
        self._announce_at = time.monotonic() + line.announce_seconds
        self._task: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._then: Callable[[], None] | None = None
        self.wished = False
        """The caller has keyed to be called back, since the beginning or `start`."""

    def start(self) -> None:
        """Begin, or begin again: who was told to wait before hears music at once."""
        self.wished = False
        self._task = asyncio.create_task(self._run(), name=f"comfort {self._caller.id}")

    async def stop(self) -> None:
        """End it: afterwards no request of it is under way and no prompt plays."""
        if self._listener:
            self._listener.cancel()
            self._listener = None
        if self._task:
            if not self._task.cancelling():  # a second one would break off what it sees through
                self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def when_wished(self, then: Callable[[], None] | None) -> None:
        """Have it called when the caller keys to be called back, or at once who has; None: not any
        more."""
        self._then = then
        if then and self.wished:
            then()

    async def _listen(self, key: str) -> None:
        """Keys that mean nothing here are forgotten."""
        try:
            while await self._caller.next_key() != key:
                pass
        except Gone:
            return
        self.wished = True
        if self._then:
            self._then()

    async def _run(self) -> None:
        renew_at = 0.0
        while True:
            try:
                if not self._told_to_wait:
                    self._told_to_wait = True
                    await self._prompts.play(self._caller, "please-wait")
                if time.monotonic() >= renew_at:
                    await self._room.lease(self._caller)
                    renew_at = time.monotonic() + RENEW_SECONDS
                if not self._room.holds(self._caller, self._line.name):
                    await self._room.enter(self._caller, self._line.name)
                if await self._news.tell():
                    renew_at = 0.0  # the lease was made to last for that
                    continue
                await self._announce()
                pause = renew_at - time.monotonic()
                if self._line.announce_seconds:
                    pause = min(pause, self._announce_at - time.monotonic())
            except AriError as error:
                if self._caller.gone:
                    return
                log.warning("caller_not_in_room", error=str(error))
                renew_at = 0.0
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._news.wait(max(pause, 0.0))
            await self._room.until_ready()

    async def _announce(self) -> None:
        """Say where in the line the caller is, if it is time and there is good news."""
        if not self._line.announce_seconds or time.monotonic() < self._announce_at:
            return
        standing = self._standing()
        if standing:
            for prompt in self._promise.next_words(standing, time.monotonic()):
                await self._prompts.play(self._caller, prompt)
            await self._offer_callback(standing)
        self._announce_at = time.monotonic() + self._line.announce_seconds

    async def _offer_callback(self, standing: Standing) -> None:
        words = self._callbacks.words_for(standing) if self._callbacks else ()
        if self._callbacks and words and not self._listener:
            self._caller.party.forget_keys()  # what was pressed before meant something else
            self._listener = asyncio.create_task(self._listen(self._callbacks.key))
        for prompt in words:
            await self._prompts.play(self._caller, prompt)
