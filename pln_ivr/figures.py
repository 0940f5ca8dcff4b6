"""What /metrics shows of the living parts, read from them when scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pln_ivr.ari import Client
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.outbound.calling_back import CallingBack
from pln_ivr.calls.reception import Reception
from pln_ivr.calls.staying import Staying
from pln_ivr.calls.upkeep import Repair, Upkeep
from pln_ivr.certificates import expiry
from pln_ivr.dispatch.delivery import Verdict
from pln_ivr.dispatch.sender import Sender
from pln_ivr.journal import JournalWriter
from pln_ivr.metrics import Metrics
from pln_ivr.outages.bulletin import Bulletin
from pln_ivr.outages.reports import EVERYWHERE, Reports
from pln_ivr.outcomes import Stage
from pln_ivr.queues.agents import Agents, AgentState
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.service import ServiceLevels
from pln_ivr.recordings.nightly import Nightly
from pln_ivr.recordings.recorder import Recorder
from pln_ivr.recordings.verify import Finding
from pln_ivr.resources import DiskWatch


class Parts(Protocol):
    """The parts that have figures."""

    ari: Client
    journal: JournalWriter
    seats: Seats
    staying: Staying
    agents: Agents
    desk: Desk
    reception: Reception
    recorder: Recorder
    nightly: Nightly
    upkeep: Upkeep
    disk: DiskWatch
    shortages: list[str]
    levels: ServiceLevels
    bulletin: Bulletin
    reports: Reports
    sender: Sender
    callbacks: CallbackStore
    calling_back: CallingBack


def show(
    parts: Parts, metrics: Metrics, shares: Mapping[str, float], certificate: Path | None
) -> None:
    """Have `metrics` show every part, and by what they are measured: the service level that each
    queue is to reach, and until when the phones' certificate is good."""
    gauge, ari, journal, disk = metrics.gauge, parts.ari, parts.journal, parts.disk
    gauge("pln_ivr_seats_in_use", "Seats taken", lambda: parts.seats.in_use)
    gauge("pln_ivr_seats_capacity", "Seats there are", lambda: parts.seats.budget)
    staying = parts.staying
    gauge("pln_ivr_seats_staying", "Seats of callers who stay", lambda: staying.count)
    gauge("pln_ivr_seats_to_stay", "Seats that callers may stay in", lambda: staying.most)
    gauge("pln_ivr_outage_mode", "1: some seats are for brief visits", lambda: staying.outage)
    gauge("pln_ivr_ari_ready", "1 if connected", lambda: float(ari.ready))
    gauge("pln_ivr_ari_reconnections", "Connections lost", lambda: ari.reconnections)
    gauge("pln_ivr_journal_backlog", "Rows to store", lambda: journal.backlog)
    gauge("pln_ivr_journal_spooled", "Rows to store, on disk", lambda: journal.spooled)
    gauge("pln_ivr_journal_overflowed", "Rows only in the log", lambda: journal.overflowed)
    _show_recordings(parts.recorder, metrics)
    _show_nightly(parts.nightly, metrics)
    gauge(
        "pln_ivr_leases_expired",
        "Callers whom Asterisk took back because it did not hear from us",
        lambda: parts.reception.leases_expired,
    )
    gauge("pln_ivr_disk_free_bytes", "Least room", lambda: disk.free_mb * 2**20)
    gauge("pln_ivr_disk_low", "1 below disk.low_mb", lambda: float(disk.low))
    gauge("pln_ivr_disk_full", "1 below disk.reserve_mb", lambda: float(disk.full))
    if certificate:
        gauge(
            "pln_ivr_certificate_expires_timestamp_seconds",
            "The end of agents.certificate; 0 if it cannot be read",
            lambda: expiry(certificate),
        )
    gauge(
        "pln_ivr_resources_short",
        "Things of which there is less than a full house needs",
        lambda: len(parts.shortages),
    )
    gauge(
        "pln_ivr_statements_live",
        "Statements that callers hear",
        lambda: len(parts.bulletin.live()),
    )
    gauge(
        "pln_ivr_statement_expires_timestamp_seconds",
        "When the first of them withdraws itself; 0 without one",
        parts.bulletin.ends_at,
    )
    metrics.groups(
        "pln_ivr_statements_pending",
        "Statements that callers do not hear yet: drafts to approve, approved ones to publish",
        "status",
        lambda: {status: float(count) for status, count in parts.bulletin.pending.items()},
    )
    _show_outages(parts.reports, metrics)
    sender = parts.sender
    metrics.expect_attempts(Verdict)
    gauge("pln_ivr_dispatch_waiting", "Deliveries to the field", lambda: sender.waiting)
    gauge("pln_ivr_dispatch_dead", "Dead letters to the field", lambda: sender.dead)
    _show_callbacks(parts, metrics)
    _show_groups(parts, metrics)
    _show_service(parts, metrics, shares)


def _show_recordings(recorder: Recorder, metrics: Metrics) -> None:
    metrics.gauge(
        "pln_ivr_recordings_unconfirmed",
        "Conversations whose recording was not confirmed",
        lambda: recorder.unconfirmed,
    )
    metrics.gauge(
        "pln_ivr_recordings_unfiled", "Recordings left in the spool", lambda: recorder.unfiled
    )
    metrics.gauge("pln_ivr_recordings_filing", "Recordings being filed", lambda: recorder.filing)
    metrics.groups(
        "pln_ivr_recordings_faulty",
        "Recordings that a person should listen to",
        "fault",
        lambda: {fault: float(count) for fault, count in recorder.faulty.items()},
    )


def _show_nightly(nightly: Nightly, metrics: Metrics) -> None:
    if not nightly.switched_on:
        return
    metrics.groups(
        "pln_ivr_recordings_verified",
        "What the last reconciliation found that may not be",
        "found",
        lambda: {
            what: float(nightly.last.found.get(what, 0)) if nightly.last else 0.0
            for what in Finding
        },
    )
    metrics.gauge(
        "pln_ivr_recordings_verified_conversations",
        "Conversations that the last reconciliation looked at",
        lambda: nightly.last.conversations if nightly.last else 0,
    )
    metrics.gauge(
        "pln_ivr_recordings_verified_timestamp_seconds",
        "When the last reconciliation was done; before the first, the program's start",
        lambda: nightly.done_at,
    )
    metrics.gauge(
        "pln_ivr_recordings_verify_failures",
        "Reconciliations that could not be done, since the start",
        lambda: nightly.failures,
    )


def _show_callbacks(parts: Parts, metrics: Metrics) -> None:
    store, calling = parts.callbacks, parts.calling_back
    metrics.groups(
        "pln_ivr_callbacks_waiting",
        "Customers who are to be called back; all: to be told that power is back",
        "queue",
        lambda: (
            dict.fromkeys((*parts.desk.lines, EVERYWHERE), 0.0)
            | {queue or EVERYWHERE: float(count) for queue, count in calling.waiting().items()}
        ),
    )
    metrics.gauge(
        "pln_ivr_callbacks_late",
        "Of these, those whom nobody will come to before they expire",
        lambda: calling.late,
    )
    metrics.gauge(
        "pln_ivr_callbacks_expired", "Callbacks that nobody came to", lambda: store.expired
    )


def _show_groups(parts: Parts, metrics: Metrics) -> None:
    metrics.groups(
        "pln_ivr_repairs",
        "What upkeep found wrong and repaired",
        "what",
        lambda: {repair: float(parts.upkeep.repairs[repair]) for repair in Repair},
    )
    metrics.groups(
        "pln_ivr_calls_in_stage",
        "Calls in the house",
        "stage",
        lambda: _by_stage(parts.reception),
    )
    metrics.groups(
        "pln_ivr_waiting_calls",
        "Calls in each line",
        "queue",
        lambda: dict.fromkeys(parts.desk.lines, 0.0) | _floats(parts.desk.waiting()),
    )
    metrics.groups(
        "pln_ivr_service_level",
        "Share of calls answered in the queue's target time, since the start",
        "queue",
        lambda: {
            name: level
            for name in parts.desk.lines
            if (level := parts.levels.level(name)) is not None
        },
    )
    metrics.groups("pln_ivr_agents", "Agents by state", "state", lambda: _by_state(parts.agents))


def _show_service(parts: Parts, metrics: Metrics, shares: Mapping[str, float]) -> None:
    levels = parts.levels
    metrics.groups(
        "pln_ivr_service_counted",
        "Calls that count for the service level",
        "queue",
        lambda: {name: float(levels.counted(name)) for name in parts.desk.lines},
    )
    metrics.groups(
        "pln_ivr_service_in_time",
        "Of these, answered in the queue's target time",
        "queue",
        lambda: {name: float(levels.in_time(name)) for name in parts.desk.lines},
    )
    metrics.groups("pln_ivr_service_target", "The service level to reach", "queue", lambda: shares)


def _show_outages(reports: Reports, metrics: Metrics) -> None:
    metrics.groups(
        "pln_ivr_outage_reports_open",
        "Customers who have reported an outage that is not over",
        "area",
        lambda: _by_area(reports.standing.reports),
    )
    metrics.groups(
        "pln_ivr_outage_clusters",
        "Open reports of the areas where so many are open that there is an alarm",
        "area",
        lambda: _by_area(reports.standing.clusters),
    )


def _by_area(counts: Mapping[str, int]) -> dict[str, float]:
    return {area or EVERYWHERE: float(count) for area, count in counts.items()}


def _floats(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: float(count) for name, count in counts.items()}


def _by_stage(reception: Reception) -> Mapping[str, float]:
    counts = reception.calls_in_stages()
    return {stage: float(counts[stage]) for stage in Stage if stage is not Stage.ENDED}


def _by_state(agents: Agents) -> Mapping[str, float]:
    counts = Counter(agent.state for agent in agents)
    unreachable = sum(agent.state is AgentState.READY and not agent.reachable for agent in agents)
    return {state: counts[state] for state in AgentState} | {"ready_unreachable": unreachable}
