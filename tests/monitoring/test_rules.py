"""Prometheus' configuration and rules: read by promtool, and every alert fires and clears."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.tools import PROMETHEUS, REPO, alerts, promtool

CASES = sorted(Path(__file__).parent.glob("alerts*.yml"))
ALERTS = [pytest.param(alert, id=alert["alert"]) for alert in alerts()]


def test_prometheus_takes_its_configuration() -> None:
    assert "SUCCESS" in promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("cases", [pytest.param(file, id=file.stem) for file in CASES])
def test_every_case_ends_as_written(cases: Path) -> None:
    promtool("test", "rules", cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_case_has_it_fire_and_clear(alert: dict[str, Any]) -> None:
    """So that an alert without a test is noticed, and so is one that could fire for ever."""
    looks: dict[str, list[bool]] = defaultdict(list)
    for case in [case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]]:
        for look in case["alert_rule_test"]:
            if look["alertname"] == alert["alert"]:
                looks[case["name"]].append(bool(look["exp_alerts"]))
    stories = looks.values()
    assert any(True in story and not story[-1] for story in stories), looks


@pytest.mark.parametrize("alert", ALERTS)
def test_it_says_how_bad_what_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    summary = alert["annotations"]["summary"]
    assert summary.endswith(".")
    assert "pln_ivr_" not in summary
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    slug = re.sub(r"(?<!^)([A-Z])", r"-\1", alert["alert"]).lower()
    assert anchor == f"alert-{slug}"
    assert f'<a id="{anchor}"></a>' in (REPO / page).read_text()
