"""A real Prometheus with this house's own configuration, in a hurry: it looks every second."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from native.pbx import free_port
from tests.monitoring.tools import PROMETHEUS, program

Curve = list[tuple[float, float]]
"""(time, value), without values that are none (NaN)."""


class Prometheus:
    """Scrapes what `targets` names by job. A context manager; its data is in `folder`."""

    def __init__(self, folder: Path, targets: dict[str, int]) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self._targets = set(targets)
        self._folder = folder
        shutil.copytree(PROMETHEUS, folder / "etc")
        for job, port in targets.items():
            file = folder / "etc/targets" / f"{job}.yml"
            assert file.exists(), f"prometheus.yml has no job {job}"
            file.write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{port}"]}]))
        config = folder / "etc/prometheus.yml"
        settings = yaml.safe_load(config.read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config.write_text(yaml.safe_dump(settings))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [
            str(program("prometheus")),
            f"--config.file={self._folder / 'etc/prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while not self._ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "Prometheus was not ready in 30 s"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def names(self) -> set[str]:
        """Every metric that it has."""
        return set(self._ask("label/__name__/values"))

    def during(self, query: str, start: float, end: float, step: float) -> dict[str, Curve]:
        """The curves of a query by their labels, those that have any value."""
        asked = {"query": query, "start": f"{start}", "end": f"{end}", "step": f"{step}"}
        curves = {
            json.dumps(series["metric"], sort_keys=True): [
                (float(at), float(value)) for at, value in series["values"]
                if math.isfinite(float(value))
            ]
            for series in self._ask("query_range", **asked)["result"]
        }  # fmt: skip
        return {labels: curve for labels, curve in curves.items() if curve}

    def value(self, query: str) -> float | None:
        """The latest value of a query that gives one series; None if it gives none."""
        result = self._ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def _ready(self) -> bool:
        """It answers, and has seen every target."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10):
                pass
            return self.value("count(up == 1)") == len(self._targets)
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, path: str, **asked: str) -> Any:
        query = urllib.parse.urlencode(asked)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{asked}: {json.load(error)['error']}") from None
