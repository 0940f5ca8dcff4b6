"""The two sides: Asterisk with pln_ivr, and Asterisk with a dialplan alone.

Each has an Asterisk of its own with pln_ivr's configuration. The dialplan's 123 is the
number 9123 of `dialplan.conf`: it counts, answers, plays, queues and records.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from native.pbx import Pbx, PbxSettings, free_port
from native.phones import Phones
from native.root import Install
from native.tones import write_tone
from pln_ivr.queues.lines import ANNOUNCEMENTS
from tests.asterisk.world import World

from .load import phone_for_all
from .machine import Clock, cpu_ms

HERE = Path(__file__).resolve().parent
PROMPTS = {
    "notice": 2.0,
    "please-wait": 0.5,
    "agent-ready": 0.2,
    "agent-away": 0.2,
    "agent-unknown": 0.2,
    "apology": 0.2,
    "all-busy": 0.2,
    "on-hold": 0.2,
    "agent-logged-out": 0.2,
    "agent-noted": 0.2,
    "recording-paused": 0.2,
    "recording-resumed": 0.2,
    "recording-unchanged": 0.2,
    **dict.fromkeys(ANNOUNCEMENTS, 0.2),
}
"""Stand-in prompts and their seconds: the same tones on both sides."""
FIRST_AGENT = 201
RTP_TIMEOUT = 3600
"""Seconds. Held callers of the bench are silent; they must not be taken for dead."""


def write_prompts(folder: Path, first: int = 400, step: int = 100) -> Path:
    """Make the stand-in prompts, each a tone, so many hertz apart; returns their folder."""
    for number, (name, seconds) in enumerate(PROMPTS.items()):
        write_tone(folder / f"{name}.alaw", first + step * number, seconds)
    return folder


def agent_names(count: int) -> list[str]:
    """Extensions of that many agents."""
    return [str(FIRST_AGENT + number) for number in range(count)]


class _DialplanPbx(Pbx):
    """Asterisk with the bench's dialplan, queues and agents added to its own folder."""

    agents: Sequence[str] = ()
    agent_port = 0
    manager = True

    def prepare(self) -> None:
        """See Pbx."""
        super().prepare()
        etc = self.folder / "etc"
        if not self.manager:
            (etc / "manager.conf").write_text("[general]\nenabled = no\n")
        shutil.copy(HERE / "dialplan.conf", etc / "bench.conf")
        _append(etc / "extensions.conf", "#include bench.conf")
        _append(
            etc / "modules.conf", "load = res_rtp_multicast.so", "load = chan_rtp.so"
        )  # external media, for mechanisms.py
        members = "\n".join(f"member => PJSIP/ag-{agent}" for agent in self.agents)
        rules = "musicclass = default\nstrategy = leastrecent\nautofill = yes\nringinuse = no\n"
        rules += "timeout = 11\nretry = 1\nwrapuptime = 0\njoinempty = yes\nleavewhenempty = no\n"
        _append(etc / "queues.conf", f"[bench]\n{rules}{members}\n\n[empty]\n{rules}")
        _append(
            etc / "pjsip_generated.conf",
            "[bench-agent](!)\ntype = endpoint\ncontext = from-agents\ndisallow = all\n"
            "allow = alaw,ulaw\ndirect_media = no\nlanguage = id\nrtp_timeout = 120\n",
            *(
                f"[ag-{agent}](bench-agent)\naors = ag-{agent}\n\n[ag-{agent}]\ntype = aor\n"
                f"contact = sip:ag-{agent}@127.0.0.1:{self.agent_port}\n"
                for agent in self.agents
            ),
        )
        self.hand_over()


def _append(file: Path, *texts: str) -> None:
    with file.open("a") as out:
        out.write("\n" + "\n".join(texts) + "\n")


class Side:
    """What a scenario needs of either side."""

    name: str
    number: str
    """What callers dial."""
    pbx: Pbx
    agent_port: int

    @property
    def phones(self) -> Phones:
        """Phones that talk to this side."""
        return Phones(self.pbx.sip_port)

    @property
    def pids(self) -> list[int]:
        """Asterisk, and pln_ivr where there is one."""
        raise NotImplementedError

    def set_capacity(self, capacity: int) -> None:
        """How many calls at once from now on."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it and remove its files."""
        raise NotImplementedError

    def quiet(self, seconds: float = 30.0) -> None:
        """Wait until no channel is left and nobody is busy: what belongs to calls is counted."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = [cpu_ms(pid) for pid in self.pids]
            time.sleep(0.4)
            if sum(cpu_ms(pid) for pid in self.pids) - sum(before) <= 20:
                return


class AppSide(Side):
    """Asterisk and pln_ivr."""

    name, number = "pln_ivr", "123"

    def __init__(self, install: Install, prompts: Path, folder: Path, agents: int) -> None:
        self._world = _BenchWorld(install, prompts, folder, agent_names(agents))
        self._folder = folder
        self.pbx = self._world.pbx
        self.agent_port = free_port()
        self._world.start()

    @property
    def pids(self) -> list[int]:
        """See Side."""
        return [self.pbx.pid or 0, self._world.app.pid]

    @property
    def world(self) -> World:
        """For what only pln_ivr has: metrics, journal, log."""
        return self._world

    def set_capacity(self, capacity: int) -> None:
        """See Side. pln_ivr is restarted: its capacity is a setting."""
        self._world.restart(ADMISSION__CAPACITY=str(capacity))

    def make_agents_ready(self) -> None:
        """Register all agents at one phone and have each dial *11."""
        agents = list(self._world.agent_ports)
        for scenario, word in (("register", ""), ("code", "*11")):
            phone_for_all(scenario, agents, self.pbx.sip_port, self.agent_port, word)
        deadline = time.monotonic() + 20
        while self._world.metric("pln_ivr_agents", state="ready") < len(agents):
            if time.monotonic() > deadline:
                raise RuntimeError("not all of the bench's agents became ready")
            time.sleep(0.1)

    def stop(self) -> None:
        """See Side."""
        self._world.stop()


class _BenchWorld(World):
    """The tests' world, with a longer patience for silent callers and another capacity."""

    def __init__(
        self, install: Install, prompts: Path, folder: Path, agents: Sequence[str]
    ) -> None:
        super().__init__(install, prompts, folder, agents)
        self.pbx = Pbx(install, self.pbx.folder, PbxSettings(rtp_timeout=RTP_TIMEOUT))
        self.phones = Phones(self.pbx.sip_port)

    def restart(self, **env: str) -> None:
        self.app.send_signal(signal.SIGTERM)
        self.app.wait(30)
        self._env |= env
        self.start_app()


class DialplanSide(Side):
    """Asterisk with a dialplan alone."""

    name, number = "dialplan", "9123"

    def __init__(
        self, install: Install, prompts: Path, folder: Path, agents: int, manager: bool = True
    ) -> None:
        """`manager`: whether Asterisk has its manager interface."""
        settings = PbxSettings(rtp_timeout=RTP_TIMEOUT)
        pbx = _DialplanPbx(install, Pbx.home(install, folder.name, folder), settings)
        self.agent_port = free_port()
        self.agents = agent_names(agents)
        pbx.agents, pbx.agent_port, pbx.manager = self.agents, self.agent_port, manager
        self.pbx = pbx
        pbx.prepare()
        for prompt in prompts.glob("*.alaw"):
            shutil.copy(prompt, pbx.sounds_dir / "id/pln")
        pbx.start()

    @property
    def pids(self) -> list[int]:
        """See Side."""
        return [self.pbx.pid or 0]

    def set_capacity(self, capacity: int) -> None:
        """See Side."""
        self.pbx.cli(f"dialplan set global CAPACITY {capacity}")

    def music_calls(self) -> int:
        """Callers whom it has answered."""
        lines = self.pbx.cli("core show channels concise", timeout=30.0).splitlines()
        return len({line.split("!")[0] for line in lines if line.split("!")[4:5] == ["Up"]})

    def stop(self) -> None:
        """See Side."""
        self.pbx.remove()


def idle_shares(side: Side, seconds: float) -> list[float]:
    """Per cent of a core that each process uses while nothing happens."""
    clock = Clock(side.pids)
    time.sleep(seconds)
    return clock.shares()
