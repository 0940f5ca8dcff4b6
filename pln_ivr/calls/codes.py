"""Short codes from the agents' phones: *11 ready, *12 away."""

from __future__ import annotations

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriError, Gone
from pln_ivr.queues.agents import Agents
from pln_ivr.queues.phones import PjsipPhones

log = structlog.get_logger("pln_ivr.codes")

WISHES = {"*11": True, "*12": False}
"""Code to "wants calls". The dialplan's context from-agents knows the same codes."""


MISSED = "CODES"
"""The dialplan's global variable for codes dialled while nobody served them."""


class AgentCodes:
    """Serves an agent who dialled a code: changes the state, says so, hangs up."""

    def __init__(self, ari: Client, prompts: Prompts, agents: Agents) -> None:
        self._ari = ari
        self._prompts = prompts
        self._agents = agents

    async def catch_up(self) -> None:
        """Learn what agents dialled while this program was away: *11ag-101,*12ag-102. Raises
        AriError."""
        dialled = await self._ari.get_global(MISSED)
        if dialled:
            await self._ari.set_global(MISSED, "")
        for word in filter(None, dialled.split(",")):
            code, extension = word[:3], PjsipPhones.extension_of(word[3:])
            if code in WISHES and extension:
                self._agents.wish(extension, WISHES[code], code)

    async def serve(self, phone: Channel, code: str, endpoint: str) -> None:
        """One visit. Never raises; what the agent wished holds even if they hang up early.

        Away holds at once, ready when the phone is free again to ring.
        """
        extension = PjsipPhones.extension_of(endpoint) or ""
        agent = self._agents.get(extension)
        known = agent is not None and agent.on_roster and code in WISHES
        wants_calls = WISHES.get(code, False)
        if known and not wants_calls:
            self._agents.wish(extension, False, code)
        prompt = ("agent-ready" if wants_calls else "agent-away") if known else "agent-unknown"
        try:
            async with phone.present():
                await self._ari.answer(phone.id)
                await self._prompts.play(phone, prompt)
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
            if known and wants_calls:
                self._agents.wish(extension, True, code)
