"""A house under load: Asterisk and pln_ivr for the benches that fill, storm and break them."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from native.pbx import Pbx, PbxSettings, free_port, free_rtp_range
from native.phones import Phones
from native.root import Install, LauncherError, find_asterisk
from native.tones import write_tone
from tests.asterisk.world import REPO, World

from .load import phone_for_all
from .sides import PROMPTS, RTP_TIMEOUT, agent_names

SPOKEN_TIMES = 4.0
"""Real prompts are about this much longer than the bench's stand-ins."""
SHORTEST_PROMPT = 0.1
RTP_PORTS = 10_000
"""As asterisk-conf/install gives by default. Calls that are being refused hold ports as well."""
AGENT_ENVIRONMENT = {"ARI__WATCHDOG_SECONDS": "5", "ARI__RECONNECT_MAX_SECONDS": "5"}
"""The tests' world is more nervous than the program's own defaults; a bench measures those."""


def write_scaled_prompts(
    folder: Path, factor: float, prompts: Mapping[str, float] = PROMPTS
) -> Path:
    """Stand-in prompts, as much shorter than real ones as the day is; returns their folder."""
    for number, (name, seconds) in enumerate(prompts.items()):
        length = max(SHORTEST_PROMPT, round(seconds * SPOKEN_TIMES / factor, 2))
        write_tone(folder / f"{name}.alaw", 400 + 100 * number, length)
    return folder


class House(World):
    """The tests' world at a bench's size: capacity in both places, many agents at one phone."""

    def __init__(
        self,
        install: Install,
        folder: Path,
        prompts: Path,
        capacity: int,
        agents: int,
        http_port: int,
        **env: str,
    ) -> None:
        env = {**AGENT_ENVIRONMENT, "ADMISSION__CAPACITY": str(capacity), **env}
        super().__init__(install, prompts, folder, agent_names(agents), **env)
        settings = PbxSettings(
            capacity=capacity,
            http_port=http_port,
            rtp_timeout=RTP_TIMEOUT,
            rtp=free_rtp_range(RTP_PORTS),
        )
        self.pbx = Pbx(install, self.pbx.folder, settings)
        self.phones = Phones(self.pbx.sip_port)
        self.agent_port = free_port()
        self.capacity = capacity

    @property
    def agents(self) -> list[str]:
        """The extensions."""
        return list(self.agent_ports)

    @property
    def pids(self) -> dict[str, int]:
        """Asterisk's process and the app's, 0 for one that does not run."""
        return {"asterisk": self.pbx.pid or 0, "app": self.app.pid}

    @property
    def journal_file(self) -> Path:
        """The journal's SQLite file, wherever the settings put it."""
        url = self._env.get("JOURNAL__URL", self.journal_url)
        return Path(url.removeprefix("sqlite:///"))

    @property
    def cdr_file(self) -> Path:
        """Asterisk's own list of calls."""
        return self.pbx.log_dir / "cdr-custom/calls.csv"

    def keep_logs(self, folder: Path) -> None:
        """Copy what the program and Asterisk said to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in (self.log, self.pbx.log_dir / "messages.log"):
            if log.exists():
                shutil.copy(log, folder)

    def last_words(self) -> str:
        """The end of the program's log, and how it ended if it has."""
        code = self.app.poll()
        state = "it runs" if code is None else f"it ended with {code}"
        return f"{state}; its last words:\n{self.log.read_text()[-1500:]}"

    def override(self, **env: str) -> None:
        """Settings of the app from its next start on."""
        self._env |= env

    def metrics_text(self) -> str:
        """The whole exposition."""
        return self._get("/metrics")

    def make_agents_ready(self) -> None:
        """Register all agents at one phone's port and have each dial *11."""
        for scenario, word in (("register", ""), ("code", "*11")):
            phone_for_all(scenario, self.agents, self.pbx.sip_port, self.agent_port, word)
        deadline = time.monotonic() + 20
        while self.metric("pln_ivr_agents", state="ready") < len(self.agents):
            if time.monotonic() > deadline:
                raise RuntimeError("not all of the bench's agents became ready")
            time.sleep(0.1)

    def trunk_legs_up(self) -> int:
        """Customers' channels that Asterisk has answered. Its list, made while channels come and
        go, may show one twice."""
        lines = (line.split("!") for line in self._concise())
        up = (line[0] for line in lines if line[0].startswith("PJSIP/trunk-") and line[4] == "Up")
        return len(set(up))

    def channel_names(self) -> list[str]:
        """Phones' channels that Asterisk has, by name."""
        return [line.split("!")[0] for line in self._concise() if line.startswith("PJSIP/")]

    def talk_bridges(self) -> list[str]:
        """Conversations' bridges that Asterisk has."""
        words = self.pbx.cli("bridge show all").split()
        return [word for word in words if word.startswith("talk-")]

    def hang_up_all(self) -> None:
        """Asterisk ends every channel."""
        self.pbx.cli("channel request hangup all")

    def _concise(self) -> list[str]:
        return self.pbx.cli("core show channels concise", timeout=30.0).splitlines()


def _start(house: House) -> None:
    """Start it; LauncherError with the app's last words if that does not succeed."""
    try:
        house.start()
        house.make_agents_ready()
    except AssertionError as error:
        last = house.log.read_text()[-1500:] if house.log.exists() else ""
        raise LauncherError(f"the house did not open: {error}\n{last}") from error


@contextmanager
def open_house(
    name: str,
    capacity: int,
    agents: int,
    factor: float,
    folder: Path | None = None,
    cache: Path = REPO / ".cache",
    http_port: int | None = None,
    logs: Path | None = None,
    spoken: Mapping[str, float] = PROMPTS,
    **env: str,
) -> Iterator[House]:
    """A started house with its agents ready; stopped and removed at the end, but for its logs
    if there is a folder for them. `spoken` are its prompts, in seconds before they are scaled."""
    with tempfile.TemporaryDirectory(prefix=f"pln-{name}-") as temporary:
        # The folder's name is the instance's in Asterisk's root, which processes share.
        home = (folder or Path(temporary)) / f"{name}-{os.getpid()}-{secrets.token_hex(3)}"
        home.mkdir(parents=True)
        prompts = write_scaled_prompts(Path(temporary) / "prompts", factor, spoken)
        port = http_port or free_port(socket.SOCK_STREAM)
        house = House(find_asterisk(cache), home, prompts, capacity, agents, port, **env)
        try:
            _start(house)
            yield house
        finally:
            if logs:
                house.keep_logs(logs)
            house.stop()
