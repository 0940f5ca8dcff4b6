"""The dashboards: what is on each, and their JSON for Grafana.

After a change: python3 docker/grafana/panels.py, which writes the files in dashboards/. A test
takes every query of theirs to a real Prometheus. Standard library only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "dashboards"
COLUMNS = 24
"""Of Grafana's grid; its rows are 30 pixels high."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over time, or (`stat`) their latest values as figures.

    `queries` are PromQL by legend; a legend may name labels as {{queue}}. `unit` is Grafana's:
    short, percentunit, s, bytes, reqps. `red` is from where on a figure is red.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    stat: bool = False
    red: float | None = None
    text: str = ""

    @property
    def width(self) -> int:
        return 4 if self.stat else 8

    @property
    def height(self) -> int:
        return 4 if self.stat else 8


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page. Panels are laid out from left to right in the order given."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def a_minute(name: str, by: str, labels: str = "") -> str:
    """How often a counter counted, per minute."""
    return f"60 * sum by ({by}) (rate({name}{labels}[$__rate_interval]))"


def quantile(share: float, histogram: str, labels: str = "") -> str:
    """What so large a share stayed below."""
    return (
        f"histogram_quantile({share},"
        f" sum by (le) (rate({histogram}_bucket{labels}[$__rate_interval])))"
    )


def stat(title: str, query: str, unit: str = "short", red: float | None = None) -> Panel:
    """One figure."""
    return Panel(title, {"": query}, unit, stat=True, red=red)


SEATS = Panel("Seats", {"taken": "pln_ivr_seats_in_use", "there are": "pln_ivr_seats_capacity"})
WAITING = Panel("Callers waiting", {"{{queue}}": "pln_ivr_waiting_calls"})
MENU_CHOICES = a_minute("pln_ivr_menu_choices_total", "choice")
FULL = stat("Seats taken", "pln_ivr:seats:ratio", "percentunit", red=0.99)

LIVE = Dashboard(
    "pln-live",
    "123: the house, live",
    (
        FULL,
        stat("Callers waiting", "pln_ivr:waiting:sum"),
        stat("Agents serving", "pln_ivr:agents_serving:sum"),
        stat("Talking", 'pln_ivr_agents{state="talking"}'),
        stat("Connected to Asterisk", "pln_ivr_ari_ready"),
        stat("Alerts firing", 'count(ALERTS{alertstate="firing"}) or vector(0)', red=1),
        SEATS,
        WAITING,
        Panel("Agents", {"{{state}}": 'pln_ivr_agents{state!="logged_out"}'}),
        Panel(
            "Calls ended a minute",
            {"{{outcome}}": a_minute("pln_ivr_calls_total", "outcome")},
        ),
        Panel(
            "Wait until answered",
            {
                "half": quantile(0.5, "pln_ivr_waiting_seconds", '{outcome="answered"}'),
                "19 of 20": quantile(0.95, "pln_ivr_waiting_seconds", '{outcome="answered"}'),
            },
            "s",
        ),
        Panel("Customers to be called back", {"{{queue}}": "pln_ivr_callbacks_waiting"}),
        Panel(
            "In Asterisk",
            {"calls": "asterisk_calls_count", "channels": "asterisk_channels_count"},
            text="Whoever serves them: the program, or without it Asterisk's own queue.",
        ),
    ),
)

BLACKOUT = Dashboard(
    "pln-blackout",
    "123: blackout",
    (
        FULL,
        stat("Calls a minute", "60 * pln_ivr:calls:rate5m"),
        stat("Hear busy", "pln_ivr:rejected:ratio5m", "percentunit", red=0.3),
        stat("Callers waiting", "pln_ivr:waiting:sum"),
        stat("Agents serving", "pln_ivr:agents_serving:sum"),
        stat("Taken back by Asterisk", "pln_ivr_leases_expired", red=1),
        Panel(
            "Calls a minute, and those that heard busy",
            {
                "all": "60 * sum(rate(pln_ivr_calls_total[$__rate_interval]))",
                "{{reason}}": a_minute("pln_ivr_calls_total", "reason", '{outcome="rejected"}'),
            },
        ),
        SEATS,
        Panel(
            "Seats to wait, ring or talk in",
            {"taken": "pln_ivr_seats_staying", "there are": "pln_ivr_seats_to_stay"},
            text="The others are for brief visits while a statement is live.",
        ),
        Panel(
            "Brief visits a minute, by how they ended",
            {"{{end}}": a_minute("pln_ivr_brief_visits_total", "end")},
        ),
        WAITING,
        Panel(
            "Gave up a minute, by how far they had come",
            {"{{reason}}": a_minute("pln_ivr_calls_total", "reason", '{outcome="abandoned"}')},
        ),
        Panel(
            "Callbacks: waiting, and attempts a minute",
            {
                "waiting": "sum(pln_ivr_callbacks_waiting)",
                "will be late": "pln_ivr_callbacks_late",
                "{{result}}": a_minute("pln_ivr_callback_attempts_total", "result"),
            },
        ),
        Panel(
            "Let go and failed a minute",
            {
                "{{reason}}": a_minute(
                    "pln_ivr_calls_total", "reason", '{outcome=~"released|failed"}'
                )
            },
        ),
        Panel(
            "Requests to Asterisk a second",
            {"{{result}}": "sum by (result) (rate(pln_ivr_ari_requests_total[$__rate_interval]))"},
            "reqps",
        ),
        Panel(
            "The program's delay",
            {"99 of 100": quantile(0.99, "pln_ivr_event_loop_lag_seconds")},
            "s",
            text="How late the event loop woke a sleeper. Above 0.1 s it is starved of time.",
        ),
        Panel(
            "Processor and journal",
            {
                "cores of the program": "rate(process_cpu_seconds_total[$__rate_interval])",
                "rows to store": "pln_ivr_journal_backlog",
            },
        ),
        Panel("Room on the disk", {"free": "pln_ivr_disk_free_bytes"}, "bytes"),
        Panel(
            "Statements",
            {"live": "pln_ivr_statements_live", "{{status}}": "pln_ivr_statements_pending"},
            text="A draft waits for approval, an approved one to be published.",
        ),
        Panel(
            "Reports of outages that are open",
            {"{{area}}": "pln_ivr_outage_reports_open"},
            text="An area with many in a short time is a cluster: see the alert OutageCluster.",
        ),
        Panel(
            "For the field dispatch",
            {"waiting": "pln_ivr_dispatch_waiting", "given up": "pln_ivr_dispatch_dead"},
        ),
    ),
)

QUALITY = Dashboard(
    "pln-quality",
    "123: quality",
    (
        stat("Answered in time", "min(pln_ivr:service_level:ratio15m)", "percentunit"),
        stat(
            "Wait, on average",
            'sum(increase(pln_ivr_waiting_seconds_sum{outcome="answered"}[15m]))'
            ' / sum(increase(pln_ivr_waiting_seconds_count{outcome="answered"}[15m]))',
            "s",
        ),
        stat(
            "Talk, on average",
            "increase(pln_ivr_talking_seconds_sum[15m])"
            " / increase(pln_ivr_talking_seconds_count[15m])",
            "s",
        ),
        stat("Third rings missed", "pln_ivr:missed_third_rings:increase15m", red=5),
        stat(
            "Not recorded, or faulty",
            "pln_ivr_recordings_unconfirmed + sum without (fault) (pln_ivr_recordings_faulty)",
            red=1,
        ),
        stat("Flags unanswered", 'pln_ivr_white_flags_total{result="unanswered"}', red=1),
        Panel(
            "Answered in time, of a quarter of an hour",
            {
                "{{queue}}": "pln_ivr:service_level:ratio15m",
                "to reach": "max(pln_ivr_service_target)",
            },
            "percentunit",
        ),
        Panel(
            "Wait of those who gave up",
            {
                "half": quantile(0.5, "pln_ivr_waiting_seconds", '{outcome="abandoned"}'),
                "19 of 20": quantile(0.95, "pln_ivr_waiting_seconds", '{outcome="abandoned"}'),
            },
            "s",
        ),
        Panel(
            "Length of conversations",
            {
                "half": quantile(0.5, "pln_ivr_talking_seconds"),
                "19 of 20": quantile(0.95, "pln_ivr_talking_seconds"),
            },
            "s",
        ),
        Panel("Offers a minute", {"{{result}}": a_minute("pln_ivr_offer_seconds_count", "result")}),
        Panel(
            "Conduct incidents in an hour",
            {"{{kind}}": "sum by (kind) (increase(pln_ivr_conduct_incidents_total[1h]))"},
        ),
        Panel(
            "White flags in an hour",
            {"{{result}}": "sum by (result) (increase(pln_ivr_white_flags_total[1h]))"},
        ),
        Panel(
            "Who hangs up, a minute",
            {"{{reason}}": a_minute("pln_ivr_calls_total", "reason", '{outcome="answered"}')},
        ),
        Panel(
            "Recordings in an hour",
            {
                "not confirmed": "increase(pln_ivr_recordings_unconfirmed[1h])",
                "not filed": "increase(pln_ivr_recordings_unfiled[1h])",
                "{{fault}}": "increase(pln_ivr_recordings_faulty[1h])",
            },
        ),
        Panel(
            "Repairs in an hour",
            {"{{what}}": "sum by (what) (increase(pln_ivr_repairs[1h]))"},
            text="What upkeep found wrong and put right: 0 in a healthy house.",
        ),
        Panel("Chosen in the menus a minute", {"{{choice}}": MENU_CHOICES}),
        Panel(
            "Reports of outages in an hour, by their end",
            {"{{end}}": "sum by (end) (increase(pln_ivr_outage_reports_total[1h]))"},
        ),
        Panel(
            "Attempts to tell the field dispatch, a minute",
            {"{{verdict}}": a_minute("pln_ivr_dispatch_attempts_total", "verdict")},
        ),
    ),
)

DASHBOARDS = (LIVE, BLACKOUT, QUALITY)


def places(panels: tuple[Panel, ...]) -> list[tuple[int, int]]:
    """Column and row of each panel: from left to right, a new line when one is full."""
    found, x, y, line = [], 0, 0, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, line = 0, y + line, 0
        found.append((x, y))
        x, line = x + panel.width, max(line, panel.height)
    return found


def as_json(dashboard: Dashboard) -> str:
    """The file that Grafana reads; one line for each panel."""
    at = places(dashboard.panels)
    panels = [
        json.dumps(_panel(number, panel, x, y))
        for number, (panel, (x, y)) in enumerate(zip(dashboard.panels, at, strict=True), start=1)
    ]
    head = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["pln_ivr"],
        "timezone": "Asia/Jakarta",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "schemaVersion": 39,
        "editable": False,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    return "\n".join(["{", *lines, ' "panels": [', "  " + ",\n  ".join(panels), " ]", "}", ""])


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.red is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.red}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": query, "legendFormat": legend or panel.title}
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    for each in DASHBOARDS:
        file = FOLDER / f"{each.uid}.json"
        file.write_text(as_json(each))
        print(file)
