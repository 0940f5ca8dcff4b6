"""Who may be an agent: the roster, at the start and at SIGHUP, and what agents wished before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import structlog

from pln_ivr.errors import AriError, ConfigError
from pln_ivr.journal import AgentStateRow, JournalReader
from pln_ivr.queues.agents import Agents, Wish
from pln_ivr.queues.roster import Roster, load_roster

log = structlog.get_logger("pln_ivr.staff")


class Staff:
    """The roster that is in force."""

    def __init__(
        self,
        file: Path,
        skills: Collection[str],
        journal_url: str,
        agents: Agents,
        push: Callable[[Roster], Awaitable[None]],
    ) -> None:
        """`skills`: every one that some queue asks for. `push` has Asterisk know the phones; it
        raises AriError."""
        self._file = file
        self._skills = skills
        self._journal_url = journal_url
        self._agents = agents
        self._push = push
        self.roster: Roster = {}

    def load(self) -> None:
        """Read the roster. Raises RosterError, and then the old one goes on."""
        roster = load_roster(self._file, self._skills)
        self._agents.apply(roster)
        self.roster = roster

    async def reload(self) -> None:
        """SIGHUP: a new roster, without touching calls in progress. Never raises."""
        try:
            self.load()
        except ConfigError as error:
            log.error("roster_refused", error=str(error), effect="the old roster stays")
            return
        log.info("roster_loaded", agents=len(self.roster))
        try:
            await self._push(self.roster)
        except AriError as error:
            log.warning("roster_not_pushed", error=str(error), cure="pushed when reconnected")

    async def restore(self) -> None:
        """What agents wished before a restart they wish again: nobody dials a code twice."""
        for row in await asyncio.to_thread(self._last_states):
            if row.wish in list(Wish):
                self._agents.wish(row.agent, Wish(row.wish), "restart", row.pause)

    def _last_states(self) -> list[AgentStateRow]:
        with JournalReader(self._journal_url) as reader:
            return reader.agent_states()
