"""Short codes from the agents' phones.

*10          logged out           *11       ready
*12, *12N    paused, for reason N  *13N      what the last conversation came to
*14          call the customer of the last conversation
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriError, Gone, OrderRefused
from pln_ivr.queues.agents import Agents, Wish
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.phones import PjsipPhones

log = structlog.get_logger("pln_ivr.codes")

_WISHES = {"*10": Wish.LOGGED_OUT, "*11": Wish.READY, "*12": Wish.PAUSED}
_PAUSED_FOR, _DISPOSITION, _CALL_OUT = "*12", "*13", "*14"
_PROMPTS = {
    Wish.LOGGED_OUT: "agent-logged-out",
    Wish.READY: "agent-ready",
    Wish.PAUSED: "agent-away",
}
NOTED, UNKNOWN = "agent-noted", "agent-unknown"

MISSED = "CODES"
"""The dialplan's global variable for codes dialled while nobody served them."""

_MISSED_CODE = re.compile(r"(\*[0-9]{2,3})(ag-[0-9]+)")


@dataclass(frozen=True, slots=True)
class Words:
    """What the last digit of a code means: the config's words for pauses and dispositions."""

    pauses: Mapping[str, str]
    dispositions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an agent says with a code: a wish, what a conversation came to, or whom to call."""

    wish: Wish | None = None
    pause: str = ""
    disposition: str | None = None
    call_out: bool = False

    @property
    def needs_the_phone(self) -> bool:
        """Can be carried out only when the phone is free again to ring."""
        return self.wish is Wish.READY or self.call_out

    @property
    def prompt(self) -> str:
        """What the agent hears."""
        return _PROMPTS[self.wish] if self.wish else NOTED


def meaning(code: str, words: Words) -> Meaning | None:
    """What a code means; None if it means nothing."""
    if code in _WISHES:
        return Meaning(_WISHES[code])
    if code == _CALL_OUT:
        return Meaning(call_out=True)
    head, digit = code[:-1], code[-1:]
    if head == _PAUSED_FOR and digit in words.pauses:
        return Meaning(Wish.PAUSED, words.pauses[digit])
    if head == _DISPOSITION and digit in words.dispositions:
        return Meaning(disposition=words.dispositions[digit])
    return None


class AgentCodes:
    """Serves an agent who dialled a code: changes the state, says so, hangs up."""

    def __init__(
        self,
        ari: Client,
        prompts: Prompts,
        agents: Agents,
        desk: Desk,
        words: Words,
        call_out: Callable[[str], Awaitable[str]],
    ) -> None:
        """`call_out` has an agent call the customer of the last conversation; it raises
        OrderRefused and AriError."""
        self._ari = ari
        self._prompts = prompts
        self._agents = agents
        self._desk = desk
        self._words = words
        self._call_out = call_out

    async def catch_up(self) -> None:
        """Learn what agents dialled while this program was away: *11ag-101,*121ag-102. Nobody
        is called so late. Raises AriError."""
        dialled = await self._ari.get_global(MISSED)
        if dialled:
            await self._ari.set_global(MISSED, "")
        for word in filter(None, dialled.split(",")):
            found = _MISSED_CODE.fullmatch(word)
            extension = PjsipPhones.extension_of(found[2]) if found else None
            said = meaning(found[1], self._words) if found else None
            if extension and said:
                self._carry_out(extension, said, word)

    async def serve(self, phone: Channel, code: str, endpoint: str) -> None:
        """One visit. Never raises; what the agent said holds even if they hang up early.

        What needs the phone is done when it is free again to ring, everything else at once.
        """
        extension = PjsipPhones.extension_of(endpoint) or ""
        agent = self._agents.get(extension)
        said = meaning(code, self._words) if agent and agent.on_roster else None
        later = said is not None and said.needs_the_phone
        if said and not later:
            self._carry_out(extension, said, code)
        try:
            async with phone.present():
                await self._ari.answer(phone.id)
                await self._prompts.play(phone, said.prompt if said else UNKNOWN)
        except Gone:
            pass
        except AriError as error:
            log.warning("code_not_confirmed", agent=extension, error=str(error))
        try:
            await self._ari.hang_up(phone.id)
            await phone.until_destroyed(2.0)
        except AriError as error:
            log.warning("phone_not_hung_up", agent=extension, error=str(error))
        finally:
            phone.close()
            if said and later:
                self._carry_out(extension, said, code)
        if said and said.call_out:
            await self._place_call(extension)

    async def _place_call(self, extension: str) -> None:
        try:
            await self._call_out(extension)
        except (OrderRefused, AriError) as error:
            log.info("call_refused", agent=extension, error=str(error))

    def _carry_out(self, extension: str, said: Meaning, code: str) -> None:
        if said.wish is not None:
            self._agents.wish(extension, said.wish, code, said.pause)
        if said.wish is Wish.READY or said.disposition:
            self._desk.end_wrap_up(extension, said.disposition, code)
