"""Journeys against the fake: particular moments, each told with its story."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from pln_ivr.config.agents import Agents
from pln_ivr.config.records import Recordings
from pln_ivr.outcomes import OfferResult, Reason, Result
from pln_ivr.queues.agents import Agent
from tests.fake_ari.server import Asked, FakeChannel, Fault
from tests.fake_ari.world import eventually, world

CALLER = "caller-1"


async def test_a_prompt_that_never_ends_is_cut_short_and_the_call_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, request_seconds=0.1) as w:
        w.fake.prompts_end = False
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert row.notice_heard_at is None, "the notice was not heard whole"
        assert w.figure("pln_ivr_prompts_failed_total") >= 1
        assert w.asked("DELETE", "playbacks/")


async def test_a_prompt_that_fails_is_counted_and_the_call_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.prompts_end = False
        w.fake.answered = lambda asked: (
            w.fake.end_prompt(CALLER, "failed") if "/play/" in asked.path else None
        )
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert row.notice_heard_at is None
        assert w.figure("pln_ivr_prompts_failed_total") >= 1


async def test_a_prompt_that_asterisk_refuses_is_counted_and_the_call_goes_on(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        refusal = Fault(status=500, message="Failed to queue")
        w.fake.fault = lambda asked: refusal if "/play/" in asked.path else None
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert row.notice_heard_at is None
        assert w.figure("pln_ivr_prompts_failed_total") >= 1


async def test_an_agent_who_answers_as_the_offer_is_withdrawn_is_sent_away(tmp_path: Path) -> None:
    agents = Agents(ring_deadline_seconds=0.05)
    async with world(tmp_path, agents=agents) as w:
        w.fake.on_originate = w.agent_rings

        def answers(asked: Asked) -> None:
            leg = w.fake.channels.get(asked.path.removeprefix("channels/"))
            if asked.method == "DELETE" and leg and leg.id.startswith("agent-"):
                w.pick_up(leg)
                w.fake.before = lambda _: None
                w.fake.on_originate = w.agent_answers

        w.fake.before = answers
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert [offer.result for offer in w.rows.offers] == [
            OfferResult.MISSED,
            OfferResult.ANSWERED,
        ]
        assert [offer.agent for offer in w.rows.offers] == ["101", "102"]


async def test_an_agent_leg_that_nobody_waits_for_is_hung_up(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        leg = FakeChannel("agent-of-an-old-offer", "Up")
        w.fake.add(leg)
        w.fake.enter_app(leg, "agent", "/spool/x.raw")
        await eventually(lambda: not w.fake.channels, "the late leg's end")
        assert w.app.seats.in_use == 0


@pytest.mark.parametrize(
    ("cause", "tech_cause", "result"),
    [
        (17, 486, OfferResult.BUSY),
        (21, 603, OfferResult.DECLINED),
        (21, 0, OfferResult.DECLINED),
        (18, 408, OfferResult.UNREACHABLE),
        (0, 0, OfferResult.UNREACHABLE),
    ],
)
async def test_a_phone_that_refuses_passes_the_call_to_the_next_agent(
    tmp_path: Path, cause: int, tech_cause: int, result: OfferResult
) -> None:
    async with world(tmp_path) as w:

        def refuses(leg: object) -> None:
            w.fake.on_originate = w.agent_answers
            w.fake.hang_up(w.legs()[0].id, cause, tech_cause)

        w.fake.on_originate = refuses
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert [(o.agent, o.result) for o in w.rows.offers] == [
            ("101", result),
            ("102", OfferResult.ANSWERED),
        ]


async def test_without_a_recording_they_talk_with_an_alarm_if_so_configured(
    tmp_path: Path,
) -> None:
    policy = Recordings(confirm_seconds=0.05, when_unconfirmed="bridge")
    async with world(tmp_path, recordings=policy) as w:
        w.records = False
        w.fake.call()
        row = await w.nothing_left()
        assert row.outcome is Result.ANSWERED
        assert w.figure("pln_ivr_recordings_unconfirmed") == 1


async def test_without_a_recording_the_caller_waits_on_if_so_configured(tmp_path: Path) -> None:
    policy = Recordings(confirm_seconds=0.05, when_unconfirmed="wait")
    async with world(tmp_path, recordings=policy) as w:
        w.records = False
        w.fake.call()
        await eventually(lambda: len(w.rows.offers) == 2, "both agents' offers")
        assert {offer.result for offer in w.rows.offers} == {OfferResult.FAILED}
        assert not w.asked("POST", "bridges/talk-")
        await eventually(lambda: w.stage == "waiting", "the line again")
        assert w.app.seats.in_use == 1
        assert w.app.desk.waiting() == {"gangguan": 1}
        w.fake.hang_up(CALLER)
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)
        assert w.figure("pln_ivr_recordings_unconfirmed") == 2


async def test_rtp_that_stops_is_told_apart_from_a_hangup(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call()
        await eventually(lambda: w.stage == "talking", "the conversation")
        (leg,) = w.legs()
        w.fake._end(leg.id, {"cause": 1, "soft": True}, 44)
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.MEDIA_LOST)


async def test_caller_who_follows_the_agents_hangup_did_not_hang_up_first(tmp_path: Path) -> None:
    """Who ended it decides about a person's conduct: the caller goes while we clear up."""
    async with world(tmp_path) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call()
        await eventually(lambda: w.stage == "talking", "the conversation")

        def caller_follows(asked: Asked) -> None:
            if asked.method == "DELETE" and asked.path.startswith("bridges/talk-"):
                w.fake.hang_up(CALLER)

        w.fake.before = caller_follows
        (leg,) = w.legs()
        w.fake.hang_up(leg.id)
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)


async def test_who_comes_when_all_seats_are_taken_is_rejected_before_answer(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, capacity=1) as w:
        w.fake.on_originate = w.agent_rings
        w.fake.call("first")
        await eventually(lambda: w.stage == "ringing", "the first call's ringing")
        w.fake.call("second")
        await eventually(lambda: "second" not in w.fake.channels, "the second call's end")
        (refused,) = w.asked("DELETE", "channels/second")
        assert refused.query == {"reason_code": "17"}
        assert not w.asked("POST", "channels/second/answer")
        row = next(row for row in w.rows.calls if row.channel_id == "second")
        assert (row.outcome, row.reason, row.cause) == (Result.REJECTED, Reason.FULL, 17)
        assert "first" in w.fake.channels
        assert w.app.seats.in_use == 1
        w.fake.hang_up("first")
        await eventually(lambda: w.app.seats.in_use == 0, "the seat")


async def test_a_bug_in_a_journey_ends_that_call_with_an_apology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as w:

        def bug(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(w.app.desk, "join", bug)
        w.fake.call()
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.FAILED, Reason.ERROR)
        played = [asked.body or asked.query for asked in w.asked("POST", "/play/")]
        assert played[-1]["media"] == "sound:pln/apology"
        monkeypatch.undo()


async def test_draining_refuses_new_calls_and_lets_the_present_ones_finish(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call("first")
        await eventually(lambda: w.stage == "talking", "the conversation")
        drained = asyncio.create_task(w.app.reception.drain(30.0))
        await eventually(lambda: w.app.reception.draining, "draining")
        w.fake.call("late")
        await eventually(lambda: "late" not in w.fake.channels, "the refusal")
        (refused,) = w.asked("DELETE", "channels/late")
        assert refused.query == {"reason_code": "34"}
        assert not drained.done()
        w.fake.hang_up("first")
        assert await drained
        assert w.app.seats.in_use == 0


async def test_calls_that_outlast_the_drain_are_cut_off_with_an_apology(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_originate = w.agent_rings
        w.fake.call()
        await eventually(lambda: w.stage == "ringing", "the ringing")
        assert not await w.app.reception.drain(0.01)
        await w.app.reception.end_calls()
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.FAILED, Reason.SHUTDOWN)


def _is(agent: Agent, state: str) -> bool:
    return agent.state == state


async def test_an_agent_dials_away_and_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        agent = w.app.agents.get("101")
        assert agent
        for code, state in (("*121", "paused"), ("*11", "ready"), ("*10", "logged_out")):
            w.fake.dial_code(f"phone{code[1:]}", code, "ag-101")
            await eventually(partial(_is, agent, state), state)
            await eventually(lambda: not w.fake.channels, "the code's end")
