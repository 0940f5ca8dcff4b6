"""Asking a caller who has no agent yet: what is said is cut short by a key, and the key taken."""

from __future__ import annotations

from collections.abc import Iterable

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.prompts import Prompts

LATE = "#"
"""Ends a number; pressed a moment too late it is no answer to what is asked next."""

MARGIN_SECONDS = 15.0
"""Of the lease, past what is said and the time to press a key: what requests may take."""


class Asking:
    """Says prompts and listens. All of it is said again after a lost connection, raises Gone and
    AriError, and is safe to cancel."""

    def __init__(self, ari: Client, prompts: Prompts) -> None:
        self._ari = ari
        self._prompts = prompts

    async def ask(
        self, caller: Channel, words: Iterable[str], seconds: float, lease: float = 0.0
    ) -> str | None:
        """The key that was pressed, before, while or after the words were said; None if there was
        none within `seconds` of the last word. The lease lasts for `lease` seconds more."""
        words = tuple(words)
        pressed_ahead = caller.party.pressed
        await self._prompts.see_through(caller, lambda: self._say(caller, words, seconds + lease))
        key = await caller.next_key_within(seconds)
        if pressed_ahead and lease:  # then nothing was said, with which it is asked for
            await self.lease(caller, lease)
        return key

    async def confirm(self, caller: Channel, words: Iterable[str], seconds: float) -> str | None:
        """The key by which the caller says whether a number is right; asked twice of who says
        nothing, and of who presses the hash that should have ended the number."""
        words = tuple(words)
        for _ in range(2):
            key = await self.ask(caller, words, seconds)
            if key not in (None, LATE):
                return key
        return None

    async def tell(self, caller: Channel, words: Iterable[str]) -> None:
        """Say it until a key is pressed."""
        words = tuple(words)
        await self._prompts.see_through(caller, lambda: self._say(caller, words, 0.0))

    async def lease(self, caller: Channel, seconds: float) -> None:
        """Have the caller for so long, and what requests may take."""
        await self._prompts.see_through(
            caller, lambda: self._ari.lease(caller.id, round(seconds + MARGIN_SECONDS))
        )

    async def _say(self, caller: Channel, words: tuple[str, ...], listening: float) -> None:
        if caller.party.pressed:
            return
        said = sum(self._prompts.seconds(word, caller.language) for word in words)
        await self._ari.lease(caller.id, round(said + listening + MARGIN_SECONDS))
        for word in words:
            if caller.party.pressed:
                return
            await self._prompts.play(caller, word, barge_in=True)
