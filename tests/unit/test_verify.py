"""Reconciliation: nothing is found on a healthy day, and whatever is done to one file is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pln_ivr.errors import JournalError
from pln_ivr.journal import OfferRow, RecordingRow, Row, open_journal
from pln_ivr.outcomes import OfferResult, Reason, RecordingFault, Result
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.index import facts_of
from pln_ivr.recordings.names import name_of, recording_uri
from pln_ivr.recordings.store import LocalStore
from pln_ivr.recordings.verify import Account, Finding, Places, Spoken, compare, verify
from tests.archiving import AGENT_HZ, CUSTOMER_HZ, raw_of, spool_file, tone
from tests.databases import sqlite_in
from tests.unit.running import Run
from tests.unit.test_journal import NOON, QUICK, Log, call, offer

DAY = (NOON - timedelta(hours=5), NOON + timedelta(hours=19))
SECOND = raw_of(tone(CUSTOMER_HZ, 1), tone(AGENT_HZ, 1))


def name(n: int) -> str:
    return f"2026/11/23/call-{n}/offer-{n}"


def talked(n: int, **changes: Any) -> OfferRow:
    """The n-th agent's part in a conversation of a second."""
    began = NOON + timedelta(minutes=n)
    values = {
        "call_id": f"call-{n}",
        "offered_at": began,
        "talking_at": began,
        "talked_until": began + timedelta(seconds=1),
        "recording": recording_uri(name(n)),
        "result": OfferResult.ANSWERED,
    }
    return offer(f"offer-{n}", **{**values, **changes})


class Day:
    """An archive, a spool and a journal with what happened on one day."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or sqlite_in(folder).url
        self.spool, self.archive = folder / "spool", folder / "archive"
        self.store = LocalStore(self.archive)
        self.rows: list[Row] = []

    def file(self, told: OfferRow, row: bool = True) -> RecordingRow:
        """File what was said in this conversation."""
        raw = spool_file(self.spool, name_of(told.recording or ""), SECOND)
        facts = facts_of(name_of(told.recording or ""), told, None)
        made = Archive(self.store, Codec.OPUS).file(raw, facts).row("pln-1", 1)
        raw.unlink()
        if row:
            self.rows.append(made)
        return made

    def add(self, n: int, **changes: Any) -> RecordingRow:
        """A conversation and its recording."""
        told = talked(n, **changes)
        self.rows.append(told)
        return self.file(told)

    async def store_rows(self) -> None:
        async with open_journal(self.url, log=Log(), limits=QUICK) as journal:
            for row in self.rows:
                journal.write(row)

    async def account(self, **options: Any) -> Account:
        await self.store_rows()
        places = Places(self.url, self.spool, self.store)
        return verify(places, *DAY, **options)


@pytest.fixture
def day(tmp_path: Path, url: str) -> Day:
    return Day(tmp_path, url)


def found(account: Account) -> list[tuple[Finding, str]]:
    return [(one.what, one.recording) for one in account.found]


async def test_a_healthy_day_has_nothing_to_find(day: Day) -> None:
    for n in range(3):
        day.add(n)
    for n in (3, 4):  # two agents, one call
        day.add(n, call_id="call-3", recording=recording_uri(f"2026/11/23/call-3/offer-{n}"))
    day.rows.append(talked(6, talking_at=None, talked_until=None, result=OfferResult.MISSED))
    day.rows.append(talked(7, talked_until=None, result=None))  # they talk
    told: list[tuple[int, int]] = []
    account = await day.account(progress=lambda *of: told.append(of))
    assert account.healthy, account.found
    assert (account.conversations, account.filed, account.unproven) == (5, 5, 0)
    assert told[-1] == (5, 5)


async def test_a_conversation_served_by_asterisk_alone_counts_as_well(day: Day) -> None:
    served = call(
        "call-1",
        fallback=True,
        agent="104",
        recording=recording_uri(name(1)),
        talking_at=NOON,
        ended_at=NOON + timedelta(seconds=1),
        outcome=Result.ANSWERED,
        reason=Reason.CALLER_HUNG_UP,
    )
    day.rows.append(served)
    assert found(await day.account()) == [(Finding.MISSING, name(1))]
    raw = spool_file(day.spool, name(1), SECOND)
    archive = Archive(day.store, Codec.FLAC)
    day.rows = [archive.file(raw, facts_of(name(1), None, served)).row("pln-1", 1)]
    assert (await day.account()).healthy


Spoil = Callable[[Day, RecordingRow], None]


def lost(day: Day, row: RecordingRow) -> None:
    (day.archive / f"{name_of(row.uri)}.opus").unlink()


def one_bit(day: Day, row: RecordingRow) -> None:
    path = day.archive / f"{name_of(row.uri)}.opus"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(day: Day, row: RecordingRow) -> None:
    path = day.archive / f"{name_of(row.uri)}.opus"
    path.write_bytes(path.read_bytes()[:-1])


def no_manifest(day: Day, row: RecordingRow) -> None:
    (day.archive / f"{name_of(row.uri)}.json").unlink()


def broken_manifest(day: Day, row: RecordingRow) -> None:
    (day.archive / f"{name_of(row.uri)}.json").write_text("{}")


def another_agent(day: Day, row: RecordingRow) -> None:
    path = day.archive / f"{name_of(row.uri)}.json"
    path.write_text(path.read_text().replace('"101"', '"102"'))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lost, Finding.MISSING),
        (one_bit, Finding.ALTERED),
        (cut, Finding.ALTERED),
        (no_manifest, Finding.ALTERED),
        (broken_manifest, Finding.ALTERED),
        (another_agent, Finding.ALTERED),
    ],
)
async def test_what_was_done_to_one_file_is_found(day: Day, spoil: Spoil, what: Finding) -> None:
    rows = [day.add(n) for n in range(3)]
    spoil(day, rows[1])
    assert found(await day.account()) == [(what, name(1))]


async def test_lengths_alone_are_quick_and_miss_a_flipped_bit(day: Day) -> None:
    one_bit(day, day.add(1))
    cut(day, day.add(2))
    assert found(await day.account(hashes=False)) == [(Finding.ALTERED, name(2))]


async def test_a_conversation_that_was_never_filed_is_found(day: Day) -> None:
    day.rows.append(talked(1))
    assert found(await day.account()) == [(Finding.MISSING, name(1))]
    spool_file(day.spool, name(1), SECOND)
    (one,) = (await day.account()).found
    assert one.text == "still in the spool"


async def test_a_file_of_which_the_journal_does_not_know_is_found(day: Day) -> None:
    day.add(1)
    day.file(talked(2), row=False)
    next_day = NOON + timedelta(days=1)
    tomorrow = {"talking_at": next_day, "talked_until": next_day + timedelta(seconds=1)}
    day.file(talked(3, **tomorrow), row=False)  # found when that day is looked at
    day.store.put("2026/11/23/call-9/offer-9.opus", b"who knows")
    assert found(await day.account()) == [
        (Finding.STRAY, f"{name(2)}.opus"),
        (Finding.STRAY, "2026/11/23/call-9/offer-9.opus"),
    ]


async def test_a_recording_without_its_conversation_is_found(day: Day) -> None:
    day.file(talked(1))
    assert found(await day.account()) == [(Finding.STRAY, name(1))]


async def test_a_conversation_after_midnight_has_its_file_in_yesterdays_folder(day: Day) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    late = {"talking_at": midnight, "talked_until": midnight + timedelta(seconds=1)}
    day.add(1, **late, offered_at=midnight - timedelta(seconds=9))
    await day.store_rows()
    places = Places(day.url, day.spool, day.store)
    assert verify(places, midnight, midnight + timedelta(days=1)).filed == 1
    assert verify(places, *DAY).healthy


async def test_what_was_deleted_must_not_be_there(day: Day) -> None:
    made = [day.add(n) for n in range(2)]
    gone = {"deleted_at": NOON, "deleted_by": "retention", "sequence": 2}
    day.rows += [RecordingRow(**{**as_dict(row), **gone}) for row in made]
    lost(day, made[0])
    account = await day.account()
    assert account.deleted == 2
    assert found(account) == [(Finding.STRAY, name(1))]


def as_dict(row: RecordingRow) -> dict[str, Any]:
    return {field: getattr(row, field) for field in RecordingRow.__slots__}


async def test_policies_and_oddities_are_counted_not_found(day: Day) -> None:
    day.rows.append(talked(1, recording=None))
    row = day.add(2)
    day.rows[-1] = RecordingRow(**{**as_dict(row), "faults": "short,agent_silent"})
    odd = {"faults": [RecordingFault.SHORT, RecordingFault.AGENT_SILENT]}
    path = day.archive / f"{name(2)}.json"
    manifest = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(manifest | odd))
    account = await day.account()
    assert account.healthy, account.found
    assert account.unrecorded == 1
    assert account.faults == {"short": 1, "agent_silent": 1}


async def test_files_of_an_earlier_version_have_no_proof_but_a_length(day: Day) -> None:
    day.rows.append(talked(1))
    day.store.put(f"{name(1)}.wav", b"RIFF")
    row = as_dict(day.file(talked(1), row=False))
    day.store.delete(f"{name(1)}.opus")
    old = {"uri": f"archive:{name(1)}.wav", "codec": "wav", "bytes": 4, "sha256": None}
    day.rows.append(RecordingRow(**row | old))
    account = await day.account()
    assert (account.filed, account.unproven, account.found) == (1, 1, [])
    day.store.put(f"{name(1)}.wav", b"RIF")
    assert found(await day.account()) == [(Finding.ALTERED, name(1))]


def test_what_has_just_ended_may_wait_in_the_spool() -> None:
    talks = [Spoken(name(1), "call-1", "101", NOON)]
    minute, hour = NOON + timedelta(minutes=59), NOON + timedelta(minutes=61)
    assert compare(talks, {}, {}, {name(1)}, minute).waiting == 1
    assert compare(talks, {}, {}, {name(1)}, hour).count(Finding.MISSING) == 1
    assert compare(talks, {}, {}, set(), minute).count(Finding.MISSING) == 1


# -- the command ---------------------------------------------------------------------------


def settings(day: Day) -> dict[str, str]:
    return {
        "JOURNAL__URL": day.url,
        "RECORDINGS__SPOOL": str(day.spool),
        "RECORDINGS__FOLDER": str(day.archive),
    }


async def test_the_command_prints_the_account_and_fails_if_anything_was_found(
    day: Day, pln_ivr: Run
) -> None:
    made = [day.add(n) for n in range(3)]
    await day.store_rows()
    where = ("recordings", "verify", "--day", "2026-11-23")
    done = pln_ivr(day.folder, *where, **settings(day))
    assert done.returncode == 0, done.stderr
    assert "conversations without file" in done.stdout
    lost(day, made[2])
    done = pln_ivr(day.folder, *where, **settings(day))
    assert done.returncode == 1
    assert f"missing  {name(2)}: filed, but the file is gone" in done.stdout
    done = pln_ivr(day.folder, *where, "--json", "--quick", **settings(day))
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["conversations"], told["filed"], told["missing"]) == (3, 2, 1)
    assert (told["stray"], told["altered"], told["faults"]["short"]) == (0, 0, 0)
    assert told["found"][0]["recording"] == name(2)


async def test_without_a_time_it_is_yesterday_and_today(day: Day, pln_ivr: Run) -> None:
    now = datetime.now(UTC)
    lately = {"talking_at": now, "talked_until": now + timedelta(seconds=1), "offered_at": now}
    day.add(1, **lately)
    day.add(2)
    await day.store_rows()
    done = pln_ivr(day.folder, "recordings", "verify", "--json", **settings(day))
    assert json.loads(done.stdout)["conversations"] == 1


def test_without_a_journal_there_is_one_line(day: Day, pln_ivr: Run) -> None:
    done = pln_ivr(day.folder, "recordings", "verify", **settings(day))
    assert done.returncode == 1
    assert "there is no journal" in done.stderr
    with pytest.raises(JournalError):
        verify(Places(day.url, day.spool, day.store), *DAY)
