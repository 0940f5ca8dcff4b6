"""Announcing: each caller hears each statement that is live once, wherever in the visit they are
when it goes live, until they talk with somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
import uuid_utils

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.call import Call
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriError, AriTimeout, AriUnavailable
from pln_ivr.journal import HearingRow
from pln_ivr.outages.bulletin import Bulletin, prompt_of

log = structlog.get_logger("pln_ivr.announcing")

UNTIL = "STATEMENT_UNTIL"
"""The dialplan's global variable for the end of what it plays as pln/statement."""

MARGIN_SECONDS = 15.0
"""Of the lease, past the length of a statement: what requests may take."""


async def tell_fallback(bulletin: Bulletin, ari: Client) -> None:
    """Have Asterisk know how long it may say by itself what is live: nobody hears what is over,
    whoever is there to stop it. Raises AriError."""
    await ari.set_global(UNTIL, str(bulletin.ends_at()))


async def keep_fallback_told(bulletin: Bulletin, ari: Client) -> None:
    """The same at each change, until cancelled. After each connection it must be told anew."""
    while True:
        await bulletin.until_changed()
        try:
            await tell_fallback(bulletin, ari)
        except AriError as error:
            log.info("fallback_not_told", error=str(error))


class Announcing:
    """Has callers hear what is live."""

    def __init__(
        self,
        bulletin: Bulletin,
        ari: Client,
        prompts: Prompts,
        node: str,
        tell: Callable[[HearingRow], None],
    ) -> None:
        self._bulletin = bulletin
        self._ari = ari
        self._prompts = prompts
        self._node = node
        self._tell = tell

    def news(self, call: Call, caller: Channel) -> News:
        """What there is for one caller."""
        return News(self, self._bulletin, call, caller)

    async def say(self, call: Call, caller: Channel, version: int) -> None:
        """Have one caller hear one version, and note that they did. Raises AriError: Gone and
        what means that it must be said again. A prompt that fails counts as said."""
        prompt = prompt_of(version)
        seconds = self._prompts.seconds(prompt, caller.language) + MARGIN_SECONDS
        await self._ari.lease(caller.id, round(seconds))
        began_at, whole = datetime.now(UTC), False
        try:
            whole = await self._prompts.play(caller, prompt, in_turn=True)
        except (AriUnavailable, AriTimeout):
            raise
        except BaseException:
            self._heard(call, version, began_at, whole)
            raise
        self._heard(call, version, began_at, whole)

    def _heard(self, call: Call, version: int, began_at: datetime, whole: bool) -> None:
        call.statement = version
        self._tell(
            HearingRow(
                hearing_id=str(uuid_utils.uuid7()),
                sequence=1,
                node=self._node,
                call_id=call.id,
                version=version,
                stage=call.stage,
                began_at=began_at,
                whole=whole,
            )
        )


class News:
    """What is live and one caller has not heard."""

    def __init__(
        self, announcing: Announcing, bulletin: Bulletin, call: Call, caller: Channel
    ) -> None:
        self._announcing = announcing
        self._bulletin = bulletin
        self._call = call
        self._caller = caller

    @property
    def pending(self) -> bool:
        """Whether there is anything."""
        return bool(self._bulletin.unheard(self._call.statement))

    async def tell(self) -> bool:
        """Have the caller hear all of it; false if there was nothing. See Announcing.say."""
        told = False
        while news := self._bulletin.unheard(self._call.statement):
            await self._announcing.say(self._call, self._caller, news[0].version)
            told = True
        return told

    async def wait(self, seconds: float) -> None:
        """Return when there is something, or after so long. Safe to cancel."""
        try:
            async with asyncio.timeout(seconds):
                while not self.pending:
                    await self._bulletin.until_changed()
        except TimeoutError:
            return
