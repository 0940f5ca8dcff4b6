"""Adoption while things go wrong: arrivals meanwhile, cuts, refusals, no journal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pln_ivr.ari.events import ChannelInfo
from pln_ivr.calls.adoption import Memory
from pln_ivr.errors import JournalError
from pln_ivr.outcomes import OfferResult, Reason, Result
from tests.fake_ari.earlier import (
    CALL,
    CALLER,
    LEG,
    ROOMS,
    agent_state,
    caller,
    conversation,
    disconnect,
    in_line,
    leg,
    nobody_ready,
    offer,
    reconnect,
    row,
    seats,
    store,
    talking,
)
from tests.fake_ari.server import Asked, Fault
from tests.fake_ari.world import World, eventually, world


async def test_arrivals_are_held_back_until_everybody_is_counted(tmp_path: Path) -> None:
    """Or the last seat would be given to somebody while its owner is being found."""
    counted = threading.Event()

    def slow(w: World) -> None:
        remember = w.app.adoption._remember

        def wait(ids: list[str]) -> Memory:
            assert counted.wait(10)
            return remember(ids)

        w.app.adoption._remember = wait

    async with world(tmp_path, capacity=1) as w:
        connections = await disconnect(w)
        in_line(w)
        store(tmp_path, row())
        slow(w)
        w.fake.refuses_websocket = False
        await eventually(lambda: w.fake.connections > connections, "the WebSocket")
        await eventually(lambda: w.fake.filter, "the filter of events")
        w.fake.call("new")
        await asyncio.sleep(0.05)
        assert not [channel for channel in seats(w) if channel == "new"]
        assert not w.asked("POST", "channels/new")
        assert not w.asked("DELETE", "channels/new")
        counted.set()
        await reconnect(w, connections)
        await eventually(lambda: "new" not in w.fake.channels, "the refusal")
        assert seats(w) == {CALLER}
        refused = next(row for row in w.rows.calls if row.channel_id == "new")
        assert (refused.outcome, refused.reason) == (Result.REJECTED, Reason.FULL)
        w.fake.hang_up(CALLER)
        await eventually(lambda: not w.app.reception.calls, "the end of the call")


async def test_who_arrives_while_the_lists_are_read_is_not_taken_for_lost(tmp_path: Path) -> None:
    """A list of Asterisk's says nothing of a caller whose start was read after it was made."""
    async with world(tmp_path) as w:
        nobody_ready(w)
        list_channels = w.ari.list_channels

        async def overtaken() -> tuple[ChannelInfo, ...]:
            listed = await list_channels()
            number = len(seats(w))
            w.fake.call(f"late-{number}")
            await eventually(lambda: len(seats(w)) > number, "the seat of the late caller")
            return listed

        w.ari.list_channels = overtaken  # type: ignore[method-assign]
        await w.app.adoption.adopt()
        assert seats(w) == {"late-0", "late-1"}
        assert not [late for late in seats(w) if w.ari.channel(late).gone]
        for late in seats(w):
            w.fake.hang_up(late)


async def test_cut_at_any_request_of_the_connection_everybody_is_adopted_once(
    tmp_path: Path,
) -> None:
    for number in range(60):
        folder, hit = tmp_path / str(number), False
        store(folder, row(), row(call_id="call-2", channel_id="caller-2"), offer())

        def cut(asked: Asked, number: int = number) -> Fault | None:
            nonlocal hit
            first, hit = not hit and asked.number >= number, hit or asked.number >= number
            return Fault(cut=True) if first else None

        def everything(w: World, cut: Callable[[Asked], Fault | None] = cut) -> None:
            in_line(w)
            caller(w.fake, "wait-gangguan", "caller-2")
            leg(w.fake, "talk-of-nobody", LEG)
            w.fake.fault = cut

        async with world(folder, before=everything) as w:
            callers = {CALLER, "caller-2"}
            assert seats(w) == callers, number
            assert w.app.reception.calls == 2, number
            assert set(w.fake.channels) == callers, number
            assert set(w.fake.bridges) == ROOMS, number
            assert [settled.result for settled in w.rows.offers] == [OfferResult.FAILED], number
            for channel_id in callers:
                w.fake.hang_up(channel_id)
            await eventually(lambda: not w.app.reception.calls, "both ends")
            assert seats(w) == set()
            ends = {end.call_id: end.outcome for end in w.rows.calls if end.outcome}
            assert ends == dict.fromkeys((CALL, "call-2"), Result.ABANDONED), number
        if not hit:
            break
    else:
        pytest.fail("the connection never came to its end")


@pytest.mark.parametrize(
    "fault", [Fault(cut=True), Fault(status=500, message="Internal error"), Fault(silent=True)]
)
async def test_a_conversation_goes_on_whatever_becomes_of_the_request_for_its_bridge(
    tmp_path: Path, fault: Fault
) -> None:
    def failing(w: World) -> None:
        conversation(w)
        w.fake.fault = lambda asked: fault if str(asked) == f"POST bridges/talk-{CALL}" else None

    store(tmp_path, talking(), offer())
    async with world(tmp_path, request_seconds=0.3, before=failing) as w:
        await asyncio.sleep(0.5)
        assert seats(w) == {CALLER}
        w.fake.fault = lambda _: None
        w.fake.hang_up(LEG)
        ended = await w.ended()
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)


# -- without the journal --------------------------------------------------------------------


def journal_away(w: World) -> None:
    def remember(_: list[str]) -> Memory:
        raise JournalError("journal.url: away")

    w.app.adoption._remember = remember


async def test_without_the_journal_a_conversation_goes_on(tmp_path: Path) -> None:
    def away(w: World) -> None:
        conversation(w)
        journal_away(w)

    async with world(tmp_path, before=away) as w:
        assert seats(w) == {CALLER}
        assert agent_state(w) == "talking"
        w.fake.hang_up(LEG)
        ended = await w.ended()
        assert (ended.call_id, ended.reason) == (CALL, Reason.AGENT_HUNG_UP)


async def test_without_the_journal_who_waits_has_a_seat_and_is_served(tmp_path: Path) -> None:
    def away(w: World) -> None:
        in_line(w)
        journal_away(w)

    async with world(tmp_path, before=away) as w:
        with suppress(JournalError):  # as Upkeep.run takes it
            await w.app.upkeep.look()
        assert seats(w) == {CALLER}
        w.agents_ready()
        ended = await w.ended()
        assert ended.outcome is Result.ANSWERED
