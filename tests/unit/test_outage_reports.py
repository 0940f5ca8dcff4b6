"""Reports of outages in the journal: one for each customer and outage, and clusters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from pln_ivr import kept_open
from pln_ivr.config import load
from pln_ivr.errors import ConfigError, JournalError
from pln_ivr.journal import schema, tables
from pln_ivr.journal.outages import NewReport, Registered, ReportBook, ReportRules
from pln_ivr.outages.reports import Reports, ReportSettings, area_of
from tests.databases import Database
from tests.unit.pronouncing import prepare

NOON = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RULES = ReportRules(lasts=24 * HOUR, cluster_reports=3, cluster_within=30 * MINUTE)
PREFIXES = {"51": "Bandung", "512": "Garut", "53": "Depok"}


@pytest.fixture
def url(database: Database) -> str:
    return prepare(database.url)


@pytest.fixture
def book(url: str) -> Iterator[ReportBook]:
    with ReportBook(url, RULES) as made:
        yield made


def report(customer: int, at: datetime = NOON, **changes: Any) -> NewReport:
    values = {"area": "Bandung", "caller": "08123456", "call_id": "c-1", "node": "pln-1"}
    return NewReport(customer=f"{customer:012}", reported_at=at, **(values | changes))


def stored(url: str, table: sa.Table) -> list[dict[str, Any]]:
    engine = schema.create_engine(schema.parse_url(url))
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    engine.dispose()
    return rows


def test_a_customer_has_one_report_of_an_outage(url: str, book: ReportBook) -> None:
    assert book.register(report(1)) == Registered(True, NOON, 0)
    assert book.register(report(2, NOON + MINUTE)).neighbours == 1
    again = book.register(report(1, NOON + 5 * MINUTE))
    assert again == Registered(False, NOON, 1)
    assert book.register(report(3, area="Depok")).neighbours == 0
    first, *others = sorted(
        stored(url, tables.outage_reports), key=lambda row: (row["customer"], row["reported_at"])
    )
    assert (first["repeats"], first["repeated_at"]) == (1, NOON + 5 * MINUTE)
    assert len(others) == 2


def test_who_reports_after_its_time_reports_another_outage(url: str, book: ReportBook) -> None:
    book.register(report(1))
    assert not book.register(report(1, NOON + 24 * HOUR)).new
    later = NOON + 24 * HOUR + MINUTE
    assert book.register(report(1, later)) == Registered(True, later, 0)
    assert [row["status"] for row in stored(url, tables.outage_reports)] == ["expired", "open"]


def test_many_at_once_leave_one_report_of_each_customer(url: str, book: ReportBook) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: book.register(report(n % 5)), range(40)))
    assert sum(one.new for one in told) == 5
    assert sum(one.cluster is not None for one in told) == 1
    assert len(stored(url, tables.outage_reports)) == 5


def test_so_many_from_one_area_in_so_short_a_time_are_one_cluster(
    url: str, book: ReportBook
) -> None:
    book.register(report(1, NOON))
    for number in (2, 3):  # the first is too long ago when the third comes
        assert book.register(report(number, NOON + 29 * MINUTE + number * MINUTE)).cluster is None
    book.register(report(9, NOON + 33 * MINUTE, area="Depok"))
    assert book.register(report(4, NOON + 34 * MINUTE)).cluster == 3
    assert book.register(report(5, NOON + 35 * MINUTE)).cluster is None, "there is one already"
    standing = book.standing(NOON + HOUR)
    assert standing.reports == {"Bandung": 5, "Depok": 1}
    assert standing.clusters == {"Bandung": 5}
    (cluster,) = stored(url, tables.outage_clusters)
    assert (cluster["area"], cluster["reports"], cluster["ended_at"]) == ("Bandung", 3, None)


def test_what_nobody_has_ended_is_over_by_itself(url: str, book: ReportBook) -> None:
    for number in range(3):
        book.register(report(number))
    later = NOON + 25 * HOUR
    standing = book.standing(later)
    assert (standing.reports, standing.clusters) == ({}, {})
    assert {row["ended_at"] for row in stored(url, tables.outage_reports)} == {later}
    (cluster,) = stored(url, tables.outage_clusters)
    assert cluster["ended_at"] == later
    book.register(report(7, later, area="Depok"))
    for number in range(3):
        told = book.register(report(number, later))
    assert told.cluster == 3, "a new outage has a cluster of its own"


def test_a_telephone_is_known_by_its_last_report(book: ReportBook) -> None:
    assert book.known("08123456") is None
    book.register(report(1))
    book.register(report(2, NOON + MINUTE))
    book.register(report(3, NOON + HOUR, caller="08129999"))
    assert book.known("08123456") == f"{2:012}"


@pytest.mark.parametrize(
    ("customer", "area"),
    [("512345678901", "Garut"), ("513345678901", "Bandung"), ("541111111111", None)],
)
def test_the_longest_prefix_gives_the_area(customer: str, area: str | None) -> None:
    assert area_of(customer, PREFIXES) == area
    assert area_of(customer, {}) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('prefixes = { 5x = "Bandung" }', "outages.prefixes.5x"),
        ('prefixes = { 1234567890123 = "Bandung" }', "outages.prefixes.1234567890123"),
        ('areas = ["Depok"]\nprefixes = { 51 = "Garut" }', "'Garut' is not among areas: Depok"),
        ("cluster_reports = 1", "outages.cluster_reports: "),
        ("report_hours = 0", "outages.report_hours: "),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pln_ivr.toml"
    file.write_text(f"[outages]\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert said in str(error.value)


# -- this node's reports -------------------------------------------------------------------------


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Reports]:
    """Reports whose journal is open."""
    made = Reports(url, "pln-1", ReportSettings(PREFIXES, ZoneInfo("Asia/Jakarta"), RULES))
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(5):
            while not made.is_open:  # noqa: ASYNC110 (nobody else waits for it)
                await asyncio.sleep(0.01)
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_report_goes_to_the_area_of_its_number(url: str) -> None:
    async with running(url) as reports:
        told = await reports.register("512345678901", "08123456", "c-1")
        assert told.new
        assert await reports.known("08123456") == "512345678901"
        assert await reports.known("0812") is None, "no telephone"
    (row,) = stored(url, tables.outage_reports)
    assert (row["area"], row["node"], row["call_id"]) == ("Garut", "pln-1", "c-1")


async def test_a_cluster_is_logged_without_a_number(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(url) as reports:
        for number in range(3):
            await reports.register(f"5134567890{number:02}", "08123456", "c-1")
    said = capsys.readouterr().out
    assert "outage_cluster" in said
    assert "Bandung" in said
    assert "5134567890" not in said
    assert "08123456" not in said


async def test_without_a_journal_there_is_no_report_and_nobody_is_known(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = Reports(url, "pln-1", ReportSettings(PREFIXES, ZoneInfo("Asia/Jakarta"), RULES))
    with pytest.raises(JournalError, match="not open"):
        await reports.register("512345678901", "08123456", "c-1")
    assert await reports.known("08123456") is None
    async with running(url) as busy:
        with monkeypatch.context() as hasty:
            hasty.setattr(kept_open, "ANSWER_SECONDS", 0.05)
            async with busy._book._turn:
                with pytest.raises(JournalError, match="no answer within"):
                    await busy.register("512345678901", "08123456", "c-1")
        assert (await busy.register("512345678901", "08123456", "c-1")).new
