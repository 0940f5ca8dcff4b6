"""`pln-ivr conduct`: incidents are found, looked at, reviewed and taken along."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path

import pytest

from pln_ivr.commands.conduct import CSV_COLUMNS
from pln_ivr.journal import JournalReader
from pln_ivr.outcomes import IncidentKind, Reason, Result, Review
from tests.unit.running import Run, keep
from tests.unit.test_journal import NOON, call
from tests.unit.test_journal_questions import incident, supervision

HUNG_UP = IncidentKind.HUNG_UP_ON_CUSTOMER
UUID = "019ab0f2-7c1e-7d3a-9b52-0c6c1d2e3f40"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a journal of three incidents, one of them dismissed."""
    keep(
        tmp_path,
        call(outcome=Result.ANSWERED, reason=Reason.AGENT_HUNG_UP),
        incident(
            UUID,
            2,
            kind=HUNG_UP,
            spoke_seconds_before=0.25,
            recording="archive:2026/11/23/c1/o1",
            offset_seconds=61.5,
        ),
        incident("i2", 1, agent="102", rang_seconds=11.0),
        incident(
            "i3",
            review=Review.DISMISSED,
            reviewer="Dewi",
            note="[fire] alarm",
            reviewed_at=NOON,
            call_id="c9",
        ),
        supervision("s1"),
    )
    return tmp_path


def found(folder: Path, incident_id: str) -> tuple[Review, str | None, str | None]:
    with JournalReader(f"sqlite:///{folder}/journal.db") as reader:
        row = reader.incident(incident_id)
    assert row is not None
    return row.review, row.reviewer, row.note


def test_the_list_is_newest_first_with_its_evidence(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if "2026-11-23" in line]
    assert [UUID in lines[0], " i2 " in lines[1], " i3 " in lines[2]] == [True] * 3
    assert "2026-11-23 12:02:00" in lines[0]  # Jakarta's noon
    assert "customer spoke 0.25 s before" in lines[0]
    assert "rang 11.00 s" in lines[1]
    assert "dismissed" in lines[2]
    assert "Dewi" in lines[2]


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--agent", "102"], ["i2"]),
        (["--kind", "hung_up_on_customer"], [UUID]),
        (["--review", "new"], [UUID, "i2"]),
        (["--since", "2026-11-23T12:01"], [UUID, "i2"]),
        (["--until", "2026-11-23T05:01:00Z"], ["i3"]),
        (["--agent", "101", "--review", "upheld"], []),
    ],
)
def test_the_list_and_csv_are_of_what_is_asked_for(
    pln_ivr: Run, folder: Path, arguments: list[str], ids: list[str]
) -> None:
    done = pln_ivr(folder, "conduct", "csv", *arguments)
    assert [row["incident_id"] for row in csv.DictReader(io.StringIO(done.stdout))] == ids
    done = pln_ivr(folder, "conduct", "list", *arguments)
    assert [one for one in (UUID, "i2", "i3") if f" {one} " in done.stdout] == ids


def test_the_list_ends_after_so_many(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "list", "--last", "1")
    assert UUID in done.stdout
    assert " i2 " not in done.stdout


def test_one_incident_with_its_call_and_the_caller_masked(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "show", UUID)
    assert (done.returncode, done.stderr) == (0, "")
    told = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert told == [
        ["incident", UUID],
        ["kind", "hung_up_on_customer"],
        ["happened", "2026-11-23 12:02:00 Asia/Jakarta"],
        ["agent", "101"],
        ["queue", "gangguan"],
        ["evidence", "customer spoke 0.25 s before"],
        ["call", "c1"],
        ["caller", "***********890"],
        ["ended", "answered agent_hung_up"],
        ["offer", "o1"],
        ["recording", "archive:2026/11/23/c1/o1 at 61.5 s"],
        ["supervisor", "201 listen 2026-11-23 12:00:00"],
        ["review", "new"],
    ]
    assert "81234567" not in done.stdout


def test_one_incident_whose_call_the_journal_lost(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "show", "i3", "--zone", "UTC")
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert "caller" not in told
    assert (told["review"], told["note"]) == ("dismissed", "[fire] alarm")
    assert told["reviewer"] == "Dewi 2026-11-23 05:00:00"


def test_upholding(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "review", UUID, "--uphold", "--reviewer", "Joko")
    assert (done.returncode, done.stdout) == (0, f"{UUID}: upheld by Joko\n")
    assert found(folder, UUID) == (Review.UPHELD, "Joko", None)


def test_dismissing_says_why(pln_ivr: Run, folder: Path) -> None:
    review = ("conduct", "review", UUID, "--dismiss", "--reviewer", "Joko")
    assert pln_ivr(folder, *review).returncode == 1
    assert found(folder, UUID) == (Review.NEW, None, None)
    assert pln_ivr(folder, *review, "--note", "line cut").returncode == 0
    assert found(folder, UUID) == (Review.DISMISSED, "Joko", "line cut")


def test_reviewing_again_has_to_be_said(pln_ivr: Run, folder: Path) -> None:
    review = ("conduct", "review", "i3", "--uphold", "--reviewer", "Joko")
    done = pln_ivr(folder, *review)
    assert done.returncode == 1
    assert "i3 was dismissed by Dewi on 2026-11-23; say --again" in done.stderr
    assert found(folder, "i3") == (Review.DISMISSED, "Dewi", "[fire] alarm")
    assert pln_ivr(folder, *review, "--again").returncode == 0
    assert found(folder, "i3") == (Review.UPHELD, "Joko", None)


def test_csv_has_all_there_is_of_an_incident(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "csv")
    assert done.stdout.splitlines()[0].split(",") == CSV_COLUMNS
    first, _, last = csv.DictReader(io.StringIO(done.stdout))
    assert first["happened_at"] == "2026-11-23T12:02:00.123456+07:00"
    assert (first["spoke_seconds_before"], first["rang_seconds"]) == ("0.25", "")
    assert (first["recording"], first["offset_seconds"]) == ("archive:2026/11/23/c1/o1", "61.5")
    assert (last["reviewer"], last["note"]) == ("Dewi", "[fire] alarm")
    assert datetime.fromisoformat(last["reviewed_at"]) == NOON


def test_csv_into_a_file(pln_ivr: Run, folder: Path) -> None:
    done = pln_ivr(folder, "conduct", "csv", "--out", "incidents.csv")
    assert (done.returncode, done.stdout) == (0, "incidents.csv: 3 incidents\n")
    assert (folder / "incidents.csv").read_text() == pln_ivr(folder, "conduct", "csv").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "i9"], 1, "there is no incident i9; pln-ivr conduct list names them"),
        (["review", "i9", "--uphold", "--reviewer", "x"], 1, "there is no incident i9"),
        (["review", "i2", "--reviewer", "x"], 2, "either --uphold or --dismiss"),
        (["review", "i2", "--uphold", "--dismiss", "--reviewer", "x"], 2, "either --uphold or"),
        (["review", "i2", "--uphold", "--reviewer", " "], 1, "the name of its reviewer"),
        (["review", "i2", "--dismiss", "--reviewer", "x"], 1, "a dismissal needs a note"),
        (["csv", "--out", "none/x.csv"], 2, "--out: cannot write none/x.csv: No such file"),
        (["list", "--since", "x"], 2, "--since: 'x' is no time"),
        (["list", "--zone", "x"], 2, "--zone: there is no time zone"),
    ],
)
def test_a_mistake_is_one_line(
    pln_ivr: Run, folder: Path, arguments: list[str], code: int, says: str
) -> None:
    done = pln_ivr(folder, "conduct", *arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("pln-ivr: ")
    assert says in line
    assert found(folder, "i2") == (Review.NEW, None, None)


@pytest.mark.parametrize(
    "arguments",
    [["review", "i2", "--uphold"], ["list", "--kind", "rude"], ["list", "--last", "0"], []],
)
def test_wrong_arguments_are_refused(pln_ivr: Run, folder: Path, arguments: list[str]) -> None:
    done = pln_ivr(folder, "conduct", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert found(folder, "i2") == (Review.NEW, None, None)


def test_without_a_journal_it_is_one_line(pln_ivr: Run, tmp_path: Path) -> None:
    done = pln_ivr(tmp_path, "conduct", "list")
    assert done.returncode == 1
    assert done.stderr.startswith("pln-ivr: journal.url: there is no journal")
