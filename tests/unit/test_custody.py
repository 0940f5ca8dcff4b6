"""Custody of recordings: each access is journalled first, what is held stays, what is deleted
is gone and known to be; and they are found by what is known of their calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pln_ivr.errors import EntryError, RecordingError
from pln_ivr.journal import JournalReader, RecordingRow
from pln_ivr.journal.catalogue import Catalogue, Wanted
from pln_ivr.journal.custody import LONGEST_REASON, Custody, Someone
from pln_ivr.outcomes import Access, IncidentKind, Reason, RecordingFault, Result
from pln_ivr.recordings.library import Library
from pln_ivr.recordings.retention import Keep, delete, purge
from pln_ivr.recordings.verify import Finding
from tests.unit.test_journal import NOON, call
from tests.unit.test_journal_questions import incident
from tests.unit.test_verify import Day, as_dict, found, talked

DEWI = Someone("dewi", "supervisor", "keluhan 4711")
MISSED, HUNG_UP = IncidentKind.MISSED_THIRD_RING, IncidentKind.HUNG_UP_ON_CUSTOMER


@pytest.fixture
def day(tmp_path: Path, url: str) -> Day:
    return Day(tmp_path, url)


@pytest.fixture
async def custody(day: Day) -> AsyncIterator[Custody]:
    """Of a day with four recordings: two of gangguan, one of tagihan, one of no queue."""
    for n, queue in enumerate(("gangguan", "gangguan", "tagihan", "")):
        day.add(n, queue=queue)
        day.rows.append(
            call(
                f"call-{n}",
                caller=f"+62812000{n}123",
                outcome=Result.ANSWERED,
                reason=Reason.AGENT_HUNG_UP if n else Reason.CALLER_HUNG_UP,
            )
        )
    await day.store_rows()
    with Custody(day.url) as opened:
        yield opened


def library(day: Day) -> Library:
    return Library(day.store, None)


def told(day: Day, recording_id: str) -> list[tuple[str, str, Access, str]]:
    with Catalogue(day.url) as catalogue:
        rows = catalogue.accesses_of(recording_id)
    assert all(row.call_id == recording_id.replace("offer", "call") for row in rows)
    return [(row.who, row.role, row.act, row.reason) for row in rows]


def row_of(day: Day, recording_id: str) -> RecordingRow:
    with JournalReader(day.url) as reader:
        row = reader.recording(recording_id)
    assert row
    return row


def test_each_access_says_who_when_and_why(day: Day, custody: Custody) -> None:
    assert custody.note("offer-1", Access.PLAY, DEWI).uri.endswith("offer-1.opus")
    custody.note("offer-1", Access.EXPORT, Someone("rudi", "operator", "  polisi  "))
    assert told(day, "offer-1") == [
        ("dewi", "supervisor", Access.PLAY, "keluhan 4711"),
        ("rudi", "operator", Access.EXPORT, "polisi"),
    ]
    with Catalogue(day.url) as catalogue:
        (first, second) = catalogue.accesses_of("offer-1")
        assert catalogue.accesses_between(first.accessed_at, second.accessed_at) == [first]
    assert first.accessed_at < second.accessed_at


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * (LONGEST_REASON + 1)])
def test_a_reason_is_one_line_and_there_is_one(reason: str) -> None:
    with pytest.raises(EntryError, match="say why, in one line"):
        Someone("dewi", "supervisor", reason)


def test_what_is_not_there_cannot_be_had(day: Day, custody: Custody) -> None:
    for act in (custody.hold, custody.release, custody.delete):
        with pytest.raises(EntryError, match="there is no recording x"):
            act("x", DEWI)
    with pytest.raises(EntryError, match="there is no recording x"):
        custody.note("x", Access.PLAY, DEWI)
    assert told(day, "x") == []


def test_a_held_recording_is_not_deleted_until_it_is_released(day: Day, custody: Custody) -> None:
    custody.hold("offer-1", DEWI)
    held = row_of(day, "offer-1")
    assert (held.held_by, held.hold_reason) == ("dewi", "keluhan 4711")
    with pytest.raises(EntryError, match="held by dewi"):
        custody.hold("offer-1", DEWI)
    with pytest.raises(EntryError, match=r"legal hold by dewi \(keluhan 4711\); release it first"):
        delete(custody, library(day), "offer-1", DEWI)
    custody.release("offer-1", DEWI)
    with pytest.raises(EntryError, match="not held"):
        custody.release("offer-1", DEWI)
    assert delete(custody, library(day), "offer-1", DEWI)
    acts = [act for _, _, act, _ in told(day, "offer-1")]
    assert acts == [Access.HOLD, Access.RELEASE, Access.DELETE]


async def test_what_is_deleted_is_gone_and_the_journal_says_so(day: Day, custody: Custody) -> None:
    sha256 = row_of(day, "offer-1").sha256
    delete(custody, library(day), "offer-1", DEWI)
    row = row_of(day, "offer-1")
    assert (row.deleted_by, row.delete_reason, row.sha256) == ("dewi", "keluhan 4711", sha256)
    assert not list(day.archive.rglob("offer-1.*"))
    with pytest.raises(EntryError, match="deleted by dewi"):
        custody.note("offer-1", Access.PLAY, DEWI)
    with pytest.raises(EntryError, match="is deleted"):
        custody.hold("offer-1", DEWI)
    with pytest.raises(RecordingError, match="the file is gone"):
        library(day).open(row)
    account = await day.account()
    assert account.healthy, account.found
    assert (account.deleted, account.filed) == (1, 3)
    delete(custody, library(day), "offer-1", DEWI)  # once more does no harm
    assert len(told(day, "offer-1")) == 1


async def test_filing_again_undoes_neither_hold_nor_deletion(day: Day, custody: Custody) -> None:
    """A row that filing writes once more is older."""
    custody.hold("offer-0", DEWI)
    custody.delete("offer-1", DEWI)
    again = {"sequence": int(NOON.timestamp()) + 10**8}
    day.rows = [
        RecordingRow(**{**as_dict(row), **again, "held_at": None, "deleted_at": None})
        for row in (row_of(day, "offer-0"), row_of(day, "offer-1"))
    ]
    await day.store_rows()
    assert row_of(day, "offer-0").held_at
    assert row_of(day, "offer-1").deleted_at


async def test_a_deletion_that_was_cut_off_is_found_and_finished(
    day: Day, custody: Custody
) -> None:
    custody.delete("offer-1", DEWI)  # and the power fails
    assert found(await day.account()) == [(Finding.STRAY, "2026/11/23/call-1/offer-1")]
    keep = Keep({}, 0)
    assert purge(custody, library(day), keep, NOON, only_look=True).finished == 1
    assert (day.archive / "2026/11/23/call-1/offer-1.opus").exists()
    assert purge(custody, library(day), keep, NOON).finished == 1
    assert (await day.account()).healthy
    assert purge(custody, library(day), keep, NOON).finished == 0


def test_a_file_that_cannot_be_removed_is_an_error(
    day: Day, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(day.store), "delete", lambda *_: True)
    with pytest.raises(RecordingError, match="still there after it was removed"):
        delete(custody, library(day), "offer-1", DEWI)


@pytest.mark.parametrize(
    ("keep", "after_days", "gone"),
    [
        pytest.param(Keep({}, 0), 9999, [], id="for-ever"),
        pytest.param(Keep({}, 30), 29, [], id="not-yet"),
        pytest.param(Keep({}, 30), 31, [0, 1, 2, 3], id="all"),
        pytest.param(Keep({"gangguan": 10}, 0), 11, [0, 1], id="one-queue"),
        pytest.param(Keep({"gangguan": 0}, 30), 31, [2, 3], id="one-queue-for-ever"),
        pytest.param(Keep({"gangguan": 90, "tagihan": 10}, 30), 31, [2, 3], id="each-its-own"),
    ],
)
async def test_what_was_kept_long_enough_goes(
    day: Day, custody: Custody, keep: Keep, after_days: int, gone: list[int]
) -> None:
    now = NOON + timedelta(days=after_days, minutes=10)
    looked = purge(custody, library(day), keep, now, only_look=True)
    assert len(list(day.archive.rglob("*.opus"))) == 4, "only looked"
    done = purge(custody, library(day), keep, now)
    assert sorted(i for ids in done.deleted.values() for i in ids) == [f"offer-{n}" for n in gone]
    assert looked.deleted == done.deleted
    assert done.count == len(gone)
    assert len(list(day.archive.rglob("*.opus"))) == 4 - len(gone)
    for n in gone:
        ((who, role, act, reason),) = told(day, f"offer-{n}")
        assert (who, role, act) == ("retention", "program", Access.DELETE)
        assert reason.startswith("kept for ")
    assert purge(custody, library(day), keep, now).count == 0
    assert (await day.account()).healthy


def test_retention_passes_over_what_is_held(day: Day, custody: Custody) -> None:
    custody.hold("offer-0", DEWI)
    done = purge(custody, library(day), Keep({}, 1), NOON + timedelta(days=9))
    assert done.count == 3
    assert not row_of(day, "offer-0").deleted_at


# -- the catalogue -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [3, 2, 1, 0]),
        ({"most": 2}, [3, 2]),
        ({"queue": "gangguan"}, [1, 0]),
        ({"agent": "102"}, []),
        ({"agent": "101", "queue": "tagihan"}, [2]),
        ({"caller": "+628120002123"}, [2]),
        ({"caller": "2123"}, [2]),
        ({"caller": "%2123"}, []),
        ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=3)}, [2, 1]),
        ({"outcome": Result.ABANDONED}, []),
        ({"incident": HUNG_UP}, [1]),
        ({"any_incident": True}, [2, 1]),
        ({"call_id": "call-0"}, [0]),
        ({"fault": RecordingFault.SHORT}, [3]),
        ({"fault": RecordingFault.AGENT_SILENT}, [3]),
        ({"fault": RecordingFault.CUSTOMER_SILENT}, []),
        ({"held": True}, [2]),
    ],
)
async def test_recordings_are_found_newest_first(
    day: Day, custody: Custody, wanted: dict[str, Any], ids: list[int]
) -> None:
    day.rows = [
        incident("i1", kind=HUNG_UP, offer_id="offer-1"),
        incident("i2", kind=MISSED, offer_id="offer-2"),
        incident("i3", kind=MISSED, offer_id="offer-9"),
        RecordingRow(
            **{**as_dict(row_of(day, "offer-3")), "faults": "short,agent_silent", "sequence": 2}
        ),
    ]
    await day.store_rows()
    custody.hold("offer-2", DEWI)
    with Catalogue(day.url) as catalogue:
        entries = catalogue.find(Wanted(**wanted))
    assert [entry.recording.recording_id for entry in entries] == [f"offer-{n}" for n in ids]


async def test_an_entry_knows_its_call_and_its_incidents(day: Day, custody: Custody) -> None:
    day.rows = [incident("i1", kind=HUNG_UP, offer_id="offer-1"), day.file(talked(7))]
    await day.store_rows()
    with Catalogue(day.url) as catalogue:
        entry, alone = catalogue.entry("offer-1"), catalogue.entry("offer-7")
        assert catalogue.entry("x") is None
    assert entry
    assert alone
    assert (entry.caller, entry.outcome, entry.reason) == (
        "+628120001123",
        Result.ANSWERED,
        Reason.AGENT_HUNG_UP,
    )
    assert entry.incidents == (HUNG_UP,)
    assert (alone.caller, alone.outcome) == ("", None), "a call that the journal does not have"


def test_deleted_ones_are_found_only_if_asked_for(day: Day, custody: Custody) -> None:
    custody.delete("offer-1", DEWI)
    with Catalogue(day.url) as catalogue:
        assert len(catalogue.find(Wanted())) == 3
        assert len(catalogue.find(Wanted(deleted=True))) == 4
        gone = catalogue.entry("offer-1")
    assert gone
    assert gone.recording.deleted_at
