"""All that is held about one number: exported, or erased, and either is journalled."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pln_ivr.errors import EntryError
from pln_ivr.journal import CallRow, JournalReader, tables
from pln_ivr.journal import persons as persons_module
from pln_ivr.journal.catalogue import Catalogue
from pln_ivr.journal.custody import Custody, Someone
from pln_ivr.journal.outages import NewReport, ReportBook, ReportRules
from pln_ivr.journal.persons import ERASED, Persons, forms_of
from pln_ivr.journal.schema import create_engine, parse_url
from pln_ivr.outcomes import Access, PersonAct, Reason, Result
from tests.unit.running import Done, Run
from tests.unit.test_journal import NOON, call, offer
from tests.unit.test_journal_questions import incident
from tests.unit.test_verify import Day, settings

BUDI, OTHER = "+6281234567890", "+6289876543210"
RINA = Someone("Rina", "person", "surat 12/2026")
WHO = ("--by", "Rina", "--reason", "surat 12/2026")


@pytest.fixture
async def day(tmp_path: Path, url: str) -> Day:
    """Four calls: three of one person, written as trunks write numbers, one of somebody else;
    three recordings, the second on legal hold."""
    made = Day(tmp_path, url)
    ended: dict[str, Any] = {"outcome": Result.ANSWERED, "reason": Reason.CALLER_HUNG_UP}
    for n, caller in enumerate((BUDI, "081234567890", OTHER)):
        made.add(n)
        made.rows.append(call(f"call-{n}", caller=caller, ended_at=NOON, **ended))
    rejected: dict[str, Any] = {"outcome": Result.REJECTED, "reason": Reason.FULL}
    made.rows += [
        call("call-9", caller="6281234567890", ended_at=NOON, **rejected),
        incident("i1", call_id="call-0"),
    ]
    await made.store_rows()
    with Custody(made.url) as custody:
        custody.hold("offer-1", Someone("dewi", "supervisor", "perkara 7"))
    return made


def callers(day: Day) -> dict[str, str]:
    with JournalReader(day.url) as reader:
        return {row.call_id: row.caller for row in reader.last_calls(10)}


def all_rows(url: str) -> str:
    """Everything that stands in the journal."""
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        found = [
            str(row)
            for table in tables.metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        ]
    engine.dispose()
    return "\n".join(found)


def run(pln_ivr: Run, day: Day, *arguments: str) -> Done:
    return pln_ivr(day.folder, "person", *arguments, **settings(day))


def digits_in_journal(day: Day) -> bool:
    """Whether the number stands anywhere in the journal: in SQLite's files, in use or not, in
    PostgreSQL's tables."""
    if not day.url.startswith("sqlite"):
        return "81234567890" in all_rows(day.url)
    files = [path for path in day.folder.glob("journal.db*") if path.is_file()]
    assert files
    return any(b"81234567890" in path.read_bytes() for path in files)


# -- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["+6281234567890", "6281234567890", "081234567890", "0062 812-3456-7890"]
)
def test_a_number_is_found_however_it_is_written(number: str) -> None:
    forms = {"+6281234567890", "6281234567890", "081234567890", "006281234567890"}
    assert forms_of(number) == forms


def test_a_number_of_another_country_is_none_of_ours() -> None:
    assert forms_of("+6591234567") == {"+6591234567", "6591234567", "006591234567"}
    assert forms_of("12345") == {"12345"}


@pytest.mark.parametrize(
    "number", ["", "anonymous", "-", "123", "0" * 30, "08123x45678", "٠١٢٣٤٥٦"]
)
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(EntryError, match="no phone number"):
        forms_of(number)


# -- export -------------------------------------------------------------------------------------


def test_an_export_has_all_and_only_its_owner_reads_it(pln_ivr: Run, day: Day) -> None:
    out = day.folder / "budi.json"
    done = run(pln_ivr, day, "export", "0812-3456-7890", "--out", str(out), *WHO)
    assert (done.returncode, done.stderr) == (0, "")
    assert "81234567890" not in done.stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    held = json.loads(out.read_text())
    assert [row["call_id"] for row in held["calls"]] == ["call-0", "call-1", "call-9"]
    assert {row["offer_id"] for row in held["offers"]} == {"offer-0", "offer-1"}
    assert {row["recording_id"] for row in held["recordings"]} == {"offer-0", "offer-1"}
    assert [row["incident_id"] for row in held["incidents"]] == ["i1"]
    assert [row["act"] for row in held["accesses"]] == [Access.HOLD]
    assert OTHER not in out.read_text()
    with_calls = {table.name for table in tables.metadata.sorted_tables if "call_id" in table.c}
    assert with_calls <= set(held)


def test_an_export_is_journalled_without_the_number(pln_ivr: Run, day: Day) -> None:
    out = day.folder / "budi.json"
    run(pln_ivr, day, "export", BUDI, "--out", str(out), *WHO)
    with Persons(day.url) as persons:
        (row,) = persons.accesses()
    assert (row.act, row.who, row.reason) == (PersonAct.EXPORT, "Rina", "surat 12/2026")
    assert (row.person, row.calls, row.recordings) == ("***********890", 3, 2)
    shown = run(pln_ivr, day, "log").stdout
    assert "Rina" in shown
    assert "surat 12/2026" in shown
    assert "81234567890" not in shown


def test_an_export_that_fails_leaves_nothing(pln_ivr: Run, day: Day) -> None:
    out = day.folder / "budi.json"
    assert run(pln_ivr, day, "export", "nobody", "--out", str(out), *WHO).returncode == 1
    assert not out.exists()
    out.touch()
    done = run(pln_ivr, day, "export", BUDI, "--out", str(out), *WHO)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    with Persons(day.url) as persons:
        assert persons.accesses() == []


# -- erasure ------------------------------------------------------------------------------------


def test_without_yes_nothing_is_changed(pln_ivr: Run, day: Day) -> None:
    before = callers(day)
    done = run(pln_ivr, day, "erase", BUDI, *WHO)
    assert done.returncode == 0
    assert "2 calls and 0 other rows would be erased" in done.stdout
    assert "1 recordings would be deleted" in done.stdout
    assert callers(day) == before
    assert {key for key in (row.key for row in day.store.keys("")) if "offer-0" in key}
    with Persons(day.url) as persons:
        assert persons.accesses() == []


def test_an_erasure_leaves_the_accounts_without_the_person(pln_ivr: Run, day: Day) -> None:
    with JournalReader(day.url) as reader:
        before = reader.call("call-0")
    assert before
    with Custody(day.url) as custody:
        custody.release("offer-1", Someone("dewi", "operator", "perkara selesai"))
    done = run(pln_ivr, day, "erase", BUDI, *WHO, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 calls" in done.stdout
    assert "2 recordings deleted" in done.stdout
    assert not digits_in_journal(day)
    assert callers(day) == {"call-0": ERASED, "call-1": ERASED, "call-2": OTHER, "call-9": ERASED}
    with JournalReader(day.url) as reader:
        after, recording = reader.call("call-0"), reader.recording("offer-0")
    assert after
    for name in CallRow.__slots__:
        if name not in ("caller", "sequence"):
            assert getattr(after, name) == getattr(before, name), name
    assert recording
    assert (recording.deleted_by, recording.delete_reason) == ("Rina", "surat 12/2026")
    files = [row.key for row in day.store.keys("")]
    assert [key for key in files if "offer-0" in key or "offer-1" in key] == []
    assert [key for key in files if "offer-2" in key]
    with Catalogue(day.url) as catalogue:
        assert [row.act for row in catalogue.accesses_of("offer-0")] == [Access.DELETE]
    with Persons(day.url) as persons:
        (row,) = persons.accesses()
    assert (row.act, row.calls, row.recordings) == (PersonAct.ERASE, 3, 2)


def test_what_is_on_legal_hold_stays_whole(pln_ivr: Run, day: Day) -> None:
    done = run(pln_ivr, day, "erase", BUDI, *WHO, "--yes")
    assert "on legal hold, and left as they are: 1 calls, recordings offer-1" in done.stdout
    assert callers(day)["call-1"] == "081234567890"
    assert [key for key in (row.key for row in day.store.keys("")) if "offer-1" in key]
    with JournalReader(day.url) as reader:
        recording = reader.recording("offer-1")
    assert recording
    assert recording.deleted_at is None


async def test_a_late_version_of_a_row_does_not_bring_the_number_back(day: Day) -> None:
    with Persons(day.url) as persons:
        persons.erase(BUDI, RINA)
    late = Day(day.folder, day.url)
    late.rows = [call("call-0", 10**6, caller=BUDI), offer("offer-0", "call-0")]
    await late.store_rows()
    assert callers(day)["call-0"] == ERASED


async def test_a_call_that_is_up_is_not_erased(day: Day) -> None:
    up = Day(day.folder, day.url)
    up.rows = [call("call-5", caller=BUDI, started_at=NOON + timedelta(minutes=1))]
    await up.store_rows()
    before = callers(day)
    with Persons(day.url) as persons, pytest.raises(EntryError, match="not over"):
        persons.erase(BUDI, RINA)
    assert callers(day) == before


def test_an_erasure_is_all_or_nothing(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    before = callers(day)
    monkeypatch.setattr("pln_ivr.journal.persons._note", broken)
    with Persons(day.url) as persons, pytest.raises(RuntimeError):
        persons.erase(BUDI, RINA)
    assert callers(day) == before
    with JournalReader(day.url) as reader:
        recording = reader.recording("offer-0")
    assert recording
    assert recording.deleted_at is None


def test_erasing_twice_finds_nothing_more(day: Day) -> None:
    with Persons(day.url) as persons:
        persons.erase(BUDI, RINA)
        again = persons.erase(BUDI, RINA)
        assert (again.calls, again.recordings) == (0, [])
        # The one on hold is still there to be found.
        assert again.held == ["offer-1"]


@pytest.mark.parametrize("who", [("--by", " ", "--reason", "x"), ("--by", "Rina", "--reason", " ")])
def test_nobody_erases_without_a_name_and_a_reason(
    pln_ivr: Run, day: Day, who: tuple[str, ...]
) -> None:
    done = run(pln_ivr, day, "erase", BUDI, *who, "--yes")
    assert done.returncode == 1
    assert "say w" in done.stderr
    assert BUDI in callers(day).values()


async def test_nothing_is_left_in_the_files_also_while_the_program_has_them_open(
    tmp_path: Path,
) -> None:
    made = Day(tmp_path)
    ended: dict[str, Any] = {"outcome": Result.REJECTED, "reason": Reason.FULL, "ended_at": NOON}
    made.rows = [
        call(f"call-{n}", caller=OTHER if n % 3 else BUDI, queue="x" * (n % 50), **ended)
        for n in range(600)
    ]
    await made.store_rows()
    with JournalReader(made.url) as program:
        program.last_calls(1)
        assert digits_in_journal(made)
        with Persons(made.url) as persons:
            assert persons.erase(BUDI, RINA).calls == 200
        assert not digits_in_journal(made)


# -- reports of outages, and tables to come -----------------------------------------------------


def report(url: str, customer: str, caller: str, call_id: str) -> None:
    """Somebody reports an outage, and the field is to be told."""
    rules = ReportRules(timedelta(days=1), 100, timedelta(minutes=30), dispatched=True)
    with ReportBook(url, rules) as book:
        book.register(
            NewReport(
                customer=customer,
                area="Garut",
                caller=caller,
                call_id=call_id,
                node="pln-1",
                reported_at=NOON,
            )
        )


@pytest.fixture
def reports(day: Day) -> Day:
    """One report of Budi's own call, one in a call of which the journal has no row, one of
    somebody else's."""
    report(day.url, "512345678901", "081234567890", "call-0")
    report(day.url, "512345678902", "6281234567890", "lost-call")
    report(day.url, "512345678903", OTHER, "call-2")
    return day


def test_an_export_has_reports_of_outages_and_what_the_field_is_told(reports: Day) -> None:
    with Persons(reports.url) as persons:
        held = persons.export(BUDI, RINA)
    assert {row["customer"] for row in held["outage_reports"]} == {"512345678901", "512345678902"}
    told = [json.loads(row["body"])["customer"] for row in held["dispatches"]]
    assert sorted(told) == ["512345678901", "512345678902"]


def test_an_erasure_takes_reports_and_what_the_field_is_told(reports: Day) -> None:
    with Custody(reports.url) as custody:
        custody.release("offer-1", Someone("dewi", "operator", "perkara selesai"))
    with Persons(reports.url) as persons:
        assert persons.erase(BUDI, RINA, only_look=True).others == 2
        assert "512345678901" in all_rows(reports.url), "only looked"
        assert persons.erase(BUDI, RINA).others == 2
    left = all_rows(reports.url)
    for number in ("81234567890", "512345678901", "512345678902"):
        assert number not in left
    assert "512345678903" in left
    assert left.count("Garut") >= 6, "the accounts keep the area, and the field is told of it"
    assert not digits_in_journal(reports)


def test_a_report_in_a_call_on_legal_hold_stays(reports: Day) -> None:
    report(reports.url, "512345678904", "081234567890", "call-1")
    with Persons(reports.url) as persons:
        assert persons.erase(BUDI, RINA).others == 2
    assert all_rows(reports.url).count("512345678904") == 2, "the report and what is told of it"


def test_a_table_to_come_is_covered_by_the_names_of_its_columns(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    appointments = sa.Table(
        "appointments",
        sa.MetaData(),
        sa.Column("appointment_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("queue", sa.Text),
    )
    engine = create_engine(parse_url(day.url))
    appointments.create(engine)
    rows = [
        {"appointment_id": "b1", "number": "+6281234567890", "queue": "tagihan"},
        {"appointment_id": "b2", "number": OTHER, "queue": "tagihan"},
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(appointments), rows)
    there = [*persons_module._tables(), appointments]
    monkeypatch.setattr(persons_module, "_tables", lambda: there)
    with Persons(day.url) as persons:
        assert persons.export(BUDI, RINA)["appointments"] == rows[:1]
        assert persons.erase(BUDI, RINA).others == 1
    with engine.connect() as connection:
        kept = [row.number for row in connection.execute(sa.select(appointments))]
    assert sorted(kept) == sorted([ERASED, OTHER])
    engine.dispose()
