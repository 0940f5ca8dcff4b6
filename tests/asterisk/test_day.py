"""A day with thirty agents and some hundred callers of all four queues, told three times: by the
phones, by the journal, and by the reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from native.pbx import Pbx, PbxSettings, free_port
from native.phones import SCENARIOS
from native.root import Install
from pln_ivr.journal import CallRow, JournalReader, OfferRow
from pln_ivr.outcomes import OfferResult, Reason, Result
from tests.asterisk.world import SECRET, World, eventually
from tests.bench.accounts import Books, against_metrics, cdr_book, counted, journal_book, sipp_book
from tests.bench.load import phone_for_all
from tests.bench.sipp import Event, Sipp, deaf_port, fill
from tests.bench.traffic import CROWD
from tests.bench.watch import Figures

SEED = 123
CALLERS_OF_EACH, CALLS_A_SECOND = 60, 1.5
TICK_MS = 250
CROSSING_SECONDS = 1.0
"""Two who hang up within this time of each other may each think to have been the first."""


@dataclass(frozen=True)
class Queue:
    """One line, the number that leads to it, and how long its callers stay (seconds)."""

    name: str
    dialled: str
    patience: tuple[float, float]


@dataclass(frozen=True)
class Team:
    """Agents who do the same at their phones. Times in seconds."""

    extensions: tuple[str, ...]
    skills: str
    ring: float
    talk: float


QUEUES = (
    Queue("gangguan", "1231", (1.0, 12.0)),
    Queue("tagihan", "1232", (3.0, 12.0)),
    Queue("pasang-baru", "1233", (3.0, 12.0)),
    Queue("keluhan", "1234", (6.0, 12.0)),
)
QUICK = Team(tuple(map(str, range(201, 211))), "gangguan = 3, keluhan = 1", 0.4, 2.0)
PATIENT = Team(tuple(map(str, range(211, 221))), "tagihan = 2, pasang-baru = 1", 0.6, 3600.0)
VERSED = Team(tuple(map(str, range(221, 228))), "keluhan = 2, pasang-baru = 2", 0.2, 3.0)
SLEEPERS = Team(tuple(map(str, range(228, 231))), "gangguan = 9", 3600.0, 0.0)
"""The best of all, who never pick up."""
TEAMS = (QUICK, PATIENT, VERSED, SLEEPERS)


class Day(World):
    """Thirty agents with different skills, and a number for each queue."""

    def __init__(self, install: Install, prompts: Path, folder: Path) -> None:
        super().__init__(
            install,
            prompts,
            folder,
            [extension for team in TEAMS for extension in team.extensions],
            QUEUES__DIALLED=json.dumps({queue.dialled: queue.name for queue in QUEUES}),
            AGENTS__RING_DEADLINE_SECONDS="2",
            AGENTS__PAUSE_AFTER_MISSES="2",
            AGENTS__WRAP_UP_SECONDS="1",
        )
        settings = PbxSettings(dids=[queue.dialled for queue in QUEUES])
        self.pbx = Pbx(install, self.pbx.folder, settings)

    def write_roster(self, extensions: object) -> None:
        """Each with the skills of the team."""
        del extensions
        self.roster.write_text(
            "\n".join(
                f'[[agents]]\nextension = "{extension}"\nname = "Agen {extension}"\n'
                f'skills = {{ {team.skills} }}\nsecret = "{SECRET}"\n'
                for team in TEAMS
                for extension in team.extensions
            )
        )
        self.roster.chmod(0o600)

    @contextmanager
    def at_phones(self, team: Team) -> Iterator[Sipp]:
        """The team at its phones, ready."""
        port = free_port()
        for scenario, number in (("register", ""), ("code", "*11")):
            phone_for_all(scenario, team.extensions, self.pbx.sip_port, port, number)
        words = {"agent": "team", "ring_ms": _ms(team.ring), "hold_ms": _ms(team.talk)}
        words |= {
            "audio_port": "[rtpstream_audio_port]",
            "tone": f'<nop><action><exec rtp_stream="{self.agent_tone},-1,8"/></action></nop>',
        }
        scenario = fill(SCENARIOS / "answer.xml", **words)
        with Sipp(scenario, self.pbx.sip_port, calls=1_000_000, port=port) as sipp:
            yield sipp

    @contextmanager
    def calling(self, queue: Queue, dice: Random, deaf: int) -> Iterator[Sipp]:
        """The queue's callers, each with a number of their own."""
        fields = [
            f"08{queue.dialled}{number:04d};{_ticks(dice.uniform(*queue.patience))};0;1000"
            for number in range(CALLERS_OF_EACH)
        ]
        scenario = fill(CROWD, tick_ms=str(TICK_MS), audio_port=str(deaf))
        with Sipp(
            scenario,
            self.pbx.sip_port,
            calls=len(fields),
            rate=CALLS_A_SECOND,
            fields=fields,
            service=queue.dialled,
        ) as sipp:
            yield sipp

    def all_offers(self) -> list[OfferRow]:
        with JournalReader(self.journal_url) as reader:
            now = datetime.now(UTC)
            return list(reader.offers_between(now - timedelta(days=1), now))

    def report(self, subject: str) -> list[dict[str, Any]]:
        done = self.command("report", subject, "--format", "json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


def _ticks(seconds: float) -> int:
    return max(1, round(seconds * 1000 / TICK_MS))


@dataclass
class Told:
    """What the phones have to tell of the day."""

    callers: list[Event]
    began: float
    teams: dict[Team, Counter[str]]


@pytest.fixture
def day(install: Install, prompts: Path, tmp_path: Path) -> Iterator[Day]:
    folder = tmp_path / "day"
    folder.mkdir()
    world = Day(install, prompts, folder)
    try:
        world.start()
        yield world
    finally:
        world.stop()


def live_through(day: Day) -> Told:
    """The whole day, until the last caller has gone and every agent is through."""
    dice = Random(SEED)
    with ExitStack() as stack:
        deaf = stack.enter_context(deaf_port())
        teams = {team: stack.enter_context(day.at_phones(team)) for team in TEAMS}
        queues = [stack.enter_context(day.calling(queue, dice, deaf)) for queue in QUEUES]
        for sipp in queues:
            assert sipp.wait(CALLERS_OF_EACH / CALLS_A_SECOND + 60), "some callers never ended"
        day.settled()
        eventually(lambda: not _busy(day), 15, "the end of every wrap-up")
        for sipp in teams.values():
            sipp.end()
        events = [event for sipp in queues for event in sipp.events()]
        told = {team: Counter(e.what for e in sipp.events()) for team, sipp in teams.items()}
        return Told(events, queues[0].began, told)


def _busy(day: Day) -> float:
    states = ("offered", "talking", "on_hold", "wrap_up")
    return sum(day.metric("pln_ivr_agents", state=state) for state in states)


def test_a_day_is_told_the_same_by_phones_journal_and_reports(day: Day) -> None:
    told = live_through(day)
    rows = day.ended(len(QUEUES) * CALLERS_OF_EACH)
    offers = day.all_offers()
    the_callers_agree(day, told, rows)
    the_agents_agree(told, offers)
    the_reports_agree(day, rows, offers)


def the_callers_agree(day: Day, told: Told, rows: list[CallRow]) -> None:
    """Call by call: who was let in, in which line, and who ended it."""
    metrics = counted(Figures(day.metrics()))
    sipp = sipp_book(told.callers, told.began)
    books = Books(sipp, cdr_book(day.pbx.log_dir / "cdr-custom/calls.csv"),
                  journal_book(day.folder / "journal.db"), metrics)  # fmt: skip
    assert books.disagreements() + against_metrics(books.journal, metrics) == []
    by_caller = {row.caller: row for row in rows}
    assert len(by_caller) == len(rows) == len(QUEUES) * CALLERS_OF_EACH
    queue_of = {queue.dialled: queue.name for queue in QUEUES}
    for event in told.callers:
        row = by_caller[event.who]
        assert queue_of[row.dialled] == queue_of[event.who[2:6]]
        assert row.queue == (queue_of[row.dialled] if row.queued_at else None)
        if event.what not in ("own-bye", "remote-bye"):
            continue
        ours = row.reason is Reason.AGENT_HUNG_UP
        if ours != (event.what == "remote-bye"):
            assert row.ended_at
            apart = abs(row.ended_at.timestamp() - told.began - event.at_ms / 1000)
            assert apart < CROSSING_SECONDS, (event, row)
    outcomes = Counter(row.outcome for row in rows)
    assert outcomes[Result.ANSWERED] > CALLERS_OF_EACH
    assert outcomes[Result.ABANDONED] > 0
    assert set(outcomes) == {Result.ANSWERED, Result.ABANDONED}


def the_agents_agree(told: Told, offers: list[OfferRow]) -> None:
    """By team: how often their phones rang, and how often they picked up."""
    for team, events in told.teams.items():
        theirs = [offer for offer in offers if offer.agent in team.extensions]
        assert events["invite"] == len(theirs)
        talks = [offer for offer in theirs if offer.talking_at]
        given_up = [offer for offer in theirs if offer.result is OfferResult.CALLER_GONE]
        crossed = events["answered"] - len(talks)  # picked up as the customer hung up
        assert 0 <= crossed <= len(given_up)
        if team is SLEEPERS:
            missed = Counter(o.agent for o in theirs if o.result is OfferResult.MISSED)
            assert set(missed.values()) == {2}, "then they were paused"
            assert set(missed) == set(team.extensions)
        else:
            assert talks


def the_reports_agree(day: Day, rows: list[CallRow], offers: list[OfferRow]) -> None:
    """Counted again from the rows, without the reports' own code."""
    for figures in day.report("queues"):
        mine = [row for row in rows if row.queue == figures["queue"]]
        queued = [row for row in mine if row.queued_at]
        answered = [row for row in queued if row.talking_at]
        waits = [(row.talking_at - row.queued_at).total_seconds() for row in answered]  # type: ignore[operator]
        in_time = sum(wait <= 20 for wait in waits)
        soon_gone = sum(
            (row.ended_at - row.queued_at).total_seconds() <= 20  # type: ignore[operator]
            for row in queued
            if not row.talking_at
        )
        assert (figures["queued"], figures["answered"]) == (len(queued), len(answered))
        assert figures["service_level"] == pytest.approx(
            in_time / (len(queued) - soon_gone), abs=1e-3
        )
    shown = {figures["agent"]: figures for figures in day.report("agents")}
    assert set(shown) == {offer.agent for offer in offers}
    for agent, figures in shown.items():
        mine_offers = [offer for offer in offers if offer.agent == agent]
        results = Counter(offer.result for offer in mine_offers)
        assert figures["name"] == f"Agen {agent}"
        assert figures["offered"] == len(mine_offers)
        assert figures["answered"] == results[OfferResult.ANSWERED]
        assert figures["missed"] == figures["missed_third_ring"] == results[OfferResult.MISSED]
        assert (figures["talk_seconds"] > 0) == (figures["answered"] > 0)
        assert (figures["wrap_up_seconds"] > 0) == (figures["answered"] > 0)
