"""The compose path for its test: an engine, a copy of the checkout, and what can be asked of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from native.pbx import free_port, free_rtp_range

REPO = Path(__file__).resolve().parents[2]
BOOTSTRAP = "PLN_TEST_ENGINE"
"""Set to `bootstrap` it lets the tests make an engine from Debian's packages."""
NO_ENGINE = (
    "the compose path is not tested: no Docker engine with compose answers here;"
    f" {BOOTSTRAP}=bootstrap lets the tests make one from Debian's packages (root, some minutes)"
)


def answers(environment: dict[str, str]) -> bool:
    """Whether an engine with compose answers."""
    for words in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(words, env=environment, capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode != 0:
            return False
    return True


@contextmanager
def engine() -> Iterator[dict[str, str] | None]:
    """The environment of a client of an engine; None if there is none and none may be made."""
    here = dict(os.environ)
    if answers(here):
        yield here
    elif here.get(BOOTSTRAP) != "bootstrap":
        yield None
    else:
        script = str(REPO / "tests/docker/engine")
        told = subprocess.run([script, "up"], stdout=subprocess.PIPE, text=True, check=True).stdout
        lines = [line.split("=", 1) for line in told.splitlines() if "=" in line]
        try:
            yield here | {name: value for name, value in lines}
        finally:
            subprocess.run([script, "down"], check=True)


class Stack:
    """docker/up, docker/upgrade, docker/down in a copy of the checkout, on ports of its own."""

    def __init__(
        self, folder: Path, client: dict[str, str], *, rtp_ports: int = 4000, **settings: str
    ) -> None:
        self.folder = folder
        self.state = folder / ".cache/docker"
        self.name = f"pln-test-{os.getpid()}"
        self.sip_port = free_port()
        self.console_port = free_port(socket.SOCK_STREAM)
        self.http_port = free_port(socket.SOCK_STREAM)
        self.ami_port = free_port(socket.SOCK_STREAM)
        self.prometheus_port = free_port(socket.SOCK_STREAM)
        self.postgres_port = free_port(socket.SOCK_STREAM)
        self.rtp = free_rtp_range(rtp_ports)
        first, last = self.rtp
        self._environment = client | {
            "COMPOSE_PROJECT_NAME": self.name,
            "PLN_TAG": self.name,
            "PLN_SIP_BIND": "127.0.0.1",
            "PLN_SIP_PORT": str(self.sip_port),
            "PLN_HTTP_PORT": str(self.http_port),
            "PLN_AMI_PORT": str(self.ami_port),
            "PLN_IVR_CONSOLE__PORT": str(self.console_port),
            "PLN_PROMETHEUS_PORT": str(self.prometheus_port),
            "PLN_POSTGRES_PORT": str(self.postgres_port),
            "PLN_BUILD_NETWORK": "host",
            "PLN_NOFILE": "16384",
            "PLN_RTP_START": str(first),
            "PLN_RTP_END": str(last),
            **settings,
        }
        for name in _files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, folder / name)
        self._at_first = self.kept()

    def run(
        self, *command: str, seconds: float = 900, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """A command in the copy, to its end; with more settings, if there are any."""
        return subprocess.run(
            command, cwd=self.folder, env=self._environment | settings, capture_output=True,
            text=True, timeout=seconds,
        )  # fmt: skip

    def said(self, *command: str) -> str:
        """What a command prints; it must end well."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def compose(self, *words: str) -> str:
        """What docker/compose prints."""
        return self.said("docker/compose", *words)

    def kept(self) -> set[str]:
        """What the engine keeps and what lies in the folder, whoever made it; images are not in it:
        what they are built from stays, for the next time."""
        commands = (
            ("docker", "ps", "--all", "--quiet"),
            ("docker", "volume", "ls", "--quiet"),
            ("docker", "network", "ls", "--quiet"),
        )
        engine = {each for command in commands for each in self.said(*command).split()}
        return engine | {str(path) for path in self.folder.rglob("*")}

    def left(self) -> list[str]:
        """Containers, volumes, networks and images of this installation that are there, and
        whatever else the engine keeps or lies in the folder that was not there at first."""
        label = f"label=com.docker.compose.project={self.name}"
        commands = (
            ("docker", "ps", "--all", "--quiet", "--filter", label),
            ("docker", "volume", "ls", "--quiet", "--filter", label),
            ("docker", "network", "ls", "--quiet", "--filter", label),
            ("docker", "image", "ls", "--quiet", "--filter", f"reference=pln-ivr/*:{self.name}"),
        )
        named = {found for command in commands for found in self.said(*command).split()}
        return sorted(named | (self.kept() - self._at_first))

    def processes(self, service: str) -> list[int]:
        """The process ids, on this machine, of a service's containers."""
        containers = self.compose("ps", "--quiet", service).split()
        tables = [self.said("docker", "top", each, "-o", "pid").split()[1:] for each in containers]
        return [int(pid) for table in tables for pid in table]

    def secret(self, extension: str) -> str:
        """An agent's secret, from the roster that docker/up wrote."""
        agents = tomllib.loads((self.state / "roster.toml").read_text())["agents"]
        return next(str(a["secret"]) for a in agents if a["extension"] == extension)

    def calls(self) -> list[dict[str, Any]]:
        """The journal's calls, newest first."""
        told = self.compose("exec", "-T", "pln-ivr", "pln-ivr", "calls", "--last", "100", "--json")
        return [json.loads(line) for line in told.splitlines()]

    def figure(self, query: str) -> float | None:
        """The latest value that Prometheus has of a query for one series; None if none."""
        asked = urllib.parse.urlencode({"query": query})
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def metric(self, name: str) -> float:
        """One figure of /metrics, by its whole name with labels."""
        url = f"http://127.0.0.1:{self.console_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")))


def _files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    return [name for name in listed.split("\0") if name and (REPO / name).is_file()]


def wait_until(look: Any, seconds: float, what: str) -> None:
    """Poll; the test fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.5)
