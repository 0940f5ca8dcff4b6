"""The journal of an older version is brought up to date with all that is in it, and answers
what recovery asks of it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pln_ivr.errors import JournalError
from pln_ivr.journal import (
    CallRow,
    JournalReader,
    Limits,
    MarkRow,
    Row,
    open_journal,
    reader,
    schema,
)
from pln_ivr.journal.migrating import migrate
from pln_ivr.outcomes import OfferResult, Reason, Result, Stage, TalkEnd
from tests.databases import Database, Server, sqlite_in
from tests.unit.test_journal import NOON, QUICK, Log, call, offer

OLD_CALLS = (
    "call_id, sequence, node, incarnation, channel_id, caller, dialled, stage, started_at,"
    " answered_at, outcome, reason, cause, recording_seconds"
)


@pytest.fixture
def old(database: Database) -> None:
    """A journal as the first version made it, with a call that ended, one that did not, an
    offer and an agent's state in it."""
    upgrade_to(database, "0001")
    noon = NOON
    ended = ("answered", "caller_hung_up", 16, 61.25)
    database.execute(
        f"INSERT INTO calls ({OLD_CALLS}) VALUES ({', '.join('?' * 14)})",
        *[
            ("c1", 5, "pln-1", "i1", "ch-1", "0812", "123", "ended", noon, noon, *ended),
            ("c2", 2, "pln-1", "i1", "ch-2", "0813", "123", "waiting", noon, *[None] * 5),
        ],
    )
    database.execute(
        "INSERT INTO offers (offer_id, call_id, sequence, node, queue, agent, offered_at)"
        " VALUES ('o1', 'c2', 1, 'pln-1', 'gangguan', '101', ?)",
        (noon,),
    )
    database.execute(
        "INSERT INTO agent_states VALUES ('s1', 1, 'pln-1', '101', 'ready', '*11', ?)", (noon,)
    )


def upgrade_to(database: Database, revision: str) -> None:
    """The journal as that version made it, empty."""
    with database.connected() as connection:
        migrate(connection, revision)


async def test_an_old_journal_is_brought_up_to_date_and_keeps_everything(
    database: Database, url: str, old: None
) -> None:
    assert "marks" not in database.tables()
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        journal.write(call("c3", fallback=True))
        journal.write(MarkRow(mark="cdr:pln-1", sequence=1, position="7:8"))
    assert journal.written == 2
    assert "marks" in database.tables()
    assert {"calls_open", "calls_channel_id"} <= database.indices("calls")
    assert "offers_open" in database.indices("offers")
    with JournalReader(url) as read:
        ended = read.call("c1")
        assert ended is not None
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.CALLER_HUNG_UP)
        assert (ended.started_at, ended.answered_at) == (NOON, NOON)
        assert (ended.sequence, ended.cause, ended.recording_seconds) == (5, 16, 61.25)
        assert ended.fallback is False
        assert [row.call_id for row in read.open_calls("pln-1")] == ["c2", "c3"]
        assert [row.offer_id for row in read.open_offers("pln-1")] == ["o1"]
        assert [(row.agent, row.state) for row in read.agent_states()] == [("101", "ready")]
        new = read.call("c3")
        assert new is not None
        assert new.fallback is True
        assert read.mark("cdr:pln-1") == "7:8"


async def test_an_old_row_goes_on_in_the_new_journal(
    database: Database, url: str, old: None
) -> None:
    with_end = call("c2", 3, channel_id="ch-2", outcome=Result.FAILED, reason=Reason.PBX)
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        journal.write(with_end)
        journal.write(call("c1", 4, channel_id="ch-1"))  # older than what is there
    with JournalReader(url) as read:
        assert read.call("c2") == with_end
        assert read.open_calls("pln-1") == []


def test_a_migration_that_fails_leaves_the_old_journal_as_it_was(
    database: Database, url: str, old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    engine = schema.create_engine(schema.parse_url(url))
    before = database.tables()
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_table", fail)
        with pytest.raises(RuntimeError):
            schema.upgrade(engine)
    assert database.tables() == before
    assert "fallback" not in database.columns("calls")
    schema.upgrade(engine)
    assert "marks" in database.tables()
    assert database.rows("SELECT count(*) FROM calls WHERE NOT fallback") == [(2,)]
    engine.dispose()


def test_upgraded_and_new_journals_are_alike(
    database: Database, old: None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if database.kind == "sqlite":
        (tmp_path / "new").mkdir()
        fresh = sqlite_in(tmp_path / "new")
    else:
        server: Server = request.getfixturevalue("server")
        fresh = server.database()
    told = []
    for one in (database, fresh):
        engine = schema.create_engine(schema.parse_url(one.url))
        schema.upgrade(engine)
        engine.dispose()
        told.append({name: (one.columns(name), one.indices(name)) for name in one.tables()})
    assert told[0] == told[1]
    assert {"fallback"} <= set(told[0]["calls"][0])


# -- from the second version to the third ---------------------------------------------------

SECOND_CALLS = "call_id, sequence, node, incarnation, channel_id, caller, dialled, stage"
SAME = ("pln-1", "i1", "ch", "0812", "123")


@pytest.fixture
def second(database: Database) -> None:
    """A journal as the second version made it: calls that were answered, failed while they
    talked and wait, with their offers, and an agent who went away."""
    upgrade_to(database, "0002")
    queue = offer("").queue
    noon, later = NOON, NOON + timedelta(seconds=30)
    database.execute(
        f"INSERT INTO calls ({SECOND_CALLS}, started_at, queued_at, talking_at, recording,"
        f" recording_seconds, outcome, reason) VALUES ({', '.join('?' * 15)})",
        *[
            ("c1", 5, *SAME, "ended", *[noon] * 3, "archive:c1", 30, "answered", "unseen"),
            ("c2", 5, *SAME, "ended", *[noon] * 3, "archive:c2", None, "failed", "pbx"),
            ("c3", 3, *SAME, "ringing", *[noon] * 2, *[None] * 5),
        ],
    )
    database.execute(
        "INSERT INTO offers VALUES (?, ?, 2, 'pln-1', ?, '101', ?, ?, ?, ?)",
        *[
            ("o1", "c1", queue, noon, noon, later, "answered"),
            ("o2", "c2", queue, noon, noon, later, "answered"),
            ("o3", "c3", queue, noon, noon, later, "missed"),
            ("o4", "c3", queue, later, None, None, None),
            ("o5", "lost", queue, noon, noon, later, "answered"),
        ],
    )
    database.execute(
        "INSERT INTO agent_states VALUES (?, 1, 'pln-1', ?, ?, '', ?)",
        ("s1", "101", "talking", noon),
        ("s2", "102", "away", noon),
    )


async def test_offers_learn_of_their_conversations(url: str, second: None) -> None:
    later = NOON + timedelta(seconds=30)
    old = offer("", sequence=2, ringing_at=NOON, ended_at=later)
    answered = dataclasses.replace(
        old, result=OfferResult.ANSWERED, talking_at=NOON, talked_until=later
    )
    async with holding(url) as read:
        assert read.offers_of("c1") == [
            dataclasses.replace(
                answered,
                offer_id="o1",
                call_id="c1",
                talk_end=TalkEnd.UNSEEN,
                recording="archive:c1",
                recording_seconds=30,
            )
        ]
        assert read.offers_of("c2") == [
            dataclasses.replace(
                answered,
                offer_id="o2",
                call_id="c2",
                talk_end=TalkEnd.FAILED,
                recording="archive:c2",
            )
        ]
        missed = dataclasses.replace(old, offer_id="o3", call_id="c3", result=OfferResult.MISSED)
        rings = offer("o4", "c3", sequence=2, offered_at=later)
        assert read.offers_of("c3") == [missed, rings]
        (lost,) = read.offers_of("lost")
        assert (lost.result, lost.talking_at, lost.talk_end) == (OfferResult.ANSWERED, None, None)


async def test_what_agents_wished_is_known_after_the_migration(url: str, second: None) -> None:
    async with holding(url) as read:
        told = [(row.agent, row.state, row.wish, row.pause) for row in read.agent_states()]
        assert told == [("101", "talking", "ready", ""), ("102", "away", "logged_out", "")]


async def test_calls_of_the_second_version_are_kept_and_found(
    database: Database, url: str, second: None
) -> None:
    async with holding(url) as read:
        found = {
            row.call_id: row.place_at
            for row in read.queued_calls(NOON, NOON + timedelta(seconds=1))
        }
        assert found == {"c1": None, "c2": None, "c3": None}
    assert {"incidents", "flags", "supervisions", "tokens"} <= database.tables()


async def test_calls_of_the_third_version_had_no_menu(database: Database, url: str) -> None:
    upgrade_to(database, "0003")
    database.execute(
        f"INSERT INTO calls ({SECOND_CALLS}, started_at) VALUES ({', '.join('?' * 9)})",
        ("c1", 5, *SAME, "waiting", NOON),
    )
    async with holding(url) as read:
        kept = read.call("c1")
        assert kept
        assert (kept.menu_at, kept.menu_path, kept.menu_end, kept.language) == (
            None,
            None,
            None,
            "",
        )


# -- recordings, which the fifth version tells of -------------------------------------------

UUID = "0197a3f0-0000-4000-8000-000000000001"


@pytest.fixture
def third(database: Database) -> None:
    """A journal as the third version made it: a filed recording, one that was not filed, one of
    a call that Asterisk served alone, and an incident that points to the first."""
    upgrade_to(database, "0003")
    noon, later = NOON, NOON + timedelta(seconds=30)
    alone = f"archive:2026/11/23/{UUID}/{UUID}.wav"
    first, second = "archive:2026/11/23/c1/o1.wav", "archive:2026/11/23/c1/o2.wav"
    database.execute(
        f"INSERT INTO calls ({SECOND_CALLS}, started_at, talking_at, ended_at, recording,"
        f" recording_seconds, outcome, fallback) VALUES ({', '.join('?' * 15)})",
        *[
            ("c1", 5, *SAME, "ended", *[noon] * 2, later, second, None, "answered", False),
            ("c2", 5, *SAME, "ended", *[noon] * 2, later, alone, 2.5, "answered", True),
            ("c3", 5, *SAME, "ended", *[noon] * 2, later, None, None, "answered", True),
        ],
    )
    database.execute(
        "INSERT INTO offers (offer_id, call_id, sequence, node, queue, agent, offered_at,"
        " result, talking_at, talked_until, recording, recording_seconds)"
        " VALUES (?, 'c1', 2, 'pln-1', 'gangguan', '101', ?, 'answered', ?, ?, ?, ?)",
        *[
            ("o1", noon, noon, later, first, 30.000125),
            ("o2", noon, noon, later, second, None),
        ],
    )
    database.execute(
        "INSERT INTO incidents (incident_id, sequence, node, kind, agent, queue, call_id,"
        " offer_id, happened_at, recording, review) VALUES ('i1', 1, 'pln-1',"
        " 'hung_up_on_customer', '101', 'gangguan', 'c1', 'o1', ?, ?, 'new')",
        (noon, first),
    )


async def test_recordings_filed_before_are_told_of(url: str, third: None) -> None:
    later = NOON + timedelta(seconds=30)
    async with holding(url) as read:
        filed = read.recording("o1")
        assert filed
        assert (filed.call_id, filed.offer_id, filed.agent) == ("c1", "o1", "101")
        assert (filed.began_at, filed.ended_at, filed.filed_at) == (NOON, later, later)
        assert (filed.uri, filed.codec) == ("archive:2026/11/23/c1/o1.wav", "wav")
        assert (filed.bytes, filed.seconds, filed.sha256) == (240_001 * 4 + 44, 30.000125, None)
        alone = read.recording(UUID)
        assert alone
        assert (alone.call_id, alone.offer_id, alone.queue) == ("c2", None, "")
        assert (alone.bytes, alone.agent) == (20_000 * 4 + 44, "")
        assert {row.recording_id for row in read.recordings_between(NOON, later)} == {"o1", UUID}


async def test_who_refers_to_a_recording_does_not_say_its_form_any_more(
    url: str, third: None
) -> None:
    async with holding(url) as read:
        assert [o.recording for o in read.offers_of("c1")] == [
            "archive:2026/11/23/c1/o1",
            "archive:2026/11/23/c1/o2",
        ]
        calls = [read.call(which) for which in ("c1", "c2", "c3")]
        assert [row.recording for row in calls if row] == [
            "archive:2026/11/23/c1/o2",
            f"archive:2026/11/23/{UUID}/{UUID}",
            None,
        ]
        (incident,) = read.incidents()
        assert incident.recording == "archive:2026/11/23/c1/o1"


def test_nothing_is_read_before_the_migration(url: str, second: None) -> None:
    with pytest.raises(JournalError, match="older pln_ivr; pln-ivr serve brings it up to date"):
        JournalReader(url)


def test_a_database_without_any_table_is_no_journal_yet(database: Database, url: str) -> None:
    database.execute("SELECT 1")
    with pytest.raises(JournalError, match=r"no journal in .* yet; pln-ivr serve creates it"):
        JournalReader(url)


# -- what recovery asks ---------------------------------------------------------------------


@asynccontextmanager
async def holding(url: str, *rows: Row) -> AsyncIterator[JournalReader]:
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        for row in rows:
            journal.write(row)
        assert await journal.stored(10.0)
        with JournalReader(url) as read:
            yield read


async def test_the_open_calls_of_this_node(url: str) -> None:
    ended = call("ended", outcome=Result.REJECTED, reason=Reason.FULL, stage=Stage.ENDED)
    rows: list[CallRow] = [call("one"), call("two"), ended, call("far", node="pln-2")]
    async with holding(url, *rows) as read:
        assert {row.call_id for row in read.open_calls("pln-1")} == {"one", "two"}
        assert read.open_calls("pln-2") == [rows[3]]
        assert read.open_calls("pln-3") == []


async def test_the_calls_of_channels_however_many_are_asked_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "IDS_AT_ONCE", 3)
    rows = [call(f"c{n}") for n in range(10)]
    rows[4] = call("c4", outcome=Result.FAILED, reason=Reason.PBX)
    async with holding(url, *rows) as read:
        assert read.calls_of_channels([]) == {}
        assert read.calls_of_channels(["nobody"]) == {}
        asked = ["nobody", *(f"ch-c{n}" for n in range(8))]
        assert read.calls_of_channels(asked) == {f"ch-c{n}": rows[n] for n in range(8)}


async def test_the_open_offers_of_this_node(url: str) -> None:
    rows = [offer("o1"), offer("o2", result=OfferResult.MISSED), offer("o3", node="pln-2")]
    async with holding(url, *rows) as read:
        assert read.open_offers("pln-1") == [rows[0]]


async def test_an_offer_is_one_row_from_its_beginning_to_its_end(url: str) -> None:
    end = NOON + timedelta(seconds=11)
    begun = offer("o1")
    over = offer("o1", sequence=2, ringing_at=NOON, ended_at=end, result=OfferResult.MISSED)
    async with holding(url, begun) as read:
        assert read.offers_of("c1") == [begun]
    async with holding(url, over, begun) as read:
        assert read.offers_of("c1") == [over]
        assert read.open_offers("pln-1") == []


async def test_both_versions_of_an_offer_in_one_batch_are_one_row(url: str) -> None:
    over = offer("o1", sequence=2, result=OfferResult.ANSWERED)
    async with open_journal(url, log=Log(), limits=Limits(batch_seconds=30)) as journal:
        for row in (offer("o1"), over, offer("o1")):
            journal.write(row)
    assert journal.written == 1
    with JournalReader(url) as read:
        assert read.offers_of("c1") == [over]


async def test_the_latest_mark_counts(url: str) -> None:
    marks = [MarkRow(mark="cdr:pln-1", sequence=n, position=f"1:{n}") for n in (2, 3, 1)]
    other = MarkRow(mark="cdr:pln-2", sequence=9, position="9:9")
    async with holding(url, *marks, other) as read:
        assert read.mark("cdr:pln-1") == "1:3"
        assert read.mark("cdr:pln-2") == "9:9"
        assert read.mark("never") == ""


async def test_the_call_of_a_recording_that_was_left_behind(url: str) -> None:
    uri = "archive:2026/11/23/c1/o1.wav"
    mine = call("mine", recording=uri)
    async with holding(url, mine, call("other", recording=uri + "x"), call("none")) as read:
        assert read.call_of_recording(uri, NOON) == mine
        assert read.call_of_recording(uri, NOON - timedelta(days=7)) == mine
        assert read.call_of_recording(uri, NOON + timedelta(seconds=1)) is None
        assert read.call_of_recording("archive:another.wav", NOON) is None
