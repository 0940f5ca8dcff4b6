"""A house that calls customers back, and their telephones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pln_ivr.config.agents import Agents, Outbound
from pln_ivr.config.callbacks import Callbacks
from pln_ivr.config.menu import Menu, MenuKey
from pln_ivr.journal import schema, tables
from pln_ivr.journal.callbacks import CallbackRow, row_of
from pln_ivr.outcomes import CallbackEnd, CallbackResult
from pln_ivr.queues.agents import Wish
from tests.fake_ari.server import Asked, FakeChannel
from tests.fake_ari.world import World, eventually, world

NUMBER = "081234567890"
"""What the fake's callers show by default."""

SOON = 0.3
ALWAYS = Callbacks(begins="00:00", ends="23:59", pause_minutes=0.001, machine_seconds=0.001)
OUT = Outbound(gateway="192.0.2.1", ring_seconds=5.0)


def menu(seconds: float = SOON) -> Menu:
    """The default one, with a key to be called back."""
    made = Menu()
    main = made.menus["utama"]
    keys = main.keys | {"8": MenuKey(do="callback")}
    pages = made.menus | {"utama": main.model_copy(update={"keys": keys})}
    return made.model_copy(update={"menus": pages, "no_input_seconds": seconds})


@dataclass
class Customers:
    """What customers' telephones do: answers, silent, busy, unknown or trunk."""

    w: World
    does: str = "answers"
    presses: Mapping[str, str] = field(default_factory=dict)
    """What is pressed when a prompt is begun, by its name."""
    calls: list[FakeChannel] = field(default_factory=list)

    def dialled(self, channel: FakeChannel) -> None:
        """A channel is being dialled: a customer's, or an agent's."""
        fake = self.w.fake
        if not channel.id.startswith("out-"):
            self.w.agent_answers(channel)
            return
        self.calls.append(channel)
        match self.does:
            case "answers":
                channel.state = "Up"
                fake.send("ChannelStateChange", channel=channel.json())
                fake.enter_app(channel, "called")
            case "silent":
                fake.ringing(channel)
            case "busy":
                fake.hang_up(channel.id, cause=17, tech_cause=486)
            case "unknown":
                fake.hang_up(channel.id, cause=1, tech_cause=404)
            case "trunk":
                fake.hang_up(channel.id, cause=34, tech_cause=503)

    def hears(self, asked: Asked) -> None:
        """A prompt is begun."""
        name = asked.query.get("media", "").removeprefix("sound:pln/")
        channel = asked.path.split("/")[1] if "/play/" in asked.path else ""
        keys = self.presses.get(name)
        if keys and channel.startswith("out-") and channel in self.w.fake.channels:
            self.w.fake.press(channel, keys)


@asynccontextmanager
async def house(
    folder: Path, seconds: float = SOON, callbacks: Callbacks = ALWAYS, **options: Any
) -> AsyncIterator[World]:
    """One that calls back, with two agents at work and nobody in it."""

    def with_trunk(w: World) -> None:
        w.fake.endpoints["trunk-1"] = "online"

    options.setdefault("outbound", OUT)
    options.setdefault("agents", Agents(wrap_up_seconds=0.0))
    options.setdefault("before", with_trunk)
    async with world(folder, menu=menu(seconds), callbacks=callbacks, **options) as w:
        await eventually(lambda: w.app.callbacks.is_open, "the callbacks' journal")
        yield w


def customers(w: World, does: str = "answers", **presses: str) -> Customers:
    """The customers' telephones of this house, from now on."""
    made = Customers(w, does, {name.replace("_", "-"): keys for name, keys in presses.items()})
    w.fake.on_originate, w.fake.carried_out = made.dialled, made.hears
    return made


def nobody_works(w: World) -> None:
    """Both agents rest: what is noted stays noted."""
    for extension in ("101", "102"):
        w.app.agents.wish(extension, Wish.PAUSED, "*12")


def somebody_works(w: World) -> None:
    """One agent is back."""
    w.app.agents.wish("101", Wish.READY, "*11")


def callbacks(w: World) -> list[CallbackRow]:
    """As the journal has them, oldest first."""
    engine = schema.create_engine(schema.parse_url(w.settings.journal.url))
    with engine.connect() as connection:
        query = sa.select(tables.callbacks).order_by(tables.callbacks.c.asked_at)
        rows = [row_of(dict(row)) for row in connection.execute(query).mappings()]
    engine.dispose()
    return rows


def ends(w: World) -> dict[str, float]:
    """How wishes to be called back ended."""
    name = "pln_ivr_callbacks_asked_total"
    return {end: count for end in CallbackEnd if (count := w.figure(f'{name}{{end="{end}"}}'))}


def attempts(w: World) -> dict[str, float]:
    """What attempts came to."""
    name = "pln_ivr_callback_attempts_total"
    return {
        result: count
        for result in CallbackResult
        if (count := w.figure(f'{name}{{result="{result}"}}'))
    }


async def asked_back(w: World, keys: str = "81", caller: str = "caller-1", **call: str) -> None:
    """A caller presses this in the menu, and the visit is over."""
    w.fake.call(caller, **call)
    w.fake.press(caller, keys)
    await eventually(lambda: caller in w.fake.ever and caller not in w.fake.channels, "the end")
    await eventually(lambda: not w.app.reception.calls, "the call's end")
