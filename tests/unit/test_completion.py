"""Completion: whatever Asterisk's list of calls says ends up in the journal, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from pln_ivr.calls import completion as module
from pln_ivr.calls.completion import Completion, Sources
from pln_ivr.journal import CallRow, JournalReader, JournalWriter, Limits, open_journal
from pln_ivr.outcomes import Reason, Result, Stage
from tests.unit.completing import CHANNEL, NODE, QUEUED, TALKING, after, fallback, row, text


class House:
    """A journal, the list of calls, and which channels are up."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/journal.db"
        self.file = folder / "calls.csv"
        self.file.touch()
        self.live: set[str] = set()
        self.told: list[CallRow] = []
        self.completion: Completion
        self.journal: JournalWriter

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Completion]:
        """One run of the program, from its start to its end."""
        log = structlog.get_logger("test")
        limits = Limits(batch_seconds=0.005)
        async with open_journal(self.url, log=log, limits=limits) as self.journal:
            self.completion = Completion(
                Sources(self.file, self.url, NODE),
                self.journal,
                self.live.__contains__,
                self.told.append,
            )
            yield self.completion

    def append(self, *texts: str) -> None:
        with self.file.open("a") as file:
            file.write("".join(f"{text}\n" for text in texts))

    async def rows(self) -> dict[str, CallRow]:
        """By channel, as they are stored."""
        assert await self.journal.stored(5.0)
        with JournalReader(self.url) as reader:
            found = reader.last_calls(99)
        assert len({row.channel_id for row in found}) == len(found), "two rows of one call"
        return {row.channel_id: row for row in found}

    async def mark(self) -> int:
        """The stored offset in the list of calls."""
        assert await self.journal.stored(5.0)
        with JournalReader(self.url) as reader:
            return int(reader.mark(f"cdr:{NODE}").partition(":")[2] or 0)

    @property
    def size(self) -> int:
        return self.file.stat().st_size


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_what_the_journal_lacks_is_written_and_told(house: House) -> None:
    house.append(text("c-1"), text("c-2", answer="0", disposition="BUSY"))
    async with house.run() as completion:
        assert await completion.run_once() == 2
        rows = await house.rows()
        assert rows["c-1"].reason is Reason.IN_NOTICE
        assert rows["c-2"].outcome is Result.REJECTED
        assert [row.channel_id for row in house.told] == ["c-1", "c-2"]
        assert await house.mark() == house.size


async def test_an_open_row_is_closed_and_a_closed_one_left(house: House) -> None:
    async with house.run() as completion:
        closed = row(call_id="c", channel_id="c-2", outcome=Result.FAILED, reason=Reason.PBX)
        house.journal.write(row(queued_at=after(9)))
        house.journal.write(closed)
        house.append(text(), text("c-2"))
        assert await completion.run_once() == 1
        rows = await house.rows()
        assert rows[CHANNEL].reason is Reason.IN_WAITING
        assert (rows[CHANNEL].call_id, rows[CHANNEL].sequence) == ("call-1", 4)
        assert rows["c-2"] == closed


async def test_agents_legs_are_no_calls(house: House) -> None:
    house.append(text(dcontext="agent-answered"), text("x", dcontext="from-agents"))
    async with house.run() as completion:
        assert await completion.run_once() == 0
        assert await house.rows() == {}
        assert await house.mark() == house.size


async def test_a_line_of_a_call_that_is_up_waits_and_so_does_the_mark(house: House) -> None:
    """Across a restart too: what was not judged is read again."""
    house.append(text("c-1"))
    async with house.run() as completion:
        await completion.run_once()
        before = house.size
        house.live.add("c-2")
        house.append(text("c-2"))
        assert await completion.run_once() == 0
        house.append(text("c-3"))
        assert await completion.run_once() == 1, "who comes after it does not wait"
        assert await house.mark() == before
    house.live.clear()
    async with house.run() as completion:
        assert await completion.run_once() == 1
        assert set(await house.rows()) == {"c-1", "c-2", "c-3"}
        assert await house.mark() == house.size


async def test_a_later_line_of_one_call_does_not_hide_the_earlier_one_of_another(
    house: House,
) -> None:
    async with house.run() as completion:
        house.live |= {"c-1", "c-2"}
        for channel in ("c-1", "c-2", "c-1"):
            house.append(text(channel))
            assert await completion.run_once() == 0
    house.live.clear()
    async with house.run() as completion:
        assert await completion.run_once() == 2
        assert set(await house.rows()) == {"c-1", "c-2"}


async def test_a_call_that_ended_just_now_may_still_be_told_by_its_event(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED_AFTER", timedelta(days=36500))
    house.append(text())
    async with house.run() as completion:
        assert await completion.run_once() == 0
        assert await house.mark() == 0
        monkeypatch.setattr(module, "SETTLED_AFTER", timedelta(seconds=3))
        assert await completion.run_once() == 1
        assert await house.mark() == house.size


async def test_the_last_line_of_a_channel_counts(house: House) -> None:
    house.append(text(answer="0"), text(userfield=fallback("", QUEUED)))
    async with house.run() as completion:
        assert await completion.run_once() == 1
        assert (await house.rows())[CHANNEL].reason is Reason.IN_WAITING


async def test_a_line_that_cannot_be_read_is_told_and_passed_over(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.append(text("c-1"), "garbage", text("c-2", userfield="fallback/1"), text("c-3"))
    async with house.run() as completion:
        assert await completion.run_once() == 2
        assert set(await house.rows()) == {"c-1", "c-3"}
        assert await house.mark() == house.size
    assert capsys.readouterr().out.count("cdr_line_unreadable") == 2


async def test_a_restart_reads_on_and_writes_nothing_twice(house: House) -> None:
    house.append(text("c-1"))
    async with house.run() as completion:
        assert await completion.run_once() == 1
        assert await completion.run_once() == 0
        first = await house.rows()
    house.told.clear()
    async with house.run() as completion:
        assert await completion.run_once() == 0
        house.append(text("c-2"))
        assert await completion.run_once() == 1
        assert (await house.rows())["c-1"] == first["c-1"]
    assert [row.channel_id for row in house.told] == ["c-2"]


async def test_without_its_mark_it_reads_all_again_and_changes_nothing(house: House) -> None:
    """A crash may come between a row and the mark behind it."""
    house.append(text("c-1"), text("c-2", userfield=fallback("", QUEUED, TALKING)))
    async with house.run() as completion:
        assert await completion.run_once() == 2
        first = await house.rows()
        again = Completion(
            Sources(house.file, house.url, NODE), house.journal, lambda _: False, house.told.append
        )
        again._position = ""
        assert await again.run_once() == 0
        assert await house.rows() == first


async def test_a_missing_list_and_a_list_that_cannot_be_read_harm_nothing(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.file.unlink()
    async with house.run() as completion:
        assert await completion.run_once() == 0
        house.file.mkdir()
        assert await completion.run_once() == 0
        assert "completion_failed" in capsys.readouterr().out
        house.file.rmdir()
        house.append(text())
        assert await completion.run_once() == 1


async def test_nothing_is_judged_by_a_journal_that_is_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row on its way to the database must not be taken for missing."""

    async def behind(_: float) -> bool:
        return False

    house.append(text())
    async with house.run() as completion:
        with monkeypatch.context() as patch:
            patch.setattr(house.journal, "stored", behind)
            assert await completion.run_once() == 0
            assert house.told == []
        assert await completion.run_once() == 1


# -- calls that are in no list any more -----------------------------------------------------


async def test_a_call_that_is_missed_for_long_enough_is_closed_as_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.run() as completion:
        house.journal.write(row(sequence=7))
        await house.rows()
        assert await completion.close_lost(set()) == 0, "its line may be on its way"
        assert await completion.close_lost(set()) == 0
        monkeypatch.setattr(module, "LOST_AFTER_SECONDS", 0.0)
        assert await completion.close_lost(set()) == 1
        lost = (await house.rows())[CHANNEL]
        assert (lost.outcome, lost.reason, lost.stage) == (Result.FAILED, Reason.PBX, Stage.ENDED)
        assert lost.sequence == 8
        assert lost.ended_at is not None
        assert await completion.close_lost(set()) == 0
        assert [row.call_id for row in house.told] == ["call-1"]


@pytest.mark.parametrize("where", ["asterisk", "ours", "another node", "closed"])
async def test_who_is_anywhere_is_not_lost(
    house: House, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(module, "LOST_AFTER_SECONDS", 0.0)
    changes: dict[str, dict[str, Any]] = {
        "another node": {"node": "pln-2"},
        "closed": {"outcome": Result.FAILED, "reason": Reason.PBX},
    }
    if where == "ours":
        house.live.add(CHANNEL)
    async with house.run() as completion:
        house.journal.write(row(**changes.get(where, {})))
        await house.rows()
        alive = {CHANNEL} if where == "asterisk" else set()
        assert await completion.close_lost(alive) == 0


async def test_who_is_back_before_the_time_begins_to_be_missed_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    async with house.run() as completion:
        house.journal.write(row())
        await house.rows()
        assert await completion.close_lost(set()) == 0
        now += module.LOST_AFTER_SECONDS - 0.1
        assert await completion.close_lost(set()) == 0
        assert await completion.close_lost({CHANNEL}) == 0
        now += 0.2
        assert await completion.close_lost(set()) == 0
        now += module.LOST_AFTER_SECONDS
        assert await completion.close_lost(set()) == 1
