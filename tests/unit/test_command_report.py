"""`pln-ivr report`: the figures of a day in each of its forms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from pln_ivr.commands.options import period_of, zone_of
from pln_ivr.commands.report_callbacks import CALLBACKS
from pln_ivr.commands.report_day import day_report
from pln_ivr.commands.report_making import Making
from pln_ivr.commands.report_people import AGENT_COLUMNS, QUEUE_COLUMNS
from pln_ivr.config import load
from pln_ivr.config.queues import Queues
from pln_ivr.journal import HearingRow
from pln_ivr.journal.statements import (
    StatementRow,
    approve_statement,
    draft_statement,
    publish_statement,
)
from pln_ivr.outcomes import MenuEnd, OfferResult, Reason, Result, Review, Stage, StatementStatus
from tests.databases import KINDS, Server, sqlite_in
from tests.unit.running import Done, Run, keep_in
from tests.unit.test_journal import NOON, call, offer
from tests.unit.test_journal_questions import incident

DAY = ("--day", "2026-11-23")
QUEUE = Queues().entry


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture(scope="module", params=KINDS)
def noon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """A folder to run commands in, and the URL of a journal, once on each kind of database: of a
    noon in Jakarta and of a call of the day before."""
    made = tmp_path_factory.mktemp("report")
    if request.param == "sqlite":
        yield made, fill(made, sqlite_in(made).url)
        return
    server: Server = request.getfixturevalue("server")
    database = server.database()
    yield made, fill(made, database.url)
    server.drop(database)


@pytest.fixture
def folder(noon: tuple[Path, str]) -> Path:
    return noon[0]


@pytest.fixture
def report(pln_ivr: Run, noon: tuple[Path, str]) -> Run:
    """Run a command on that journal."""

    def run(folder: Path, *arguments: str, **env: str) -> Done:
        return pln_ivr(folder, *arguments, **{"JOURNAL__URL": noon[1], **env})

    return run


def fill(made: Path, url: str) -> str:
    (made / "roster.toml").write_text(
        '[[agents]]\nextension = "101"\nname = "Siti"\nskills = ["gangguan"]\n'
        'secret = "not-for-reports"\n'
    )
    answered: dict[str, Any] = {"outcome": Result.ANSWERED, "reason": Reason.CALLER_HUNG_UP}
    abandoned: dict[str, Any] = {"outcome": Result.ABANDONED, "reason": Reason.IN_WAITING}
    at_noon: dict[str, Any] = {"queue": QUEUE, "queued_at": NOON}
    keep_in(
        url,
        call("c1", **at_noon, talking_at=after(10), ended_at=after(90), **answered),
        call("c2", **at_noon, talking_at=after(31), ended_at=after(90), **answered),
        call("c3", **at_noon, ended_at=after(4), **abandoned),
        call("c4", queue=QUEUE, queued_at=after(-86400), ended_at=after(-86000), **abandoned),
        offer(
            "o1",
            "c1",
            result=OfferResult.ANSWERED,
            talking_at=after(10),
            talked_until=after(90),
            wrapped_up_at=after(100),
            held_seconds=2.5,
        ),
        offer("o2", "c2", result=OfferResult.MISSED),
        offer("o3", "c4", agent="102", offered_at=after(-86400)),
        incident("i1", review=Review.UPHELD),
        incident("i2", -1440),
    )
    return url


def as_json(done: Done) -> list[dict[str, Any]]:
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_queues_as_json(report: Run, folder: Path) -> None:
    rows = as_json(report(folder, "report", "queues", *DAY, "--format", "json"))
    assert [list(row) for row in rows] == [QUEUE_COLUMNS] * len(Queues().names)
    (row,) = [row for row in rows if row["queue"] == QUEUE]
    assert row == {
        "queue": QUEUE,
        "queued": 3,
        "answered": 2,
        "abandoned": 1,
        "released": 0,
        "failed": 0,
        "waiting": 0,
        "within_target": 1,
        "abandoned_within_target": 1,
        "service_level": 0.5,
        "service_share": 0.8,
        "average_wait_seconds": 15.0,
        "longest_wait_seconds": 31.0,
        "median_wait_seconds": 10.0,
        "wait_90_seconds": 31.0,
        **dict.fromkeys(CALLBACKS, 0),
    }


def test_agents_as_json(report: Run, folder: Path) -> None:
    (row,) = as_json(report(folder, "report", "agents", *DAY, "--format", "json"))
    assert row == {
        "agent": "101",
        "name": "Siti",
        "offered": 2,
        "answered": 1,
        "missed": 1,
        "no_answer": 0,
        "busy": 0,
        "declined": 0,
        "unreachable": 0,
        "caller_gone": 0,
        "not_reached": 0,
        "failed": 0,
        "ringing": 0,
        "talk_seconds": 80.0,
        "held_seconds": 2.5,
        "wrap_up_seconds": 10.0,
        "missed_third_ring": 1,
        "hung_up_on_customer": 0,
        "upheld": 1,
    }


def test_the_targets_are_those_of_the_settings(report: Run, folder: Path) -> None:
    (folder / "slow.toml").write_text(
        f"[menu]\nentry = ''\n[queues.names.{QUEUE}]\nservice_seconds = 40\n"
    )
    done = report(folder, "report", "queues", *DAY, "--format", "json", "-c", "slow.toml")
    (row,) = [row for row in as_json(done) if row["queue"] == QUEUE]
    assert (row["within_target"], row["service_level"]) == (2, 1.0)


@pytest.mark.parametrize(
    ("subject", "columns"), [("queues", QUEUE_COLUMNS), ("agents", AGENT_COLUMNS)]
)
def test_csv_has_the_same_as_json(
    report: Run, folder: Path, subject: str, columns: list[str]
) -> None:
    expected = as_json(report(folder, "report", subject, *DAY, "--format", "json"))
    done = report(folder, "report", subject, *DAY, "--format", "csv")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split(",") == columns
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows == [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in expected
    ]


def test_a_table_is_what_people_get(report: Run, folder: Path) -> None:
    done = report(folder, "report", "queues", *DAY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2026-11-23 00:00:00 to 2026-11-24 00:00:00 Asia/Jakarta" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if f" {QUEUE} " in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        QUEUE, "3", "2", "1", "0", "0", "0", "1", "1", "50.0%", "80.0%", "15.0", "31.0", "10.0",
        "31.0", *("0",) * len(CALLBACKS),
    ]  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if " all " in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "all", "3", "2", "1", "0", "0", "0", "1", "1", "50.0%", "-", "15.0", "31.0", "10.0", "31.0",
        *("0",) * len(CALLBACKS),
    ]  # fmt: skip
    done = report(folder, "report", "agents", *DAY)
    (line,) = [line for line in done.stdout.splitlines() if " 101 " in line]
    assert [cell.strip() for cell in line.strip("│").split("│")][-6:] == [
        "80.0", "2.5", "10.0", "1", "0", "1"
    ]  # fmt: skip


def test_a_report_needs_no_roster(report: Run, folder: Path) -> None:
    done = report(folder, "report", "agents", *DAY, "--format", "json", AGENTS__ROSTER="none.toml")
    (row,) = as_json(done)
    assert (row["agent"], row["name"]) == ("101", "")


def test_other_times_have_other_figures(report: Run, folder: Path) -> None:
    def queued(*arguments: str) -> int:
        rows = as_json(report(folder, "report", "queues", "--format", "json", *arguments))
        return sum(row["queued"] for row in rows)

    assert queued("--day", "2026-11-22") == 1
    assert queued("--day", "2026-11-21") == 0
    assert queued("--since", "2026-11-22", "--until", "2026-11-24") == 4
    assert queued("--since", "2026-11-23T12:00", "--until", "2026-11-23T12:01") == 3
    assert (
        queued("--since", "2026-11-23T12:00", "--until", "2026-11-23T12:01", "--zone", "UTC") == 0
    )
    assert queued() == 0


def test_a_report_without_agents_is_empty(report: Run, folder: Path) -> None:
    nothing = ("report", "agents", "--day", "2026-01-01", "--format")
    assert report(folder, *nothing, "json").stdout == ""
    assert report(folder, *nothing, "csv").stdout == ",".join(AGENT_COLUMNS) + "\n"
    assert "2026-01-01" in report(folder, *nothing, "table").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["queues"], 1, "journal.url: there is no journal"),
        (["queues", "--day", "x"], 2, "--day: 'x' is no day"),
        (["agents", "--zone", "Mars"], 2, "--zone: there is no time zone 'Mars'"),
        (["agents", *DAY, "--since", "2026-11-23"], 2, "leave out --since"),
    ],
)
def test_a_mistake_is_one_line(
    pln_ivr: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    done = pln_ivr(tmp_path, "report", *arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("pln-ivr: ")
    assert says in line


# -- the other subjects, and pages ----------------------------------------------------------


def one_object(done: Done) -> dict[str, Any]:
    (whole,) = as_json(done)
    return whole


def test_a_day_as_json(report: Run, folder: Path) -> None:
    whole = one_object(report(folder, "report", "day", *DAY, "--format", "json"))
    assert whole["since"] == "2026-11-22T17:00:00+00:00"
    day = whole["day"]
    # Of the calls that began in the day: all four did, the fourth joined its line the day before.
    assert (day["arrivals"], day["answered"], day["abandoned"]) == (4, 2, 2)
    assert (day["rang"], day["missed"], day["seats"]) == (0, 0, 720)
    assert (day["of_normal_day"], day["of_blackout_day"]) == (0.0, 0.0)
    assert len(whole["course"]) == 24
    noon = whole["course"][12]
    assert (noon["began"], noon["arrivals"]) == ("2026-11-23T05:00:00+00:00", 4)
    assert noon["seats_most"] == 3
    assert {"outcome": "answered", "reason": "caller_hung_up", "calls": 2} in whole["outcomes"]


def test_busies_are_counted_in_both_ways(report: Run, folder: Path) -> None:
    arguments = ("report", "busies", *DAY, "--format", "json")
    whole = one_object(report(folder, *arguments, ADMISSION__CAPACITY="2"))
    busies = whole["busies"]
    assert (busies["arrivals"], busies["rejected"], busies["busy_share"]) == (4, 0, 0.0)
    assert (busies["seats"], busies["at_capacity_seconds"]) == (2, 90.0)
    assert busies["by_attempts"] == busies["by_time"] == "reasonable"


def told(url: str) -> int:
    """A journal with one statement that two callers heard; its version."""
    keep_in(
        url,
        call("c1", outcome=Result.ABANDONED, reason=Reason.IN_STATEMENT, ended_at=after(9)),
        call("c2", menu_at=NOON, menu_path="gangguan", menu_end=MenuEnd.CHOSEN, statement=1),
        call("c3", menu_at=NOON, outcome=Result.ABANDONED, reason=Reason.IN_MENU),
        *(
            HearingRow(
                hearing_id=f"h{call_id}", sequence=1, node="pln-1", call_id=call_id, version=1,
                stage=Stage.STATEMENT, began_at=NOON, whole=whole,
            )
            for call_id, whole in (("c1", False), ("c2", True))
        ),
    )  # fmt: skip
    row = StatementRow(
        version=0, status=StatementStatus.DRAFT, areas=("<Bandung>",), cause="gangguan & badai",
        restoration_at=None, expires_at=datetime.now(UTC) + timedelta(hours=1), text="Padam.",
        recorded=False, drafted_by="Rina", drafted_at=datetime.now(UTC),
    )  # fmt: skip
    version = draft_statement(url, row, b"").version
    approve_statement(url, version, "Budi")
    publish_statement(url, version, "Budi")
    return version


def test_what_callers_were_told(pln_ivr: Run, tmp_path: Path, url: str) -> None:
    version = told(url)
    arguments = ("report", "outage", "--since", "2026-11-23", "--until", "2099-01-01")
    whole = one_object(pln_ivr(tmp_path, *arguments, "--format", "json", JOURNAL__URL=url))
    (statement,) = whole["statements"]
    assert (statement["version"], statement["status"]) == (version, "live")
    assert (statement["heard"], statement["whole"], statement["in_statement"]) == (2, 1, 1)
    assert statement["others"] == 1
    assert whole["menu"] == {"came": 2, "hung_up": 1, "abandonment": 0.5}
    assert whole["choices"] == [{"statement": 1, "path": "gangguan", "end": "chosen", "calls": 1}]
    done = pln_ivr(tmp_path, *arguments, "--format", "html", JOURNAL__URL=url)
    assert "&lt;Bandung&gt;" in done.stdout
    assert "gangguan &amp; badai" in done.stdout
    assert "<Bandung>" not in done.stdout


def test_a_statement_of_another_day_is_not_told_of(pln_ivr: Run, tmp_path: Path, url: str) -> None:
    told(url)
    arguments = ("report", "outage", "--day", "2026-01-01", "--format", "json")
    assert one_object(pln_ivr(tmp_path, *arguments, JOURNAL__URL=url))["statements"] == []


@pytest.mark.parametrize("subject", ["day", "queues", "agents", "busies", "outage"])
def test_a_page_is_complete_in_itself(report: Run, folder: Path, subject: str) -> None:
    done = report(folder, "report", subject, *DAY, "--format", "html")
    assert (done.returncode, done.stderr) == (0, "")
    page = Page()
    page.feed(done.stdout)
    page.close()
    assert page.open == []
    assert page.charts == page.described > 0
    assert page.outside == []
    assert "nan" not in done.stdout
    empty = report(folder, "report", subject, "--day", "2020-01-01", "--format", "html")
    assert (empty.returncode, empty.stderr) == (0, "")


class Page(HTMLParser):
    """Reads a page: are all elements closed, all charts described, is nothing fetched?"""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.charts = self.described = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("link", "script", "img", "iframe", "object") or {"src", "href"} & {*dict(attrs)}:
            self.outside.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.charts += tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.described += bool(self.open and self.open[-1] == "desc" and data.strip())


def test_csv_is_of_the_table_that_is_asked_for(report: Run, folder: Path) -> None:
    arguments = ("report", "day", *DAY, "--format", "csv")
    first = report(folder, *arguments).stdout.splitlines()
    assert (len(first), first[0].split(",")[0]) == (2, "arrivals")
    course = report(folder, *arguments, "--table", "course").stdout.splitlines()
    assert (len(course), course[0].split(",")[0]) == (25, "began")
    wrong = report(folder, *arguments, "--table", "weather")
    assert wrong.returncode == 2
    assert "it has day, course, outcomes, rings" in wrong.stderr


def test_a_report_shows_on_a_terminal_how_far_it_is(noon: tuple[Path, str]) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True)
    with Progress(console=console) as progress:
        period = period_of("2026-11-23", None, None, zone_of("Asia/Jakarta"), NOON)
        settings = load(None)
        journal = settings.journal.model_copy(update={"url": noon[1]})
        settings = settings.model_copy(update={"journal": journal})
        day_report(Making(settings, period, NOON + timedelta(days=1), progress))
        calls, offers = progress.tasks
    assert (calls.description, calls.total, calls.completed) == ("calls", 4, 4)
    assert (offers.description, offers.completed) == ("offers", 2)
    assert "calls" in screen.getvalue()


def test_there_are_reports_of_five_subjects(pln_ivr: Run, tmp_path: Path) -> None:
    done = pln_ivr(tmp_path, "report", "weather")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
