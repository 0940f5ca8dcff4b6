"""The whole application against the fake ARI, in one event loop, for tests to watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from pln_ivr.app import App
from pln_ivr.ari import Client, connect
from pln_ivr.ari.client import Timing
from pln_ivr.config import Settings
from pln_ivr.config.agents import Agents, Outbound
from pln_ivr.config.bill import Bill
from pln_ivr.config.callbacks import Callbacks
from pln_ivr.config.menu import Menu
from pln_ivr.config.node import Admission, Ari, Drain, Fallback, Prompts
from pln_ivr.config.outages import Outages
from pln_ivr.config.queues import Queues
from pln_ivr.config.records import Journal, Recordings
from pln_ivr.config.release import Release
from pln_ivr.journal import CallRow, JournalWriter, OfferRow
from pln_ivr.journal.records import AgentStateRow, Row
from pln_ivr.journal.schema import create_engine, parse_url, upgrade
from pln_ivr.metrics import Metrics
from pln_ivr.queues.agents import AgentState, Wish
from pln_ivr.recordings.forms import Codec
from tests.archiving import Inline
from tests.fake_ari.server import PASSWORD, Asked, FakeAri, FakeChannel, Json, fake_ari

ROSTER = """
[[agents]]
extension = "101"
name = "Siti"
skills = ["gangguan"]
secret = "only-a-test"

[[agents]]
extension = "102"
name = "Budi"
skills = ["gangguan"]
secret = "only-a-test"
"""


async def eventually(look: Callable[[], object], what: str, seconds: float = 8.0) -> None:
    """Poll until `look` gives something true; fail the test at the deadline."""
    try:
        async with asyncio.timeout(seconds):
            while not look():  # noqa: ASYNC110 (what is looked at has no event to await)
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"{what}: not within {seconds:g} s")


class Rows:
    """A journal in memory, in a JournalWriter's place."""

    backlog = spooled = overflowed = 0
    failing = False

    def __init__(self) -> None:
        self.all: list[Row] = []
        self.also: Callable[[Row], None] = lambda _: None
        """Called with each row, e.g. to store it where recovery reads."""

    def write(self, row: Row) -> None:
        self.all.append(row)
        self.also(row)

    async def stored(self, seconds: float) -> bool:
        """See JournalWriter."""
        return True

    @property
    def calls(self) -> list[CallRow]:
        return [row for row in self.all if isinstance(row, CallRow)]

    @property
    def begun(self) -> list[OfferRow]:
        """Offers as they were made, or found when an earlier run had made them."""
        first: dict[str, OfferRow] = {}
        for row in self.all:
            if isinstance(row, OfferRow):
                first.setdefault(row.offer_id, row)
        return list(first.values())

    @property
    def offers(self) -> list[OfferRow]:
        """Offers that were settled, in the order in which they were, as they stand now."""
        latest: dict[str, OfferRow] = {}
        for row in self.all:
            if isinstance(row, OfferRow) and row.result:
                latest[row.offer_id] = row
        return list(latest.values())

    @property
    def agents(self) -> list[AgentStateRow]:
        return [row for row in self.all if isinstance(row, AgentStateRow)]


class World:
    """One running application and the fake Asterisk that it serves."""

    def __init__(self, fake: FakeAri, ari: Client, settings: Settings, metrics: Metrics) -> None:
        self.fake = fake
        self.ari = ari
        self.settings = settings
        self.rows = Rows()
        self.metrics = metrics
        filer = Inline(settings.recordings.folder, Codec(settings.recordings.codec))
        self.app = App(settings, ari, cast(JournalWriter, self.rows), metrics, filer)
        self.records = True
        """Whether a recording's file appears when an agent answers."""
        fake.on_originate = self.agent_answers
        fake.on_event = self.hang_up_once_talking

    # -- what agents do --------------------------------------------------------------

    def agent_rings(self, leg: FakeChannel) -> None:
        """The agent's phone rings and rings."""
        self.fake.ringing(leg)

    def agent_answers(self, leg: FakeChannel) -> None:
        """The agent's phone rings and is answered; the dialplan starts the recording."""
        self.fake.ringing(leg)
        self.pick_up(leg)

    def pick_up(self, leg: FakeChannel) -> None:
        """A ringing phone is answered."""
        if self.records:
            name = leg.variables["PLN_RECORDING"]
            raw = self.settings.recordings.spool / f"{name}.raw"
            raw.parent.mkdir(parents=True, exist_ok=True)
            raw.write_bytes(b"\x01\x00\x02\x00" * 8000)
        if leg.id in self.fake.channels:
            self.fake.answer(leg)

    def hang_up_once_talking(self, _number: int, event: Json) -> None:
        """The agent ends each conversation as soon as both are in it."""
        if event["type"] == "ChannelEnteredBridge" and event["bridge"]["id"].startswith("talk-"):
            members = event["bridge"]["channels"]
            if len(members) == 2:
                agent = next(member for member in members if member.startswith("agent-"))
                loop = asyncio.get_running_loop()
                loop.call_later(0.02, self.fake.hang_up, agent)

    def agents_ready(self) -> None:
        """Both agents dialled *11."""
        for extension in ("101", "102"):
            self.app.agents.wish(extension, Wish.READY, "*11")

    # -- what there is to see ----------------------------------------------------------

    def legs(self) -> list[FakeChannel]:
        """The agents' legs that are up or ringing."""
        return [leg for leg in self.fake.channels.values() if leg.id.startswith("agent-")]

    def asked(self, method: str, part: str) -> list[Asked]:
        """Requests of this method with this in their path."""
        return [
            asked for asked in self.fake.requests if asked.method == method and part in asked.path
        ]

    @property
    def stage(self) -> str:
        """The latest stage of the latest call."""
        return self.rows.calls[-1].stage.value if self.rows.calls else ""

    def _is_over(self) -> bool:
        told = bool(self.rows.calls and self.rows.calls[-1].ended_at)
        return told and not self.app.reception.calls

    async def ended(self) -> CallRow:
        """Wait for the only call's end; returns its final row."""
        await eventually(
            self._is_over,
            "the call's end",
        )
        return self.rows.calls[-1]

    async def nothing_left(self) -> CallRow:
        """The only call has ended, and nothing of it is left anywhere. Returns its final row."""
        row = await self.ended()
        await eventually(lambda: not self.fake.channels, f"end of legs {list(self.fake.channels)}")
        talks = [bridge for bridge in self.fake.bridges if bridge.startswith("talk-")]
        assert not talks, "a bridge was left"
        self.nothing_held()
        return row

    def nothing_held(self) -> None:
        """Whatever Asterisk did, we hold nothing of the call and told one story."""
        assert self.app.seats.in_use == 0
        assert self.app.desk.waiting() == {}
        busy = {agent.extension: agent.state for agent in self.app.agents}
        assert not {AgentState.OFFERED, AgentState.TALKING} & set(busy.values()), busy
        assert not [channel for channel in self.fake.ever if self.ari.follows(channel)]
        begun = [row.offer_id for row in self.rows.begun]
        settled = [row.offer_id for row in self.rows.offers]
        assert self.figure("pln_ivr_offer_seconds_count") == len(settled), "settled twice"
        assert all(row.ended_at for row in self.rows.offers)
        assert sorted(begun) == sorted(settled), "an offer was not settled"
        terminal = [row for row in self.rows.calls if row.ended_at]
        assert len({(row.outcome, row.reason, row.ended_at) for row in terminal}) == 1
        assert self.figure("pln_ivr_calls_total") == 1
        assert [row.sequence for row in self.rows.calls] == list(
            range(1, len(self.rows.calls) + 1)
        ), "a row was lost or told twice"

    def figure(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.metrics.render().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name}{{", f"{name} "))
        )


def _roster(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    roster = folder / "roster.toml"
    roster.write_text(ROSTER)
    return roster


@asynccontextmanager
async def world(
    folder: Path,
    *,
    request_seconds: float = 5.0,
    watchdog_seconds: float = 60.0,
    agents: Agents | None = None,
    recordings: Recordings | None = None,
    capacity: int = 10,
    drain: Drain | None = None,
    menu: Menu | None = None,
    queues: Queues | None = None,
    outages: Outages | None = None,
    outbound: Outbound | None = None,
    callbacks: Callbacks | None = None,
    bill: Bill | None = None,
    release: Release | None = None,
    before: Callable[[World], None] = lambda _: None,
) -> AsyncIterator[World]:
    """A world whose application is connected and whose two agents are ready.

    `before` is called before it connects, for what an earlier run has left behind.
    """
    roster = _roster(folder)
    async with fake_ari() as fake:
        settings = Settings(
            ari=Ari(
                url=fake.url,
                password=SecretStr(PASSWORD),
                request_seconds=request_seconds,
                watchdog_seconds=watchdog_seconds,
                reconnect_max_seconds=0.1,
            ),
            admission=Admission(capacity=capacity),
            agents=(agents or Agents()).model_copy(update={"roster": roster}),
            recordings=(recordings or Recordings(confirm_seconds=1.0)).model_copy(
                update={"spool": folder / "spool", "folder": folder / "archive"}
            ),
            prompts=Prompts(folder=folder, margin_seconds=request_seconds),
            journal=Journal(url=f"sqlite:///{folder}/journal.db", spool=folder / "journal-spool"),
            fallback=Fallback(calls=folder / "calls.csv"),
            drain=drain or Drain(),
            queues=queues or Queues(),
            menu=menu or Menu(entry=""),
            outages=outages or Outages(),
            outbound=outbound or Outbound(),
            callbacks=callbacks or Callbacks(),
            bill=bill or Bill(),
            release=release or Release(),
        )
        upgrade(create_engine(parse_url(settings.journal.url)))
        ari = settings.ari
        metrics = Metrics()
        async with connect(
            ari.url,
            user=ari.user,
            password=PASSWORD,
            app=ari.app,
            meter=metrics,
            timing=Timing(ari.request_seconds, ari.watchdog_seconds, ari.reconnect_max_seconds),
        ) as client:
            world = World(fake, client, settings, metrics)
            world.app.staff.load()
            world.agents_ready()
            await world.app.bulletin.look()
            before(world)
            parts = (
                world.app.recorder.run(),
                world.app.desk.run(),
                world.app.reception.run(),
                world.app.phone_watch.run(),
                world.app.guests.run(),
                world.app.floor.run(),
                world.app.reports.run(),
                world.app.callbacks.run(),
                world.app.calling_back.run(),
                world.app.bills.run(),
                client.run(world.app),
            )
            running = [asyncio.create_task(part) for part in parts]
            try:
                await eventually(lambda: client.ready, "connection")
                fake.count_from_here()
                yield world
            finally:
                *rest, connection = running
                for task in rest:  # calls that are up are hung up, over the connection
                    task.cancel()
                ends = await asyncio.gather(*rest, return_exceptions=True)
                connection.cancel()
                ends += await asyncio.gather(connection, return_exceptions=True)
            crashes = [end for end in ends if isinstance(end, Exception)]
            assert not crashes, "a part of the application ended by a bug"
