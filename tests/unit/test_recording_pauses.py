"""Recording pauses: journalled before they are ordered, bounded, and never silently refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.recording_pauses import (
    PAUSED,
    RESUMED,
    UNCHANGED,
    Pausing,
    RecordingPauses,
)
from pln_ivr.errors import AriError, AriRefused, AriTimeout, Gone, OrderRefused
from pln_ivr.journal import RecordingPauseRow
from pln_ivr.outcomes import PauseEnd
from pln_ivr.queues.offer import Offer

LEG = "agent-o1"


class Asterisk:
    """Mutes and unmutes, or fails."""

    def __init__(self) -> None:
        self.orders: list[bool] = []
        self.muted = False
        self.fails: list[AriError] = []
        """Of the next orders, one each."""
        self.done_all_the_same = False
        self.before: Callable[[], None] = lambda: None

    async def mute_recording(self, channel_id: str, on: bool) -> None:
        assert channel_id == LEG
        self.before()
        self.orders.append(on)
        await asyncio.sleep(0)
        if self.fails:
            if self.done_all_the_same:
                self.muted = on
            raise self.fails.pop(0)
        self.muted = on


class Bench:
    """One recording's pauses, and all that they tell."""

    def __init__(
        self, limit: float = 60.0, earlier: Sequence[RecordingPauseRow] | None = None
    ) -> None:
        self.asterisk = Asterisk()
        self.told: list[RecordingPauseRow] = []
        self.said: list[str] = []
        offer = Offer("o1", "c1", "gangguan", "101", datetime.now(UTC))
        offer.recording = "archive:2026/11/26/c1/o1"
        self.offer = offer
        shared = Pausing(cast(Client, self.asterisk), "pln-1", limit, self.told.append, self._say)
        leg = Channel(LEG, lambda _: None)
        self.pauses = RecordingPauses(shared, offer, leg, earlier)

    async def _say(self, _leg: Channel, name: str) -> None:
        self.said.append(name)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """`keep` runs, as while two talk."""
        task = asyncio.create_task(self.pauses.keep())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 (plain objects have no event to await)
            await asyncio.sleep(0.005)


def row(**changes: object) -> RecordingPauseRow:
    made = RecordingPauseRow(
        pause_id="p1",
        sequence=1,
        node="pln-1",
        call_id="c1",
        offer_id="o1",
        agent="101",
        ordered_by="101",
        began_at=datetime.now(UTC),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_the_journal_is_told_before_asterisk() -> None:
    bench = Bench()
    known: list[int] = []
    bench.asterisk.before = lambda: known.append(len(bench.told))
    await bench.pauses.begin("dewi")
    assert known == [1]
    assert bench.pauses.paused
    assert bench.asterisk.muted
    await bench.pauses.end("101")
    assert [(one.sequence, one.end, one.ended_by) for one in bench.told] == [
        (1, None, None),
        (2, PauseEnd.RESUMED, "101"),
    ]
    assert bench.told[0].ordered_by == "dewi"
    assert not bench.asterisk.muted
    assert bench.pauses.rows == [bench.told[-1]]


async def test_what_is_paused_cannot_be_paused_again_nor_what_goes_on_resumed() -> None:
    bench = Bench()
    with pytest.raises(OrderRefused, match="not paused"):
        await bench.pauses.end("101")
    await bench.pauses.begin("101")
    with pytest.raises(OrderRefused, match="is paused"):
        await bench.pauses.begin("101")
    assert bench.asterisk.orders == [True]


async def test_what_is_not_recorded_cannot_be_paused() -> None:
    bench = Bench()
    bench.offer.recording = None
    with pytest.raises(OrderRefused, match="not recorded"):
        await bench.pauses.begin("101")
    assert (bench.told, bench.asterisk.orders) == ([], [])


async def test_a_refusal_is_heard_and_journalled_and_no_pause() -> None:
    bench = Bench()
    bench.asterisk.fails = [AriRefused(200, "MixMonitorMute", "Permission denied")]
    async with bench.kept():
        with pytest.raises(AriRefused):
            await bench.pauses.toggle("101")
        assert bench.said == [UNCHANGED]
        assert bench.told[-1].end is PauseEnd.REFUSED
        assert not bench.pauses.paused
        assert bench.pauses.rows == [], "nothing of it is in the file"


async def test_what_was_done_without_an_answer_is_taken_back() -> None:
    bench = Bench()
    bench.asterisk.fails = [AriTimeout("no answer"), AriTimeout("no answer")]
    bench.asterisk.done_all_the_same = True
    async with bench.kept():
        with pytest.raises(AriTimeout):
            await bench.pauses.begin("101")
        await eventually(lambda: bench.asterisk.orders == [True, False])
    assert not bench.asterisk.muted


async def test_who_cannot_resume_hears_it_and_stays_paused() -> None:
    bench = Bench()
    await bench.pauses.toggle("101")
    bench.asterisk.fails = [AriRefused(500, "login", "away")]
    with pytest.raises(AriRefused):
        await bench.pauses.toggle("101")
    assert bench.pauses.paused
    await bench.pauses.toggle("101")
    assert bench.said == [PAUSED, UNCHANGED, RESUMED]


async def test_a_forgotten_pause_ends_at_the_limit_though_asterisk_refuses_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pln_ivr.calls.recording_pauses.RETRY_SECONDS", 0.01)
    bench = Bench(limit=0.1)
    async with bench.kept():
        await bench.pauses.begin("101")
        bench.asterisk.fails = [AriTimeout("no answer")]
        await eventually(lambda: not bench.pauses.paused)
    assert bench.told[-1].end is PauseEnd.LIMIT
    assert bench.asterisk.orders == [True, False, False]
    assert not bench.asterisk.muted


async def test_a_pause_ends_with_the_conversation_once() -> None:
    bench = Bench()
    await bench.pauses.begin("101")
    bench.pauses.over()
    bench.pauses.over()
    assert [one.end for one in bench.told] == [None, PauseEnd.CONVERSATION]
    assert len(bench.pauses.rows) == 1


async def test_a_leg_that_has_gone_is_left_in_peace() -> None:
    bench = Bench(limit=0.02)
    async with bench.kept():
        await bench.pauses.begin("101")
        bench.asterisk.fails = [Gone("No such channel")]
        await eventually(lambda: len(bench.asterisk.orders) == 2)
        await asyncio.sleep(0.05)
    assert bench.asterisk.orders == [True, False]


async def test_an_adopted_pause_goes_on_to_its_own_limit() -> None:
    began = datetime.now(UTC) - timedelta(seconds=59.8)
    over = row(pause_id="p0", sequence=2, end=PauseEnd.RESUMED, ended_at=began)
    bench = Bench(limit=60.0, earlier=[over, row(began_at=began)])
    assert bench.pauses.paused
    async with bench.kept():
        await eventually(lambda: not bench.pauses.paused)
    assert bench.asterisk.orders == [True, False], "set as the journal has it, then ended"
    (told,) = bench.told
    assert (told.pause_id, told.end) == ("p1", PauseEnd.LIMIT)
    assert told.sequence > 1000, "past whatever the earlier run may still write"
    assert [one.pause_id for one in bench.pauses.rows] == ["p0", "p1"]


async def test_an_adopted_conversation_without_a_pause_is_recorded() -> None:
    bench = Bench(earlier=[])
    bench.asterisk.muted = True  # the earlier run died before the journal had it
    async with bench.kept():
        await eventually(lambda: bench.asterisk.orders == [False])
    assert not bench.asterisk.muted


async def test_a_new_conversation_asks_asterisk_for_nothing() -> None:
    bench = Bench()
    async with bench.kept():
        await asyncio.sleep(0.02)
    assert bench.asterisk.orders == []
