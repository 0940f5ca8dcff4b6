"""Every panel's query and every rule, on a real Prometheus that watches a real house."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grafana.panels import DASHBOARDS, FOLDER, as_json
from native.root import find_asterisk
from native.tones import write_tone
from pln_ivr.calls.dialogues.menu import PROMPTS
from pln_ivr.journal.outages import NewReport, ReportBook, ReportRules
from tests.asterisk.world import REPO, World, eventually
from tests.bench.house import write_scaled_prompts
from tests.monitoring.prometheus import Prometheus
from tests.monitoring.tools import rules

NAME = re.compile(r"\b(?:pln_ivr|asterisk|process)_[a-z0-9_]+|\bpln_ivr:[a-z0-9_:]+")
MENUS = {"utama": {"prompt": "menu-utama", "queue": "gangguan", "keys": {"0": {"do": "agent"}}}}
SEEN = "sum(pln_ivr_calls_total) == 3 and sum(pln_ivr:service_level:ratio15m) == 1"
"""The last scrape, and the rules after it."""
FILES = [pytest.param(file, id=file.stem) for file in sorted(FOLDER.glob("*.json"))]


@pytest.mark.parametrize("file", FILES)
def test_the_files_are_what_panels_py_makes(file: Path) -> None:
    made = {f"{each.uid}.json": as_json(each) for each in DASHBOARDS}
    assert file.read_text() == made[file.name], "run python3 docker/grafana/panels.py"


@pytest.mark.timeout(180)
def test_a_house_is_watched(tmp_path: Path) -> None:
    """One test, so that one house is enough: two seats, one caller who is missed by 101 and
    talks with 102, one who gives up waiting, one who hears busy. None of them presses a key."""
    folder = tmp_path / f"watched-{os.getpid()}"
    folder.mkdir()
    world = World(
        find_asterisk(REPO / ".cache"), _prompts(folder / "prompts"), folder,
        ["101", "102"],
        ADMISSION__CAPACITY="2", AGENTS__RING_DEADLINE_SECONDS="1", AGENTS__PAUSE_AFTER_MISSES="1",
        AGENTS__CERTIFICATE=str(folder / "none.pem"), OUTAGES__CLUSTER_REPORTS="2",
        MENU__ENTRY="utama", MENU__MENUS=json.dumps(MENUS),
        MENU__NO_INPUT_SECONDS="0.5", MENU__NO_INPUT_TRIES="1",
    )  # fmt: skip
    try:
        world.start()
        _report_outages(world.journal_url)
        targets = {"pln-ivr": world.console_port, "asterisk": world.pbx.settings.http_port}
        with Prometheus(folder / "prometheus", targets) as prometheus:
            start = time.time()
            _visits(world)
            eventually(lambda: prometheus.value(SEEN) is not None, 15, "the last scrape")
            _every_panel_has_data(prometheus, start)
            _every_rule_is_about_figures_that_exist(prometheus)
            _the_figures_are_what_the_phones_saw(prometheus)
            _nothing_is_kept_of_single_calls(prometheus)
    finally:
        world.stop()


def _prompts(folder: Path) -> Path:
    write_scaled_prompts(folder, 8.0)
    for name in ("menu-utama", *PROMPTS):
        write_tone(folder / f"{name}.alaw", 600, 0.3)
    return folder


def _report_outages(url: str) -> None:
    """Two customers of one area, as if they had keyed it."""
    rules = ReportRules(timedelta(hours=24), cluster_reports=2, cluster_within=timedelta(hours=1))
    with ReportBook(url, rules) as book:
        for customer in ("512345678901", "512345678902"):
            book.register(
                NewReport(
                    customer=customer, area="Garut", caller="", call_id="", node="pln-1",
                    reported_at=datetime.now(UTC),
                )
            )  # fmt: skip


def _visits(world: World) -> None:
    missing, answering = world.make_ready("101"), world.make_ready("102")
    with (
        world.phones.never("ag-101", missing),
        world.phones.answer("ag-102", answering, after=0.2, talk=8.0),
        world.phones.caller(hold=60.0) as first,
    ):
        eventually(lambda: world.metric("pln_ivr_agents", state="talking") == 1, 30, "a talk")
        with world.phones.caller(hold=9.0) as second:
            eventually(lambda: world.seats() == 2, 10, "a full house")
            with world.phones.caller() as third:
                assert third.wait().finals == {486: 1}
            second.wait()
        first.wait()
    world.ended(3)


def _every_panel_has_data(prometheus: Prometheus, start: float) -> None:
    empty = []
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "10s")
                if not prometheus.during(query, start, time.time() + 1, 1.0):
                    empty.append(f"{file.stem}: {panel['title']}: {query}")
    assert not empty, "\n".join(empty)


def _every_rule_is_about_figures_that_exist(prometheus: Prometheus) -> None:
    there = prometheus.names()
    unknown = {name for rule in rules() for name in NAME.findall(rule["expr"])} - there
    assert unknown == set()


def _the_figures_are_what_the_phones_saw(prometheus: Prometheus) -> None:
    expected = {
        'pln_ivr_calls_total{outcome="rejected",reason="full"}': 1,
        'sum(pln_ivr_calls_total{outcome="answered"})': 1,
        'pln_ivr_calls_total{outcome="abandoned",reason="in_waiting"}': 1,
        'pln_ivr_conduct_incidents_total{kind="missed_third_ring"}': 1,
        'pln_ivr_menu_choices_total{choice="no_input"}': 2,
        'pln_ivr_outage_clusters{area="Garut"}': 2,
        "max_over_time(pln_ivr:seats:ratio[5m])": 1,
        'max_over_time(ALERTS{alertname="CallersRejected",alertstate="firing"}[5m])': 1,
    }
    assert {query: prometheus.value(query) for query in expected} == expected
    assert (prometheus.value("asterisk_calls_sum") or 0) >= 5  # *11 twice, 123 thrice


def _nothing_is_kept_of_single_calls(prometheus: Prometheus) -> None:
    """Asterisk names every channel in its figures; 720 callers would be new series each time."""
    single = {"asterisk_channels_state", "asterisk_channels_duration_seconds"}
    assert not single & prometheus.names()
