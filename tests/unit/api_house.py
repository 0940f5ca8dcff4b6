"""A house for the API's tests: it notes what is ordered and refuses what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pln_ivr.console import examples
from pln_ivr.console.api import build
from pln_ivr.console.auth import Denial, Principal
from pln_ivr.console.callbacks import CallbackView
from pln_ivr.console.feed import Feed
from pln_ivr.console.routes import Api
from pln_ivr.console.views import (
    AgentView,
    ConversationView,
    FlagView,
    IncidentFilters,
    IncidentView,
    OutageView,
    QueueView,
    StatementDraft,
    StatementView,
    WaitingView,
)
from pln_ivr.console.views_recordings import (
    AccessView,
    Opened,
    RecordingFilters,
    RecordingView,
)
from pln_ivr.journal import RecordingRow
from pln_ivr.journal.tokens import Role
from pln_ivr.outcomes import Review, Supervision

TOKENS = {
    "agents": Principal("siti", Role.AGENT, "101"),
    "supervisors": Principal("budi", Role.SUPERVISOR, "201"),
    "operators": Principal("node-red", Role.OPERATOR),
}
SOUND = b"OggS, and what follows"
ROW = RecordingRow(
    recording_id="r-1",
    sequence=1,
    node="pln-1",
    call_id="c-1",
    offer_id="r-1",
    queue="gangguan",
    agent="101",
    began_at=examples.TIME,
    filed_at=examples.TIME,
    codec="opus",
    uri="archive:2026/11/26/c-1/r-1.opus",
    bytes=len(SOUND),
    seconds=1.0,
    sha256="ab" * 32,
)
Client = TestClient[web.Request, web.Application]


def shown(token: str) -> dict[str, str]:
    """The headers of who has this token; none for nobody."""
    return {"Authorization": f"Bearer {token}"} if token else {}


@dataclass
class House:
    """A Floor, an Evidence, and whose tokens there are."""

    orders: list[tuple[Any, ...]] = field(default_factory=list)
    denied: list[Denial] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    tokens: dict[str, Principal] = field(default_factory=lambda: dict(TOKENS))
    tokens_fault: Exception | None = None
    """Raised by the look-up of tokens from now on."""
    slow: int = 0
    fault: Exception | None = None
    """Raised by everything from now on."""

    def __post_init__(self) -> None:
        self.feed = Feed(self._count_slow)

    def _count_slow(self) -> None:
        self.slow += 1

    @property
    def api(self) -> Api:
        return Api(
            floor=self,
            evidence=self,
            statements=self,
            outages=Dark(self),
            callbacks=Wishes(self),
            replay=Shelf(self),
            feed=self.feed,
            find=self.find,
            on_denied=self.denied.append,
            version="0.1.0",
        )

    async def find(self, token: str) -> Principal | None:
        self.looked_up.append(token)
        if self.tokens_fault is not None:
            raise self.tokens_fault
        return self.tokens.get(token)

    def _note(self, *order: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.orders.append(order)

    # -- Floor ---------------------------------------------------------------------------

    def agents(self) -> list[AgentView]:
        self._note("agents")
        return [examples.AGENT]

    def queues(self) -> list[QueueView]:
        self._note("queues")
        return [examples.QUEUE]

    def waiting(self) -> list[WaitingView]:
        self._note("waiting")
        return [examples.WAITING]

    def conversations(self) -> list[ConversationView]:
        self._note("conversations")
        return [examples.CONVERSATION]

    def flags(self) -> list[FlagView]:
        self._note("flags")
        return [examples.FLAG]

    async def set_wish(self, extension: str, wish: str, pause: str, by: str) -> None:
        self._note("set_wish", extension, wish, pause, by)

    async def wrap_up(self, extension: str, disposition: str | None, by: str) -> None:
        self._note("wrap_up", extension, disposition, by)

    async def call_out(self, extension: str) -> str:
        self._note("call_out", extension)
        return examples.CALL_ID

    async def hold(self, extension: str, on: bool) -> None:
        self._note("hold", extension, on)

    async def pause_recording(self, extension: str, on: bool, by: str) -> None:
        self._note("pause_recording", extension, on, by)

    async def transfer(self, extension: str, target_kind: str, target: str, attended: bool) -> None:
        self._note("transfer", extension, target_kind, target, attended)

    async def complete_transfer(self, extension: str) -> None:
        self._note("complete_transfer", extension)

    async def cancel_transfer(self, extension: str) -> None:
        self._note("cancel_transfer", extension)

    async def raise_flag(self, extension: str) -> str:
        self._note("raise_flag", extension)
        return examples.FLAG_ID

    async def lower_flag(self, extension: str) -> None:
        self._note("lower_flag", extension)

    async def take_flag(self, flag_id: str, supervisor: str, ordered_by: str) -> None:
        self._note("take_flag", flag_id, supervisor, ordered_by)

    async def supervise(
        self, call_id: str, supervisor: str, mode: Supervision, ordered_by: str
    ) -> None:
        self._note("supervise", call_id, supervisor, mode, ordered_by)

    async def end_supervision(self, supervisor: str, ordered_by: str) -> None:
        self._note("end_supervision", supervisor, ordered_by)

    # -- Statements ------------------------------------------------------------------------

    async def live(self) -> list[StatementView]:
        self._note("live")
        return [examples.STATEMENT]

    async def last(self, limit: int) -> list[StatementView]:
        self._note("last", limit)
        return [examples.STATEMENT]

    async def one(self, version: int) -> StatementView:
        self._note("one", version)
        return examples.STATEMENT

    async def draft(self, wanted: StatementDraft, by: str) -> StatementView:
        self._note("draft", wanted, by)
        return examples.STATEMENT

    async def approve(self, version: int, by: str) -> StatementView:
        self._note("approve", version, by)
        return examples.STATEMENT

    async def publish(self, version: int, by: str) -> StatementView:
        self._note("publish", version, by)
        return examples.STATEMENT

    async def renew(self, version: int, until: datetime, by: str) -> StatementView:
        self._note("renew", version, until, by)
        return examples.STATEMENT

    async def withdraw(self, version: int, note: str, by: str) -> StatementView:
        self._note("withdraw", version, note, by)
        return examples.STATEMENT

    # -- Evidence ------------------------------------------------------------------------

    async def incidents(self, filters: IncidentFilters) -> list[IncidentView]:
        self._note("incidents", filters)
        return [examples.INCIDENT]

    async def incident(self, incident_id: str) -> IncidentView:
        self._note("incident", incident_id)
        return examples.INCIDENT

    async def review(
        self, incident_id: str, review: Review, reviewer: str, note: str, again: bool
    ) -> IncidentView:
        self._note("review", incident_id, review, reviewer, note, again)
        return examples.INCIDENT


class Dark:
    """Outages that note what they are asked in their house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def outages(self) -> list[OutageView]:
        self._house._note("outages")
        return [examples.OUTAGE]

    async def restore(self, areas: Collection[str], reports: Collection[str], by: str) -> int:
        self._house._note("restore", areas, reports, by)
        return 212


class Wishes:
    """Callbacks that note what they are asked in their house."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def callbacks(self, limit: int, waiting: bool) -> list[CallbackView]:
        self._house._note("callbacks", limit, waiting)
        return [examples.CALLBACK]

    async def cancel(self, callback_id: str, by: str) -> None:
        self._house._note("cancel", callback_id, by)


class Shelf:
    """A Replay that notes what it is asked in its house."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def find(self, filters: RecordingFilters) -> list[RecordingView]:
        self._house._note("find", filters)
        return [examples.RECORDING]

    async def recording(self, recording_id: str) -> RecordingView:
        self._house._note("recording", recording_id)
        return examples.RECORDING

    async def accesses(self, recording_id: str) -> list[AccessView]:
        self._house._note("accesses", recording_id)
        return [examples.ACCESS]

    async def play(self, recording_id: str, who: str, role: str, reason: str) -> Opened:
        self._house._note("play", recording_id, who, role, reason)
        return Opened(ROW, Tape())


class Tape:
    """A recording's file of a few bytes."""

    length = len(SOUND)

    def read(self, start: int, length: int) -> bytes:
        return SOUND[start : start + length]


@asynccontextmanager
async def served(house: House, api: Api | None = None) -> AsyncIterator[Client]:
    """The house's API, or this one, below /api, as serve() mounts it."""
    app = web.Application()
    app.add_subapp("/api", build(api or house.api))
    server = TestServer(app)
    async with TestClient(server) as client:
        assert server.runner is not None
        assert server.runner.server is not None
        server.runner.server.handler_cancellation = False  # as it is in serve()
        yield client


@asynccontextmanager
async def house() -> AsyncIterator[tuple[House, Client]]:
    """A new house and somebody who asks it."""
    made = House()
    async with served(made) as client:
        yield made, client
