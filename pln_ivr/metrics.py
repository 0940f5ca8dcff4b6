"""Metrics: the only user of prometheus_client. Labels are closed sets of words.

Names say the unit (seconds, total). Nothing that a caller can choose is ever a label.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from pln_ivr.outcomes import (
    REASONS,
    BillEnd,
    BriefEnd,
    CallbackEnd,
    CallbackResult,
    FlagResult,
    IncidentKind,
    OfferResult,
    Outcome,
    PauseEnd,
    ReportEnd,
    Result,
    Stage,
)

_WAIT_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_OFFER_BUCKETS = (0.5, 1, 2, 4, 6, 8, 10, 11, 12, 15, 20, 30)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
LAG_PROBE_SECONDS = 0.1


class _Groups(Collector):
    """A gauge with one label, read from the living object when scraped."""

    def __init__(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]):
        self._name, self._text, self._label, self._read = name, text, label, read

    def collect(self) -> list[GaugeMetricFamily]:
        """See prometheus_client."""
        family = GaugeMetricFamily(self._name, self._text, labels=[self._label])
        for label, value in self._read().items():
            family.add_metric([label], value)
        return [family]


class Metrics:
    """All of the program's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        registry = self._registry
        self._calls = Counter(
            "pln_ivr_calls", "Calls ended", ["outcome", "reason"], registry=registry
        )
        for result, reasons in REASONS.items():
            for reason in reasons:
                self._calls.labels(result, reason)
        self._waiting = Histogram(
            "pln_ivr_waiting_seconds",
            "From joining the line to the conversation, or to giving up",
            ["outcome"],
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        # From 0 on: what begins at 1 has no rate.
        for result in Result:
            if result is not Result.REJECTED:
                self._waiting.labels(result)
        self._choices = Counter(
            "pln_ivr_menu_choices",
            "What callers chose in each menu",
            ["menu", "choice"],
            registry=registry,
        )
        self._reports = Counter(
            "pln_ivr_outage_reports",
            "Callers who wanted to report an outage, by how that ended",
            ["end"],
            registry=registry,
        )
        for report_end in ReportEnd:
            self._reports.labels(report_end)
        self._callbacks = Counter(
            "pln_ivr_callbacks_asked",
            "Callers who wanted to be called back, by how that ended",
            ["end"],
            registry=registry,
        )
        for callback_end in CallbackEnd:
            self._callbacks.labels(callback_end)
        self._callback_attempts = Counter(
            "pln_ivr_callback_attempts",
            "Attempts to call a customer back, by what they came to",
            ["result"],
            registry=registry,
        )
        for callback_result in CallbackResult:
            self._callback_attempts.labels(callback_result)
        self._bills = Counter(
            "pln_ivr_bills",
            "Callers who wanted to hear their bill, by how that ended",
            ["end"],
            registry=registry,
        )
        for bill_end in BillEnd:
            self._bills.labels(bill_end)
        self._lookups = Counter(
            "pln_ivr_bill_lookups",
            "Bills that were looked up, by what came of it",
            ["verdict"],
            registry=registry,
        )
        self._brief = Counter(
            "pln_ivr_brief_visits",
            "Callers who could not stay, by how that ended",
            ["end"],
            registry=registry,
        )
        for brief_end in BriefEnd:
            self._brief.labels(brief_end)
        self._attempts = Counter(
            "pln_ivr_dispatch_attempts",
            "Attempts to deliver something to the field dispatch",
            ["verdict"],
            registry=registry,
        )
        self._heard = Counter(
            "pln_ivr_statements_heard",
            "Statements that callers heard, by the stage of their visit",
            ["stage", "whole"],
            registry=registry,
        )
        self._talking = Histogram(
            "pln_ivr_talking_seconds",
            "Length of conversations",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self._offers = Histogram(
            "pln_ivr_offer_seconds",
            "From the offer to its end; of an answered one this includes the conversation",
            ["result"],
            buckets=_OFFER_BUCKETS,
            registry=registry,
        )
        for offer_result in OfferResult:
            self._offers.labels(offer_result)
        self._requests = Counter(
            "pln_ivr_ari_requests",
            "Requests to Asterisk",
            ["method", "transport", "result"],
            registry=registry,
        )
        self._events = Counter(
            "pln_ivr_ari_events", "Events from Asterisk", ["type"], registry=registry
        )
        self._completed = Counter(
            "pln_ivr_calls_completed",
            "Calls whose end was read from Asterisk's own list of calls",
            ["outcome", "reason"],
            registry=registry,
        )
        self._incidents = Counter(
            "pln_ivr_conduct_incidents", "Conduct incidents", ["kind"], registry=registry
        )
        for kind in IncidentKind:
            self._incidents.labels(kind)
        self._flags = Counter(
            "pln_ivr_white_flags", "White flags that came down", ["result"], registry=registry
        )
        for flag_result in FlagResult:
            self._flags.labels(flag_result)
        self._help = Histogram(
            "pln_ivr_white_flag_help_seconds",
            "From a white flag to the supervisor on the line",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self._pauses = Counter(
            "pln_ivr_recording_pauses",
            "Recording pauses, by what ended them; limit: nobody had them end",
            ["end"],
            registry=registry,
        )
        for pause_end in PauseEnd:
            self._pauses.labels(pause_end)
        self._denied = Counter(
            "pln_ivr_api_denied", "Who was turned away by the API", ["reason"], registry=registry
        )
        self._dropped = Counter(
            "pln_ivr_feeds_dropped", "Watchers too slow for the feed", registry=registry
        )
        # labels() takes its time, and these are counted several times a call.
        self._event_children: dict[str, Counter] = {}
        self._request_children: dict[tuple[str, str, str], Counter] = {}
        self._prompts = Counter(
            "pln_ivr_prompts_failed", "Prompts not played whole", ["prompt"], registry=registry
        )
        self._lag = Histogram(
            "pln_ivr_event_loop_lag_seconds",
            "How late the event loop woke a sleeper",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when scraped."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def groups(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Figures by one label, read when scraped."""
        self._registry.register(_Groups(name, text, label, read))

    def call_ended(self, outcome: Outcome, waited: float | None, talked: float | None) -> None:
        """Count a call; `waited` and `talked` in seconds, None if it never came to it."""
        self._calls.labels(outcome.result, outcome.reason).inc()
        if waited is not None:
            self._waiting.labels(outcome.result).observe(waited)
        if talked is not None:
            self._talking.observe(talked)

    def call_completed(self, outcome: Outcome) -> None:
        """Count a call that this program did not see to its end."""
        self._completed.labels(outcome.result, outcome.reason).inc()

    def statement_heard(self, stage: Stage, whole: bool) -> None:
        """Count a statement that a caller heard, to its end or not."""
        self._heard.labels(stage, str(whole).lower()).inc()

    def menu_choice(self, menu: str, choice: str) -> None:
        """Count a choice; both words are the config's, or of outcomes.MenuEnd."""
        self._choices.labels(menu, choice).inc()

    def report_ended(self, end: ReportEnd) -> None:
        """Count a caller who wanted to report an outage."""
        self._reports.labels(end).inc()

    def callback_asked(self, end: CallbackEnd) -> None:
        """Count a caller who wanted to be called back."""
        self._callbacks.labels(end).inc()

    def callback_attempted(self, result: CallbackResult) -> None:
        """Count an attempt to call a customer back."""
        self._callback_attempts.labels(result).inc()

    def bill_ended(self, end: BillEnd) -> None:
        """Count a caller who wanted to hear the bill."""
        self._bills.labels(end).inc()

    def bill_looked_up(self, verdict: str) -> None:
        """Count a lookup; `verdict` is one of bills.lookup.Verdict."""
        self._lookups.labels(verdict).inc()

    def expect(self, attempts: Iterable[str], lookups: Iterable[str]) -> None:
        """Count each of these verdicts from 0 on: what begins at 1 has no rate."""
        for verdict in attempts:
            self._attempts.labels(verdict)
        for verdict in lookups:
            self._lookups.labels(verdict)

    def brief_visit_ended(self, end: BriefEnd) -> None:
        """Count a brief visit that came past the statement."""
        self._brief.labels(end).inc()

    def dispatch_attempted(self, verdict: str) -> None:
        """Count an attempt; `verdict` is one of dispatch.delivery.Verdict."""
        self._attempts.labels(verdict).inc()

    def offer_ended(self, result: OfferResult, seconds: float) -> None:
        """Count an offer."""
        self._offers.labels(result).observe(seconds)

    def incident(self, kind: IncidentKind) -> None:
        """Count a conduct incident."""
        self._incidents.labels(kind).inc()

    def api_denied(self, reason: str) -> None:
        """Count somebody whom the API turned away; `reason` is a closed set of words."""
        self._denied.labels(reason).inc()

    def feed_dropped(self) -> None:
        """Count a watcher who was disconnected for being too slow."""
        self._dropped.inc()

    def flag_ended(self, result: FlagResult) -> None:
        """Count a white flag."""
        self._flags.labels(result).inc()

    def flag_helped(self, seconds: float) -> None:
        """How long an agent waited for help."""
        self._help.observe(seconds)

    def recording_pause_ended(self, end: PauseEnd) -> None:
        """Count a recording pause."""
        self._pauses.labels(end).inc()

    def event(self, type_: str) -> None:
        """See ari.client.Meter."""
        child = self._event_children.get(type_)
        if child is None:
            child = self._event_children[type_] = self._events.labels(type_)
        child.inc()

    def request(self, method: str, transport: str, result: str) -> None:
        """See ari.client.Meter."""
        key = (method, transport, result)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(*key)
        child.inc()

    def prompt_failed(self, name: str) -> None:
        """Count a prompt that was not played whole."""
        self._prompts.labels(name).inc()

    async def watch_loop(self) -> None:
        """Measure the event loop's lag until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(LAG_PROBE_SECONDS)
            self._lag.observe(max(0.0, time.perf_counter() - before - LAG_PROBE_SECONDS))

    def render(self) -> bytes:
        """The exposition for Prometheus."""
        return generate_latest(self._registry)
