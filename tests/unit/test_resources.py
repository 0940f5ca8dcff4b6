"""Resources: what is needed follows from the capacity, and what is short is told once."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.resources import (
    DiskWatch,
    free_mb,
    needs,
    of_asterisk,
    of_this_process,
    raise_own_files,
    shortages,
    sqlite_folder,
)

SIZES = st.integers(0, 5000)


def amounts(capacity: int, agents: int, connections: int = 64) -> dict[str, int]:
    return {name: need.needed for name, need in needs(capacity, agents, connections).items()}


# -- what is needed -------------------------------------------------------------------------


def test_what_the_full_house_of_the_brief_needs() -> None:
    """720 callers, 72 of whom talk to an agent."""
    needed = amounts(720, 72)
    assert needed["RTP_PORTS"] == 2 * (720 + 72)
    assert needed["HTTP_SESSIONS"] == 64 + 10
    assert needed["OPEN_FILES"] > 4 * (720 + 72) + 72 + 720 + 64
    assert needed["DISK_MB"] == 72 * 3600 * 32_000 // 2**20


def test_no_more_talk_than_there_are_callers_or_agents() -> None:
    assert amounts(5, 500)["DISK_MB"] == amounts(5, 5)["DISK_MB"] == amounts(500, 5)["DISK_MB"]
    assert amounts(0, 0)["DISK_MB"] == 0


@given(capacity=SIZES, agents=SIZES, connections=SIZES)
def test_a_bigger_house_never_needs_less(capacity: int, agents: int, connections: int) -> None:
    before = amounts(capacity, agents, connections)
    for bigger in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        after = amounts(capacity + bigger[0], agents + bigger[1], connections + bigger[2])
        assert all(after[name] >= before[name] for name in before)
        assert after != before


# -- what is short --------------------------------------------------------------------------


def test_enough_of_everything_is_no_line() -> None:
    assert shortages(needs(720, 72, 64), amounts(720, 72)) == []


def test_one_too_few_is_one_line_that_names_the_setting() -> None:
    there = amounts(720, 72)
    there["RTP_PORTS"] -= 1
    (line,) = shortages(needs(720, 72, 64), there)
    assert line == ("RTP ports: 1584 needed, 1583 there; raise PLN_RTP_START and PLN_RTP_END")


def test_what_is_not_known_is_not_told() -> None:
    needed = needs(720, 72, 64)
    assert shortages(needed, {}) == []
    assert shortages(needed, {"SOMETHING": 0}) == []
    assert len(shortages(needed, dict.fromkeys(needed, 0))) == len(needed)


async def test_asterisk_is_asked_for_its_own() -> None:
    told = {"OPEN_FILES": "65536", "RTP_PORTS": "", "HTTP_SESSIONS": "unlimited"}

    async def get_global(name: str) -> str:
        return told[name]

    assert await of_asterisk(get_global) == {"OPEN_FILES": 65536}


async def test_what_asterisk_refuses_to_tell_is_the_callers_to_handle() -> None:
    async def get_global(_: str) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await of_asterisk(get_global)


class Files:
    """The limits of open files of a process."""

    def __init__(self, soft: int, hard: int) -> None:
        self.soft, self.hard = soft, hard

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        self.soft, self.hard = limits


@pytest.mark.parametrize(
    ("soft", "hard", "told"),
    [
        (1024, 4096, 4096),
        (4096, 4096, 4096),
        (1024, resource.RLIM_INFINITY, 1 << 30),
    ],
)
def test_as_many_open_files_as_are_allowed_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, soft: int, hard: int, told: int
) -> None:
    files = Files(soft, hard)
    monkeypatch.setattr(resource, "getrlimit", files.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", files.setrlimit)
    assert raise_own_files() == told
    assert files.soft == files.hard == hard
    assert of_this_process(tmp_path) == {"OWN_FILES": told, "DISK_MB": free_mb(tmp_path)}


# -- the disks ------------------------------------------------------------------------------


def test_free_space_of_a_folder_that_will_be_is_that_of_its_place(tmp_path: Path) -> None:
    there = free_mb(tmp_path)
    assert there > 0
    assert abs(free_mb(tmp_path / "not" / "yet") - there) < 100


LOW, RESERVE = 2048, 512


class Disks:
    """Two disks whose room the test sets; None does not answer."""

    def __init__(self) -> None:
        self.room: dict[str, int | None] = {"spool": 10_000, "archive": 20_000}
        self.watch = DiskWatch(map(Path, self.room), LOW, RESERVE, self._measure)

    def _measure(self, folder: Path) -> int:
        room = self.room[str(folder)]
        if room is None:
            raise OSError(5, "Input/output error")
        return room

    def check(self, spool: int | None) -> str:
        self.room["spool"] = spool
        return self.watch.check()


@pytest.fixture
def disks() -> Disks:
    return Disks()


def test_before_the_first_look_there_is_room(disks: Disks) -> None:
    assert not disks.watch.full
    assert not disks.watch.low


def test_each_change_is_told_once(disks: Disks) -> None:
    told = [
        disks.check(room)
        for room in (10_000, 9000, 2048, 2047, 600, 512, 511, 100, 512, 3000, 100, 3000)
    ]
    assert told == [
        "",
        "",
        "",
        "low: 2047 MiB free at spool",
        "",
        "",
        "full: 511 MiB free at spool",
        "",
        "low: 512 MiB free at spool",
        "well: 3000 MiB free at spool",
        "full: 100 MiB free at spool",
        "well: 3000 MiB free at spool",
    ]


def test_the_worst_disk_counts(disks: Disks) -> None:
    disks.room["archive"] = 5
    assert disks.check(10_000) == "full: 5 MiB free at archive"
    assert disks.watch.free_mb == 5


def test_a_disk_that_does_not_answer_has_no_room(disks: Disks) -> None:
    assert disks.check(None) == "full: 0 MiB free at spool"
    assert disks.watch.full
    assert disks.check(10_000) == "well: 10000 MiB free at spool"
    assert not disks.watch.full


def test_a_reserve_above_the_alarm_is_low_too() -> None:
    """Full is always low, whatever the settings."""
    watch = DiskWatch([Path("spool")], 10, 100, lambda _: 50)
    assert watch.check() == "full: 50 MiB free at spool"
    assert watch.low


@given(rooms=st.lists(st.one_of(st.none(), st.integers(0, 4096)), min_size=1, max_size=20))
def test_what_was_told_last_is_what_is(rooms: list[int | None]) -> None:
    disks, state = Disks(), "well"
    for room in rooms:
        told = disks.check(room)
        if told:
            assert told.split(":")[0] != state
            state = told.split(":")[0]
        free = room or 0
        assert state == ("full" if free < RESERVE else "low" if free < LOW else "well")
        assert (disks.watch.low, disks.watch.full) == (free < LOW, free < RESERVE)
        assert disks.watch.free_mb == free


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:////var/lib/pln_ivr/journal.db", Path("/var/lib/pln_ivr")),
        ("sqlite:///journal.db", Path(".")),
        ("sqlite:///data/journal.db", Path("data")),
        ("postgresql+psycopg://user:secret@db/pln", None),
        ("sqlite+pysqlite:////var/lib/journal.db", Path("/var/lib")),
    ],
)
def test_where_the_journal_is_if_it_is_a_file(url: str, folder: Path | None) -> None:
    assert sqlite_folder(url) == folder
