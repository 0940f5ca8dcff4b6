"""How long each report of a journal of a million calls takes, and how much memory.

The journal is made here: days whose calls come as a contact centre's do (few at night, most at ten
and at two), one of them a blackout day with a full house and two statements. Each report is made by
`pln-ivr report` in a process of its own, of one day, of the blackout day, and of all days.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pln_ivr.journal import schema, tables

REPO = Path(__file__).resolve().parents[2]
FIRST_DAY = date(2026, 10, 1)
MIDNIGHT = timedelta(hours=7)
"""Jakarta is so far ahead of UTC."""
NORMAL, BLACKOUT, BLACKOUT_ON = 36_000, 80_000, 3
"""Calls of a day, of that day, and which day it is."""
CAPACITY, AGENTS = 720, 105
HOURS = [2, 1, 1, 1, 1, 2, 4, 6, 9, 11, 12, 11, 9, 10, 12, 11, 9, 8, 7, 7, 6, 5, 4, 3]
"""How a day's calls are spread over its hours."""
QUEUES = ("gangguan", "tagihan", "pasang-baru", "keluhan")
SUBJECTS = ("day", "queues", "agents", "busies", "outage")
ROWS_AT_ONCE = 20_000

console = Console()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one report."""

    seconds: float
    megabytes: float


def _text(moment: float) -> str:
    """A time as SQLAlchemy writes it into SQLite."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def made_calls(number: int, seed: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Calls with their offers, in the order in which they began."""
    dice, made, day = random.Random(seed), 0, 0
    while made < number:
        wanted = min(BLACKOUT if day == BLACKOUT_ON else NORMAL, number - made)
        began = datetime.combine(FIRST_DAY + timedelta(days=day), datetime.min.time(), UTC)
        midnight = (began - MIDNIGHT).timestamp()
        hours = range(11, 20) if day == BLACKOUT_ON else range(24)
        weights = [HOURS[hour] for hour in hours]
        starts = sorted(
            midnight + 3600 * (hour + dice.random())
            for hour in dice.choices(list(hours), weights, k=wanted)
        )
        ends: list[float] = []
        for at in starts:
            while ends and ends[0] <= at:
                heappop(ends)
            call, offers = _call(dice, made, at, len(ends) >= CAPACITY, day == BLACKOUT_ON)
            if call["outcome"] != "rejected":
                heappush(ends, _moment(call["ended_at"]))
            made += 1
            yield call, offers
        day += 1


def _call(
    dice: random.Random, number: int, at: float, full: bool, outage: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    call_id = f"{number:08x}-0000-7000-8000-000000000000"
    call: dict[str, Any] = dict.fromkeys(column.name for column in tables.calls.columns)
    call |= {
        "call_id": call_id, "sequence": 3, "node": "pln-1", "incarnation": "bench",
        "channel_id": f"bench-{at:.3f}.{number}", "caller": f"+62812{dice.randrange(10**8):08}",
        "dialled": "123", "stage": "ended", "started_at": _text(at), "language": "",
        "fallback": 0, "direction": "inbound",
    }  # fmt: skip
    if full:
        ended = {"outcome": "rejected", "reason": "full", "cause": 17, "ended_at": _text(at)}
        return call | ended, []
    menu_at = at + dice.uniform(5, 9)
    call |= {"answered_at": _text(at + 0.1), "notice_heard_at": _text(menu_at)}
    if outage:
        call["statement"] = 1 if number % 2 else 2
    if dice.random() < 0.06:
        ended = {"outcome": "abandoned", "reason": "in_notice", "ended_at": _text(menu_at - 1)}
        return call | ended, []
    queue, queued = dice.choice(QUEUES), menu_at + dice.uniform(3, 20)
    call |= {"menu_at": _text(menu_at), "menu_path": queue, "menu_end": "chosen", "queue": queue}
    call |= {"queued_at": _text(queued), "place_at": _text(queued)}
    wait, patience = dice.expovariate(1 / (60 if outage else 15)), dice.expovariate(1 / 120)
    if patience < wait:
        gone = {"outcome": "abandoned", "reason": "in_waiting"}
        return call | gone | {"ended_at": _text(queued + patience)}, []
    talking = queued + wait
    ended_at = talking + 10 + dice.expovariate(1 / (480 if outage else 180))
    agent = str(101 + number % AGENTS)
    rang = dice.uniform(0.5, 10)
    offer = dict.fromkeys(column.name for column in tables.offers.columns) | {
        "offer_id": f"{call_id}-1", "call_id": call_id, "sequence": 3, "node": "pln-1",
        "queue": queue, "agent": agent, "offered_at": _text(talking - rang - 0.1),
        "ringing_at": _text(talking - rang), "talking_at": _text(talking), "result": "answered",
        "ended_at": _text(ended_at), "talked_until": _text(ended_at), "held_seconds": 0.0,
        "wrapped_up_at": _text(ended_at + 15),
    }  # fmt: skip
    call |= {"outcome": "answered", "reason": "caller_hung_up", "ended_at": _text(ended_at)}
    call |= {"talking_at": _text(talking), "offered_at": offer["offered_at"], "agent": agent}
    return call, [offer]


def make_journal(file: Path, number: int, seed: int) -> None:
    """A journal as this version's tables want it, filled as fast as SQLite takes it."""
    engine = schema.create_engine(schema.parse_url(f"sqlite:///{file}"))
    schema.upgrade(engine)
    engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        calls: list[dict[str, Any]] = []
        offers: list[dict[str, Any]] = []
        hearings: list[dict[str, Any]] = []
        for call, made in made_calls(number, seed):
            calls.append(call)
            offers += made
            if call["statement"]:
                hearings.append(_hearing(call))
            if len(calls) == ROWS_AT_ONCE:
                _store(connection, calls, offers, hearings)
        _store(connection, calls, offers, hearings)
        _statements(connection)


def _hearing(call: dict[str, Any]) -> dict[str, Any]:
    return {
        "hearing_id": call["call_id"], "sequence": 1, "node": "pln-1", "call_id": call["call_id"],
        "version": call["statement"], "stage": "statement", "began_at": call["started_at"],
        "whole": call["reason"] != "in_notice",
    }  # fmt: skip


def _store(connection: sqlite3.Connection, *batches: list[dict[str, Any]]) -> None:
    for table, rows in zip((tables.calls, tables.offers, tables.hearings), batches, strict=True):
        names = [column.name for column in table.columns]
        places = ", ".join(f":{name}" for name in names)
        into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"
        connection.executemany(into, rows)
        rows.clear()
    connection.commit()


def _statements(connection: sqlite3.Connection) -> None:
    noon = datetime.combine(FIRST_DAY + timedelta(days=BLACKOUT_ON), datetime.min.time(), UTC)
    for version in (1, 2):
        live = (noon + timedelta(hours=5 + version)).timestamp()
        values = {
            "version": version, "status": "expired", "areas": "", "cause": "gangguan transmisi",
            "expires_at": _text(live + 7200), "text": "-", "audio": b"", "recorded": 0,
            "drafted_by": "A", "drafted_at": _text(live), "live_at": _text(live),
        }  # fmt: skip
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO statements ({names}) VALUES ({places})", values)
    connection.commit()


def measure(file: Path, subject: str, form: str, times: list[str]) -> Cost:
    """One report, in a process of its own; its output is thrown away."""
    command = [sys.executable, "-m", "pln_ivr", "report", subject, "--format", form, *times]
    environment = os.environ | {"PLN_IVR_JOURNAL__URL": f"sqlite:///{file}"}
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"pln-ivr report {subject} ended with {process.returncode}")
    return Cost(seconds, _megabytes(usage))


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def main() -> None:
    """Make the journal, time the reports, print both."""
    parser = argparse.ArgumentParser(prog="tests/bench/reports", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=804)
    parser.add_argument("--format", default="html", choices=["table", "csv", "json", "html"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pln-ivr-reports-") as folder:
        file = Path(folder) / "journal.db"
        began = time.monotonic()
        make_journal(file, options.calls, options.seed)
        console.print(
            f"{options.calls:,} calls in {file.stat().st_size / 2**20:,.0f} MiB,"
            f" made in {time.monotonic() - began:.0f} s, seed {options.seed}"
        )
        last = FIRST_DAY + timedelta(days=options.calls // NORMAL + 2)
        periods = {
            "a day": ["--day", str(FIRST_DAY)],
            "blackout day": ["--day", str(FIRST_DAY + timedelta(days=BLACKOUT_ON))],
            "all days": ["--since", str(FIRST_DAY), "--until", str(last)],
        }
        table = Table("report", *(f"{name}: s, MiB" for name in periods), highlight=True)
        for subject in SUBJECTS:
            costs = [measure(file, subject, options.format, times) for times in periods.values()]
            table.add_row(subject, *(f"{cost.seconds:.1f}, {cost.megabytes:.0f}" for cost in costs))
        console.print(table)


if __name__ == "__main__":
    main()
