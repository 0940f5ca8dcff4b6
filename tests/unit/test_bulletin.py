"""The bulletin: what is live is in place and told of; what is over is over without anybody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pln_ivr.journal.statements import (
    StatementRow,
    Statements,
    renew_statement,
    withdraw_statement,
)
from pln_ivr.outages.bulletin import FALLBACK, KEPT, Bulletin, prompt_of
from pln_ivr.outcomes import StatementStatus
from pln_ivr.speech import SILENCE
from tests.unit.pronouncing import approved, drafted, live, prepare

ONE, TWO = b"\x11" * 800, b"\x22" * 800


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Board:
    """A bulletin and what it told."""

    def __init__(self, folder: Path) -> None:
        self.url = prepare(f"sqlite:///{folder}/journal.db")
        self.folder = folder / "prompts"
        self.folder.mkdir()
        self.clock = Clock()
        self.told: list[list[int]] = []
        self.bulletin = self.another()

    def another(self) -> Bulletin:
        return Bulletin(self.url, self.folder, 0.05, self._tell, self.clock)

    def _tell(self, rows: list[StatementRow]) -> None:
        self.told.append([row.version for row in rows])

    def sound(self, name: str) -> bytes:
        return (self.folder / f"{name}.alaw").read_bytes()

    def hide_journal(self, hidden: bool = True) -> None:
        journal = Path(self.url.removeprefix("sqlite:///"))
        away = journal.with_suffix(".away")
        (journal if hidden else away).rename(away if hidden else journal)

    def audio(self) -> set[str]:
        return {file.stem for file in self.folder.iterdir()} - {FALLBACK}

    def versions(self) -> list[int]:
        return [row.version for row in self.bulletin.live()]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


async def test_what_goes_live_is_put_in_place_and_told_once(board: Board) -> None:
    await board.bulletin.look()
    assert (board.told, board.sound(FALLBACK)) == ([], SILENCE)
    approved(board.url, ONE)
    await board.bulletin.look()
    assert board.told == []
    waiting = asyncio.create_task(board.bulletin.until_changed())
    first = live(board.url, ONE, areas=("Garut",))
    second = live(board.url, TWO, areas=("Bandung",))
    await board.bulletin.look()
    await board.bulletin.look()
    await asyncio.wait_for(waiting, 5)
    assert board.told == [[first, second]]
    assert board.bulletin.ends_at() == int(board.bulletin.live()[0].expires_at.timestamp())
    assert board.versions() == [first, second]
    assert (board.sound(prompt_of(first)), board.sound(prompt_of(second))) == (ONE, TWO)
    assert board.sound(FALLBACK) == ONE + TWO, "what Asterisk plays by itself"


async def test_what_is_withdrawn_is_heard_no_more(board: Board) -> None:
    first, second = live(board.url, ONE, areas=("A",)), live(board.url, TWO, areas=("B",))
    await board.bulletin.look()
    withdraw_statement(board.url, first, "Budi")
    await board.bulletin.look()
    assert (board.versions(), board.sound(FALLBACK)) == ([second], TWO)
    withdraw_statement(board.url, second, "Budi")
    await board.bulletin.look()
    assert (board.versions(), board.sound(FALLBACK)) == ([], SILENCE)
    assert board.told == [[first, second], [second], []]


async def test_who_has_heard_one_hears_only_newer_ones(board: Board) -> None:
    first, second = live(board.url, areas=("A",)), live(board.url, areas=("B",))
    await board.bulletin.look()
    unheard = board.bulletin.unheard
    assert [row.version for row in unheard(None)] == [first, second]
    assert [row.version for row in unheard(first)] == [second]
    assert unheard(second) == []


async def test_its_end_needs_nobody_and_no_journal(board: Board) -> None:
    version = live(board.url, ONE)
    await board.bulletin.look()
    board.hide_journal()
    await board.bulletin.look()
    assert board.bulletin.failing
    assert board.versions() == [version], "what was live goes on"
    board.clock.ahead = timedelta(hours=3)
    assert board.versions() == []
    await board.bulletin.look()
    assert board.told == [[version], []]
    board.hide_journal(False)
    await board.bulletin.look()
    assert not board.bulletin.failing


async def test_the_end_is_written_down_and_asterisk_falls_silent(board: Board) -> None:
    version = live(board.url, ONE)
    await board.bulletin.look()
    board.clock.ahead = timedelta(hours=3)
    await board.bulletin.look()
    assert board.sound(FALLBACK) == SILENCE
    assert board.bulletin.ends_at() == 0
    with Statements(board.url) as statements:
        early = datetime.now(UTC)  # by a clock that does not know of the end
        assert statements.one(version, early).status is StatementStatus.EXPIRED


async def test_what_is_renewed_goes_on(board: Board) -> None:
    version = live(board.url)
    await board.bulletin.look()
    renew_statement(board.url, version, datetime.now(UTC) + timedelta(hours=5), "Budi")
    await board.bulletin.look()
    board.clock.ahead = timedelta(hours=3)
    assert board.versions() == [version]


async def test_what_an_earlier_run_left_for_asterisk_to_play_is_put_right(board: Board) -> None:
    (board.folder / f"{FALLBACK}.alaw").write_bytes(ONE)
    await board.bulletin.look()
    assert board.sound(FALLBACK) == SILENCE


async def test_the_audio_of_what_is_over_stays_for_a_while_and_then_goes(board: Board) -> None:
    (board.folder / "notice.alaw").write_bytes(ONE)
    over, lives = live(board.url, ONE, areas=("A",)), live(board.url, TWO, areas=("B",))
    await board.bulletin.look()
    withdraw_statement(board.url, over, "Budi")
    await board.bulletin.look()
    board.clock.ahead = KEPT * 0.9
    await board.bulletin.look()
    assert board.audio() == {"notice", prompt_of(over), prompt_of(lives)}
    later = live(board.url, ONE, areas=("C",))  # a change does not begin the while anew
    await board.bulletin.look()
    board.clock.ahead = KEPT * 1.1
    await board.bulletin.look()
    assert board.audio() == {"notice", prompt_of(lives), prompt_of(later)}


async def test_the_audio_that_an_earlier_run_left_goes(board: Board) -> None:
    (board.folder / f"{prompt_of(7)}.alaw").write_bytes(ONE)
    another = board.another()
    await another.look()
    assert prompt_of(7) in board.audio()
    board.clock.ahead = KEPT * 1.1
    await another.look()
    assert board.audio() == set()


async def test_audio_that_cannot_be_removed_is_in_nobodys_way(board: Board) -> None:
    (board.folder / f"{prompt_of(7)}.alaw").mkdir()
    await board.bulletin.look()
    board.clock.ahead = KEPT * 1.1
    version = live(board.url, ONE)
    await board.bulletin.look()
    assert (board.bulletin.failing, board.versions()) == (False, [version])


async def test_it_knows_who_waits_for_approval_and_who_to_go_live(board: Board) -> None:
    draft, approval = StatementStatus.DRAFT, StatementStatus.APPROVED
    drafted(board.url)
    drafted(board.url)
    approved(board.url)
    live(board.url)
    await board.bulletin.look()
    assert board.bulletin.pending == {draft: 2, approval: 1}
    board.clock.ahead = timedelta(hours=3)  # they could not go live any more
    await board.bulletin.look()
    assert board.bulletin.pending == {draft: 0, approval: 0}


async def test_a_folder_that_cannot_be_written_is_tried_again(board: Board) -> None:
    board.folder.rmdir()
    version = live(board.url, ONE)
    await board.bulletin.look()
    assert (board.bulletin.failing, board.versions()) == (True, [])
    board.folder.mkdir()
    await board.bulletin.look()
    assert (board.bulletin.failing, board.versions()) == (False, [version])


async def test_it_looks_by_itself(board: Board) -> None:
    watching = asyncio.create_task(board.bulletin.watch())
    version = live(board.url)
    await asyncio.wait_for(board.bulletin.until_changed(), 10)
    assert board.versions() == [version]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
