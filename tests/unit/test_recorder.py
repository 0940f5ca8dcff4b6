"""The recorder: what is confirmed, what is filed and journalled, and what waits in the spool."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pln_ivr.errors import RecordingError
from pln_ivr.journal import JournalReader, JournalWriter, Row, open_journal
from pln_ivr.outcomes import OfferResult, RecordingFault, Result
from pln_ivr.recordings import recorder
from pln_ivr.recordings.index import Index
from pln_ivr.recordings.jobs import Answer, Job
from pln_ivr.recordings.manifest import Facts, Manifest
from pln_ivr.recordings.names import recording_uri
from pln_ivr.recordings.recorder import Recorder
from tests.archiving import AGENT_HZ, CUSTOMER_HZ, Inline, manifest_of, raw_of, spool_file, tone
from tests.fake_ari.world import eventually
from tests.unit.test_filing import FACTS, NAME, THREE
from tests.unit.test_journal import NOON, QUICK, Log, call, offer

OTHER = "2026/11/23/call-2/offer-2"


class House:
    """A recorder, its journal, and where both keep things."""

    def __init__(self, folder: Path, journal: JournalWriter, filer: Any = None) -> None:
        self.spool, self.archive = folder / "spool", folder / "archive"
        self.url = url_of(folder)
        self.journal = journal
        index = Index(self.url, journal, "pln-1")
        self.recorder = Recorder(self.spool, filer or Inline(self.archive), index, lambda: True)
        self.done: list[Manifest] = []

    def raw(self, name: str = NAME, content: bytes = THREE, age: float = 0.0) -> Path:
        raw = spool_file(self.spool, name, content)
        os.utime(raw, (time.time() - age,) * 2)
        return raw

    def finish(self, facts: Facts = FACTS) -> None:
        self.recorder.finish(facts.name, facts, self.done.append)

    async def row(self, recording_id: str = "offer-1") -> Any:
        assert await self.journal.stored(5)
        with JournalReader(self.url) as reader:
            return reader.recording(recording_id)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/journal.db"


@asynccontextmanager
async def house(folder: Path, *rows: Row, filer: Any = None) -> AsyncIterator[House]:
    async with open_journal(url_of(folder), log=Log(), limits=QUICK) as journal:
        for row in rows:
            journal.write(row)
        made = House(folder, journal, filer)
        running = asyncio.create_task(made.recorder.run())
        await asyncio.sleep(0)
        try:
            yield made
        finally:
            running.cancel()
            (end,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError), "it ended by a bug"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "TRY_SECONDS", 0.005)


async def test_a_recording_is_confirmed_when_its_file_is_there(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        confirming = asyncio.create_task(h.recorder.confirm(NAME, 30.0))
        await asyncio.sleep(0)
        h.raw(content=b"")
        assert await confirming
        assert not await h.recorder.confirm(OTHER, 0.02)
        assert h.recorder.unconfirmed == 1


async def test_a_conversation_that_is_over_is_archived_journalled_and_leaves_the_spool(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        raw = h.raw()
        h.recorder.begin(NAME)
        h.finish()
        await eventually(lambda: not raw.exists(), "the filing")
        manifest = manifest_of(h.archive, NAME)
        assert h.done == [manifest]
        row = await h.row()
        assert row == manifest.row("pln-1", row.sequence)
        assert h.recorder.unfiled == 0
        assert await h.recorder.drained(5)


async def test_the_end_may_come_a_moment_later(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        raw = h.raw(content=THREE[: len(THREE) // 3])
        h.finish()
        await asyncio.sleep(0.02)
        with raw.open("ab") as growing:
            growing.write(THREE[len(THREE) // 3 :])
        await eventually(lambda: h.done, "the filing")
        assert h.done[0].seconds == 3.0
        assert h.done[0].faults == []


async def test_an_end_that_never_comes_is_a_fault_that_is_counted(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.raw(content=THREE[: len(THREE) // 3])
        h.finish()
        await eventually(lambda: h.done, "the filing")
        assert h.recorder.faulty[RecordingFault.SHORT] == 1
        assert (await h.row()).faults == "short"


async def test_until_the_journal_has_it_asterisks_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as h:
        raw = h.raw()

        async def away(_seconds: float) -> bool:
            return False

        with monkeypatch.context() as patch:
            patch.setattr(h.journal, "stored", away)
            h.finish()
            await eventually(lambda: h.done, "the archiving")
            assert await h.recorder.drained(5)
        assert raw.exists()


async def test_what_a_crash_left_in_the_spool_is_filed_at_the_start(tmp_path: Path) -> None:
    """With all that the journal knows of it, and the journal's rows get its length."""
    over = {"talking_at": NOON, "talked_until": NOON + timedelta(seconds=3)}
    uri = recording_uri(NAME)
    rows: list[Row] = [
        call("call-1", recording=uri, notice_version="abc", outcome=Result.ANSWERED),
        offer("offer-1", "call-1", recording=uri, result=OfferResult.ANSWERED, **over),
    ]
    House(tmp_path, None).raw(age=3600)  # type: ignore[arg-type]
    live = House(tmp_path, None).raw(OTHER)  # type: ignore[arg-type]
    async with house(tmp_path, *rows) as h:
        await eventually(lambda: not (h.spool / f"{NAME}.raw").exists(), "the filing")
        row = await h.row()
        assert (row.call_id, row.agent, row.notice_version) == ("call-1", "101", "abc")
        assert (row.began_at, row.talk_seconds) == (NOON, 3.0)
        with JournalReader(h.url) as reader:
            (told,), of_call = reader.offers_of("call-1"), reader.call("call-1")
        assert of_call
        assert told.recording_seconds == of_call.recording_seconds == 3.0
        assert live.exists(), "it may belong to a conversation that goes on"


async def test_a_crash_between_the_archive_and_the_journal_costs_nothing(tmp_path: Path) -> None:
    """Filed once already: the row is written, the file in the archive is the same."""
    at_first = House(tmp_path, None)  # type: ignore[arg-type]
    raw = at_first.raw(age=3600)
    job = Job(raw=str(raw), facts=FACTS, at_least_seconds=0)
    made = (await Inline(at_first.archive).file(job)).manifest
    assert made
    async with house(tmp_path, offer("offer-1", "call-1", talking_at=NOON)) as h:
        await eventually(lambda: not raw.exists(), "the filing")
        assert manifest_of(h.archive, NAME) == made
        assert (await h.row()).sha256 == made.sha256


async def test_a_recording_of_which_the_journal_knows_nothing_is_kept_all_the_same(
    tmp_path: Path,
) -> None:
    House(tmp_path, None).raw(age=3600)  # type: ignore[arg-type]
    async with house(tmp_path) as h:
        await eventually(lambda: not (h.spool / f"{NAME}.raw").exists(), "the filing")
        row = await h.row()
        assert (row.call_id, row.offer_id, row.agent) == ("call-1", None, "")


async def test_while_the_journal_may_yet_learn_of_it_a_recording_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SWEEP_SECONDS", 0.05)
    raw = House(tmp_path, None).raw(age=90)  # type: ignore[arg-type]
    async with house(tmp_path) as h:
        await asyncio.sleep(0.2)
        assert raw.exists()
        assert (h.recorder.unfiled, h.archive.exists()) == (0, False)
        uri = recording_uri(NAME)
        h.journal.write(
            call("c9", recording=uri, agent="104", talking_at=NOON, started_at=datetime.now(UTC))
        )
        await eventually(lambda: not raw.exists(), "the filing")
        assert ((await h.row()).call_id, (await h.row()).agent) == ("c9", "104")


class Refusing:
    """A full disk, until told otherwise."""

    def __init__(self, folder: Path) -> None:
        self._inline = Inline(folder)
        self.full = True

    async def file(self, job: Job) -> Answer:
        if self.full:
            raise RecordingError("no room")
        return await self._inline.file(job)


async def test_what_cannot_be_filed_waits_in_the_spool_and_is_filed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SWEEP_SECONDS", 0.05)
    filer = Refusing(tmp_path / "archive")
    async with house(tmp_path, filer=filer) as h:
        raw = h.raw(age=3600)
        h.recorder.begin(NAME)
        h.finish()
        await eventually(lambda: h.recorder.unfiled, "the alarm")
        assert raw.exists()
        filer.full = False
        await eventually(lambda: not raw.exists(), "the filing")
        assert h.recorder.unfiled == 0
        assert (await h.row()).seconds == 3.0


async def test_a_folder_that_goes_while_the_spool_is_looked_through_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the whole program on a day of many calls."""
    before = House(tmp_path, None)  # type: ignore[arg-type]
    old, gone = before.raw(age=3600), before.raw(OTHER)
    scandir = os.scandir

    def vanishing(path: str | Path = ".") -> object:
        if str(path) == str(gone.parent):
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    async with house(tmp_path):
        await eventually(lambda: not old.exists(), "the filing of what was left")


async def test_many_that_were_left_behind_are_filed_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(recorder, "SWEPT_AT_ONCE", 3)
    before, short = House(tmp_path, None), raw_of(tone(CUSTOMER_HZ, 0.2), tone(AGENT_HZ, 0.2))  # type: ignore[arg-type]
    names = [f"2026/11/23/call-{n}/offer-{n}" for n in range(10)]
    raws = [before.raw(name, short, age=3600) for name in names]
    async with house(tmp_path) as h:
        assert h.recorder.filing <= 3
        await eventually(lambda: not any(raw.exists() for raw in raws), "the filing of all")


async def test_what_nobody_talked_on_is_thrown_away(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        raw = h.raw()
        h.recorder.discard(NAME)
        h.recorder.discard(NAME)
        assert not raw.exists()
