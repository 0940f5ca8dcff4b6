"""What an earlier run of the program has left behind: channels, bridges, rows of the journal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pln_ivr.config.queues import Queues
from pln_ivr.journal import CallRow, OfferRow, Row, schema, tables
from pln_ivr.outcomes import Stage
from pln_ivr.queues.agents import Wish
from tests.fake_ari.server import APP, FakeAri, FakeChannel
from tests.fake_ari.world import World, eventually

NODE = "pln-1"
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
CALL, OFFER, CALLER, LEG = "call-1", "offer-1", "caller-1", "agent-offer-1"
RECORDING = "2026/11/23/call-1/offer-1"


def row(**changes: Any) -> CallRow:
    """A call that was up, and waiting, when the earlier run died."""
    made = CallRow(
        call_id=CALL,
        sequence=4,
        node=NODE,
        incarnation="earlier-run",
        channel_id=CALLER,
        caller="0812",
        dialled="123",
        stage=Stage.WAITING,
        started_at=BEGAN,
        answered_at=BEGAN,
        notice_heard_at=BEGAN + timedelta(seconds=9),
        queued_at=BEGAN + timedelta(seconds=9),
        queue="gangguan",
    )
    return dataclasses.replace(made, **changes)


def talking(**changes: Any) -> CallRow:
    """A call that was in conversation then."""
    now = {
        "stage": Stage.TALKING,
        "agent": "101",
        "talking_at": datetime.now(UTC) - timedelta(seconds=1),
        "recording": f"archive:{RECORDING}",
    }
    return row(**(now | changes))


def offer(**changes: Any) -> OfferRow:
    """The offer of an agent to that call, of which the journal knows no end."""
    made = OfferRow(
        offer_id=OFFER,
        call_id=CALL,
        sequence=1,
        node=NODE,
        queue="gangguan",
        agent="101",
        offered_at=BEGAN + timedelta(seconds=20),
    )
    return dataclasses.replace(made, **changes)


def store(folder: Path, *rows: Row) -> None:
    """Write the journal that the world of this folder reads."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = schema.create_engine(schema.parse_url(f"sqlite:///{folder}/journal.db"))
    schema.upgrade(engine)
    with engine.begin() as connection:
        for one in rows:
            table = tables.TABLES[type(one)]
            connection.execute(schema.upsert(table, "sqlite"), dataclasses.asdict(one))
    engine.dispose()


def caller(fake: FakeAri, bridge: str = "", channel_id: str = CALLER) -> FakeChannel:
    """A caller whom the application had answered, in a bridge if one is named."""
    channel = FakeChannel(channel_id, "Up", caller="0812", app_data=f"{APP},call,123")
    _put(fake, channel, bridge)
    return channel


def leg(fake: FakeAri, bridge: str = "", channel_id: str = LEG) -> FakeChannel:
    """An agent's leg that has answered."""
    channel = FakeChannel(
        channel_id,
        "Up",
        app_data=f"{APP},agent,x.raw",
        context="agent-answered",
        name="PJSIP/ag-101-00000001",
    )
    _put(fake, channel, bridge)
    return channel


def outside(fake: FakeAri, channel_id: str = CALLER) -> FakeChannel:
    """A caller whom the dialplan serves."""
    channel = FakeChannel(channel_id, "Up", caller="0812", context="fallback")
    fake.add(channel)
    return channel


def conversation(w: World) -> None:
    """Caller and agent talk, and are recorded; nobody hangs up by themselves."""
    w.fake.on_event = lambda *_: None
    caller(w.fake, f"talk-{CALL}")
    leg(w.fake, f"talk-{CALL}")
    raw = w.settings.recordings.spool / f"{RECORDING}.raw"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(b"\x01\x00\x02\x00" * 8000 * 2)


def in_line(w: World) -> None:
    """A caller hears music, and no agent is ready."""
    nobody_ready(w)
    caller(w.fake, "wait-gangguan")


def nobody_ready(w: World) -> None:
    """Both agents dialled *12."""
    for extension in ("101", "102"):
        w.app.agents.wish(extension, Wish.PAUSED, "*12")


def _put(fake: FakeAri, channel: FakeChannel, bridge: str) -> None:
    fake.add(channel)
    channel.bridge = bridge
    if bridge:
        fake.bridges.setdefault(bridge, "holding" if bridge.startswith("wait-") else "mixing")


ROOMS = {f"wait-{name}" for name in Queues().names}
"""The waiting rooms of the queues as they are by default."""


async def disconnect(w: World) -> int:
    """Break the connection and keep it broken; how many there have been until now."""
    w.fake.refuses_websocket = True
    connections = w.fake.connections
    w.fake.cut()
    await eventually(lambda: not w.ari.ready and not w.fake.sockets, "the loss of the connection")
    return connections


async def reconnect(w: World, connections: int) -> None:
    """Let it be made again."""
    w.fake.refuses_websocket = False
    await eventually(lambda: w.fake.connections > connections and w.ari.ready, "the reconnection")


def seats(w: World) -> frozenset[str]:
    """Who has a seat."""
    return w.app.seats.held()


def agent_state(w: World, extension: str = "101") -> str:
    """What the agent is doing."""
    agent = w.app.agents.get(extension)
    assert agent
    return agent.state.value
