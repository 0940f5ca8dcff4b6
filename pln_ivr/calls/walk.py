"""A caller's way through the menu: what the pure menu says is said, and keys are listened for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.call import Call
from pln_ivr.calls.menu import Leave, Listen, Menu, begin, follow
from pln_ivr.calls.prompts import Prompts
from pln_ivr.outcomes import MenuEnd

MARGIN_SECONDS = 15.0
"""Of the lease, past what is said and the time to press a key: what requests may take."""


class MenuWalk:
    """Leads callers through the menu."""

    def __init__(
        self,
        menu: Menu,
        ari: Client,
        prompts: Prompts,
        on_choice: Callable[[str, str], None],
    ) -> None:
        """`on_choice` is told of a page's name and of the word for what was chosen there."""
        self._menu = menu
        self._ari = ari
        self._prompts = prompts
        self._on_choice = on_choice

    async def lead(self, call: Call, caller: Channel) -> Leave:
        """From the first menu to the caller's leaving it. What is chosen is noted in the call.

        Keys that were pressed before count: who knows the menu need not hear it. What is said is
        said again after a lost connection. Raises Gone, AriError. Safe to cancel.
        """
        call.menu_path, call.menu_end = "", None
        step: Listen | Leave = begin(self._menu)
        while isinstance(step, Listen):
            page = self._menu.pages[step.at.page]
            caller.language = call.language = page.language
            key = await self._ask(caller, step.words)
            step = follow(self._menu, step.at, key)
            path = step.at.path if isinstance(step, Listen) else step.path
            self._on_choice(page.name, path[-1])
            call.menu_path = "/".join(path)
            if path[-1] == MenuEnd.INVALID:
                caller.party.forget_keys()  # what was pressed with it was no choice either
        call.menu_end, caller_hears = step.end, step.words
        await self._prompts.see_through(caller, lambda: self._say(caller, caller_hears, 0.0))
        caller.party.forget_keys()
        return step

    async def _ask(self, caller: Channel, words: tuple[str, ...]) -> str | None:
        """The key that was pressed, None if there was none in time."""
        seconds = self._menu.no_input_seconds
        await self._prompts.see_through(caller, lambda: self._say(caller, words, seconds))
        return await caller.next_key_within(seconds)

    async def _say(self, caller: Channel, words: Iterable[str], listening: float) -> None:
        """Say it until a key is pressed; the lease lasts until that has been listened for."""
        if caller.party.pressed:
            return
        said = sum(self._prompts.seconds(word, caller.language) for word in words)
        await self._ari.lease(caller.id, round(said + listening + MARGIN_SECONDS))
        for word in words:
            if caller.party.pressed:
                return
            await self._prompts.play(caller, word, barge_in=True)
