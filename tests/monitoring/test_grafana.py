"""What Grafana is given, without a Grafana: read into the types that its own project publishes, and
followed from one file to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.panels import FOLDER
from tests.monitoring.tools import REPO

PROVISIONING = REPO / "docker/grafana/provisioning"
FILES = [pytest.param(file, id=file.stem) for file in sorted(FOLDER.glob("*.json"))]


@pytest.fixture(scope="module", autouse=True)
def _prometheus_queries() -> None:
    register_default_plugins()


@pytest.mark.parametrize("file", FILES)
def test_grafana_knows_every_field(file: Path) -> None:
    """What it has no type for it forgets, and a value of another type comes back changed."""
    given = json.loads(file.read_text())
    taken = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
    assert list(_lost(given, taken)) == []


def _lost(given: Any, taken: Any, where: str = "") -> Iterator[str]:
    if isinstance(given, dict) and isinstance(taken, dict):
        for key, value in given.items():
            yield from _lost(value, taken.get(key), f"{where}.{key}")
    elif isinstance(given, list) and isinstance(taken, list) and len(given) == len(taken):
        for number, value in enumerate(given):
            yield from _lost(value, taken[number], f"{where}[{number}]")
    elif given != taken:
        yield f"{where}: {given!r} is taken for {taken!r}"


def test_dashboards_are_where_grafana_looks_and_ask_the_source_that_there_is() -> None:
    service = yaml.safe_load((REPO / "docker/compose.yaml").read_text())["services"]["grafana"]
    mounts = dict(volume.split(":")[1::-1] for volume in service["volumes"])
    (provider,) = _provisioned("dashboards/pln.yml", "providers")
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    home = Path(service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounts[str(home.parent)], (FOLDER / home.name).exists()) == (
        "./grafana/dashboards",
        True,
    )
    (source,) = _provisioned("datasources/prometheus.yml", "datasources")
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert source["url"].strip("$") in service["environment"]
    asked = {
        json.dumps(panel["datasource"])
        for file in FOLDER.glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
    }
    assert asked == {json.dumps({"type": source["type"], "uid": source["uid"]})}


def _provisioned(file: str, kind: str) -> list[dict[str, Any]]:
    """What Grafana's page on provisioning wants: a version, and a list of these."""
    content = yaml.safe_load((PROVISIONING / file).read_text())
    assert content["apiVersion"] == 1
    found: list[dict[str, Any]] = content[kind]
    return found
