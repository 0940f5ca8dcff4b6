"""The books of one run: what SIPp, Asterisk, the journal and /metrics say, and if they agree.

Callers of the crowd have numbers of their own, so that not only sums but single calls are compared.
"""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from pathlib import Path

from .sipp import Event
from .watch import Figures

SHOWN = 12
"""So many single calls are named in a disagreement; of the others there is the count."""
TRUNK = "PJSIP/trunk-"
_NEW_COLUMNS = 12


@dataclass
class SippBook:
    """What the callers saw, by number."""

    dialled: Counter[str] = field(default_factory=Counter)
    finals: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    admitted: Counter[str] = field(default_factory=Counter)
    by_caller: dict[str, list[int]] = field(default_factory=dict)
    """Final answers of each caller's calls."""
    spans: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """When each caller's calls began and ended, in epoch seconds; inf for one without an end."""

    @property
    def calls(self) -> int:
        """Calls with a final answer."""
        return sum(self.finals.values())

    @property
    def unanswered(self) -> int:
        """Calls whose INVITE had no final answer at all."""
        return sum(self.dialled.values()) - self.calls


def sipp_book(events: Iterable[Event], began: float = 0.0) -> SippBook:
    """From the log of scenarios/crowd.xml; `began` is when SIPp did, in epoch seconds."""
    book = SippBook()
    for event in events:
        at = began + event.at_ms / 1000
        spans = book.spans.setdefault(event.who, [])
        if event.what == "dial":
            book.dialled[event.who] += 1
            spans.append((at, inf))
        elif spans and event.what != "final-200":
            spans[-1] = spans[-1][0], at
        if event.what.startswith("final-"):
            status = int(event.what.removeprefix("final-"))
            book.finals[status] += 1
            (book.admitted if status == 200 else book.refused)[event.who] += 1
            book.by_caller.setdefault(event.who, []).append(status)
    return book


@dataclass(frozen=True, slots=True)
class Cdr:
    """One line of Asterisk's list."""

    uniqueid: str
    caller: str
    channel: str
    answered: bool
    started: float
    ended: float
    """Epoch seconds."""


def read_cdr(row: list[str]) -> Cdr:
    """The one place that knows the columns of cdr_custom.conf, both generations of them:
    uniqueid,start,answer,end,disposition,src,dst,dcontext,channel,... (all times epoch seconds)
    and uniqueid,start,answer,end,duration,billsec,disposition,src,dst,channel,..."""
    new = not row[4].isdigit()
    disposition, src, channel = (row[4], row[5], row[8]) if new else (row[6], row[7], row[9])
    times = float(row[1] or 0), float(row[3] or 0)
    return Cdr(row[0], src, channel, disposition == "ANSWERED", *times)


def cdr_book(file: Path) -> dict[str, Cdr]:
    """Customers' channels, by their ids; a channel with several lines counts once."""
    found: dict[str, Cdr] = {}
    if not file.exists():
        return found
    with file.open(newline="", errors="replace") as lines:
        for row in csv.reader(lines):
            cdr = read_cdr(row) if len(row) >= _NEW_COLUMNS else None
            if cdr and cdr.channel.startswith(TRUNK):
                before = found.get(cdr.uniqueid)
                found[cdr.uniqueid] = before if before and before.answered else cdr
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One call of the journal, as far as the books need it. Times are epoch seconds."""

    channel: str
    caller: str
    outcome: str
    reason: str
    incarnation: str
    fallback: bool
    started: float
    ended: float
    """0 while it has not."""


def journal_book(file: Path) -> list[Row]:
    """All calls of the journal, oldest first."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(calls)")}
        fallback = "fallback" if "fallback" in columns else "0"
        rows = connection.execute(
            "SELECT channel_id, caller, outcome, reason, incarnation,"
            f" {fallback}, started_at, ended_at FROM calls ORDER BY started_at"
        ).fetchall()
    return [_row(*row) for row in rows]


def _row(
    channel: str,
    caller: str,
    outcome: str | None,
    reason: str | None,
    incarnation: str,
    fallback: int,
    started: str,
    ended: str | None,
) -> Row:
    end = outcome or "", reason or ""
    times = _epoch(started), _epoch(ended)
    return Row(channel, caller, *end, incarnation, bool(fallback), *times)


def _epoch(text: str | None) -> float:
    """A time as SQLite keeps it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() if text else 0.0


def at_capacity_seconds(spans: Iterable[tuple[float, float]], capacity: int) -> float:
    """How long so many calls or more were up at once: every change in the order of time, one by
    one. A call that ends makes room for one that begins in the same moment."""
    changes = sorted(change for began, ended in spans for change in ((began, 1), (ended, -1)))
    up, seconds = 0, 0.0
    for (at, change), (following, _) in pairwise(changes):
        up += change
        seconds += following - at if up >= capacity else 0.0
    return seconds


def by_outcome(rows: Iterable[Row]) -> Counter[tuple[str, str]]:
    """How many calls ended so."""
    return Counter((row.outcome or "none", row.reason or "none") for row in rows)


def counted(figures: Figures) -> dict[tuple[str, str], int]:
    """What /metrics says of calls that have ended."""
    found = figures.by("pln_ivr_calls_total", "outcome", "reason")
    return {(key[0], key[1]): int(value) for key, value in found.items() if value}


@dataclass
class Books:
    """All four, of one run."""

    sipp: SippBook
    cdr: dict[str, Cdr]
    journal: list[Row]
    metrics: dict[tuple[str, str], int]
    label: Callable[[float], str] | None = None
    """What was going on at a time (epoch seconds); disagreements are counted by it."""

    def without(self, callers: set[str]) -> Books:
        """The same books without these callers, whose calls cannot be known."""
        kept = SippBook(
            dialled=Counter({who: n for who, n in self.sipp.dialled.items() if who not in callers}),
            finals=Counter(
                status
                for who, statuses in self.sipp.by_caller.items()
                for status in statuses
                if who not in callers
            ),
            refused=Counter({w: n for w, n in self.sipp.refused.items() if w not in callers}),
            admitted=Counter({w: n for w, n in self.sipp.admitted.items() if w not in callers}),
            spans=self.sipp.spans,
        )
        cdr = {key: line for key, line in self.cdr.items() if line.caller not in callers}
        journal = [row for row in self.journal if row.caller not in callers]
        return Books(kept, cdr, journal, self.metrics, self.label)

    def disagreements(self) -> list[str]:
        """In words, each with its counts and the first calls that it is about."""
        return [*self._sums(), *self._channels(), *self._callers(), *self._open()]

    def _sums(self) -> list[str]:
        refused = sum(count for status, count in self.sipp.finals.items() if status != 200)
        rejected = sum(row.outcome == "rejected" for row in self.journal)
        pairs = [
            ("calls with a final answer at SIPp", self.sipp.calls, "CDRs", len(self.cdr)),
            ("CDRs", len(self.cdr), "journal rows", len(self.journal)),
            ("refusals at SIPp", refused, "rejected in the journal", rejected),
        ]
        found = [f"{a} {here}, {b} {there}" for a, here, b, there in pairs if here != there]
        if self.sipp.unanswered:
            found.append(f"{self.sipp.unanswered} INVITEs had no final answer")
        return found

    def _channels(self) -> list[str]:
        rows = Counter(row.channel for row in self.journal)
        twice = [channel for channel, count in rows.items() if count > 1]
        return [
            *self._named("in Asterisk's list and not in the journal", set(self.cdr) - set(rows)),
            *self._named("in the journal and not in Asterisk's list", set(rows) - set(self.cdr)),
            *self._named("with more than one journal row", twice),
        ]

    def _callers(self) -> list[str]:
        """By each caller's number: how often admitted and how often refused, SIPp's word
        against the journal's."""
        admitted: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        for row in self.journal:
            (refused if row.outcome == "rejected" else admitted)[row.caller] += 1
        found = []
        for what, theirs, ours in (
            ("admitted", self.sipp.admitted, admitted),
            ("refused", self.sipp.refused, refused),
        ):
            more, less = theirs - ours, ours - theirs
            found += self._named(f"{what} by SIPp's word and not by the journal's", more, "callers")
            found += self._named(f"{what} by the journal's word and not by SIPp's", less, "callers")
        return found

    def _open(self) -> list[str]:
        return self._named(
            "without an outcome in the journal",
            [row.channel for row in self.journal if not row.outcome],
        )

    def _named(self, what: str, names: Iterable[str], kind: str = "channels") -> list[str]:
        some = sorted(names)
        if not some:
            return []
        more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
        then = f" ({self._when(some)})" if self.label else ""
        return [f"{len(some)} {kind} {what}{then}: {', '.join(some[:SHOWN])}{more}"]

    def _when(self, names: list[str]) -> str:
        """During what these began: channels carry their beginning in their ids."""
        assert self.label
        counts: Counter[str] = Counter()
        for name in names:
            spans = self.sipp.spans.get(name)
            counts[self.label(spans[-1][0] if spans else _began(name))] += 1
        return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def _began(channel: str) -> float:
    """From a channel's id, such as pln-1-1795490058.230."""
    number = channel.rpartition("-")[2].partition(".")[0]
    return float(number) if number.isdigit() else 0.0


def against_metrics(rows: Iterable[Row], metrics: dict[tuple[str, str], int]) -> list[str]:
    """Where the journal's counts by outcome and reason and those of /metrics differ."""
    ours = by_outcome(row for row in rows if row.outcome)
    return [
        f"{outcome}/{reason}: {ours[outcome, reason]} in the journal,"
        f" {metrics.get((outcome, reason), 0)} in /metrics"
        for outcome, reason in sorted(ours.keys() | metrics.keys())
        if ours[outcome, reason] != metrics.get((outcome, reason), 0)
    ]
