"""A whole small world for one test: a real Asterisk, pln_ivr as its own process, phones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from native.pbx import Pbx, PbxSettings, free_port
from native.phones import Phones
from native.root import Install
from native.tones import write_tone
from pln_ivr.journal import CallRow, JournalReader, OfferRow, SupervisionRow
from pln_ivr.recordings.names import name_of

REPO = Path(__file__).resolve().parents[2]
SECRET = "agents-of-the-tests"
CALLER_HZ, AGENT_HZ = 440, 660
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.3
SLACK = 2.0
"""Deadlines are for a machine to itself; in tests/run others share it."""

T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = 10.0, what: str = "it") -> T:
    """Poll until `look` gives something true, and return it; fail the test at the deadline.

    Often at first, more rarely when it takes longer: a look at /metrics or the journal costs both
    processes milliseconds, and many tests look at the same time.
    """
    deadline, pause = time.monotonic() + SLACK * seconds, FIRST_PAUSE
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return seen


class World:
    """Asterisk and pln_ivr, started and stopped by the test, and what they can be asked.

    Settings of pln_ivr are given as environment, e.g. ADMISSION__CAPACITY="3".
    """

    def __init__(
        self, install: Install, prompts: Path, folder: Path, agents: Sequence[str], **env: str
    ) -> None:
        self.folder = folder
        self.pbx = Pbx(install, Pbx.home(install, folder.name, folder), PbxSettings())
        self.phones = Phones(self.pbx.sip_port)
        self.roster = folder / "roster.toml"
        self.journal_url = f"sqlite:///{folder}/journal.db"
        self.archive = folder / "recordings"
        self.log = folder / "pln-ivr.log"
        self.console_port = free_port()
        self.agent_ports = {extension: free_port() for extension in agents}
        self.caller_tone = write_tone(folder / "caller.alaw", CALLER_HZ)
        self.agent_tone = write_tone(folder / "agent.alaw", AGENT_HZ)
        self._prompts = prompts
        self._env = env
        self._app: subprocess.Popen[bytes] | None = None
        self.write_roster(agents)

    # -- starting and stopping -------------------------------------------------------

    def start(self) -> None:
        """Asterisk, then pln_ivr; returns when /readyz says yes."""
        self.pbx.prepare()
        shutil.copytree(self._prompts, self.pbx.sounds_dir / "id" / "pln", dirs_exist_ok=True)
        self.pbx.start()
        self.start_app()

    def _environment(self, **env: str) -> dict[str, str]:
        settings = {
            "ARI__URL": self.pbx.ari_url,
            "ARI__PASSWORD": self.pbx.settings.password,
            "ARI__WATCHDOG_SECONDS": "1",
            "ARI__RECONNECT_MAX_SECONDS": "0.5",
            "AGENTS__ROSTER": str(self.roster),
            "RECORDINGS__SPOOL": str(self.pbx.monitor_dir),
            "RECORDINGS__FOLDER": str(self.archive),
            "JOURNAL__URL": self.journal_url,
            "JOURNAL__SPOOL": str(self.archive.parent / "journal-spool"),
            "PROMPTS__FOLDER": str(self.pbx.sounds_dir / "id" / "pln"),
            "MENU__ENTRY": "",  # tests of the menu switch it on
            "AGENTS__QUALIFY_SECONDS": "0",  # SIPp takes an OPTIONS for a call
            "FALLBACK__CALLS": str(self.pbx.calls_file),
            "ADMISSION__UPKEEP_SECONDS": "2",
            "CONSOLE__PORT": str(self.console_port),
            "DRAIN__DEADLINE_SECONDS": "20",
        }
        settings |= self._env | env
        return {**os.environ, **{f"PLN_IVR_{key}": value for key, value in settings.items()}}

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `pln-ivr` with this world's settings."""
        return subprocess.run(
            [sys.executable, "-m", "pln_ivr", *arguments],
            cwd=REPO,
            env=self._environment(**env),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start_app(self, wait: bool = True, **env: str) -> None:
        """Start pln_ivr as operations does: a process that is configured by environment."""
        with self.log.open("ab") as log:
            self._app = subprocess.Popen(
                [sys.executable, "-m", "pln_ivr", "serve"],
                cwd=REPO,
                env=self._environment(**env),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            eventually(self.ready, 40, "pln_ivr's readiness")

    @property
    def app(self) -> subprocess.Popen[bytes]:
        """The process of pln_ivr."""
        assert self._app is not None
        return self._app

    def stop_app(self) -> None:
        """End pln_ivr at once: the second signal does not wait for calls."""
        if self._app and self._app.poll() is None:
            self._app.send_signal(signal.SIGTERM)
            time.sleep(0.2)  # two at once are delivered as one
            self._app.send_signal(signal.SIGTERM)
            try:
                self._app.wait(30)
            except subprocess.TimeoutExpired:
                self._app.kill()
                self._app.wait()

    def stop(self) -> None:
        """End both; afterwards nothing of this world runs."""
        self.stop_app()
        self.pbx.stop()
        self.pbx.remove()

    # -- agents ------------------------------------------------------------------------

    def write_roster(self, extensions: Sequence[str]) -> None:
        """The roster file; pln_ivr reads it at its start and on SIGHUP. Extensions that begin with
        9 are supervisors'."""
        self.roster.write_text(
            "\n".join(
                f'[[agents]]\nextension = "{extension}"\nname = "Agen {extension}"\n'
                f'skills = ["gangguan"]\nsecret = "{SECRET}"\n'
                f'role = "{"supervisor" if extension.startswith("9") else "agent"}"\n'
                for extension in extensions
            )
        )
        self.roster.chmod(0o600)

    def register(self, extension: str) -> int:
        """Register the agent's phone; returns its SIP port."""
        port = self.agent_ports.setdefault(extension, free_port())
        result = self.phones.register(f"ag-{extension}", SECRET, port)
        assert result.finals[200] == 1, result
        return port

    def make_ready(self, extension: str) -> int:
        """Register, dial *11, and wait until the agent counts as ready."""
        port = self.register(extension)
        before = self.metric("pln_ivr_agents", state="ready")
        result = self.phones.dial_code(f"ag-{extension}", SECRET, "*11", port)
        assert result.finals[200] == 1, result
        eventually(lambda: self.metric("pln_ivr_agents", state="ready") > before, 5, "readiness")
        return port

    # -- what can be asked ---------------------------------------------------------------

    def ready(self) -> bool:
        """/readyz answers 200."""
        assert self.app.poll() is None, self.log.read_text()[-3000:]
        try:
            return bool(self._get("/readyz"))
        except (urllib.error.URLError, OSError):
            return False

    def metric(self, name: str, **labels: str) -> float:
        """One figure from /metrics; 0 if it is not there."""
        for line in self._get("/metrics").splitlines():
            words, _, value = line.rpartition(" ")
            found, _, rest = words.partition("{")
            if found == name and all(f'{key}="{text}"' in rest for key, text in labels.items()):
                return float(value)
        return 0.0

    def seats(self) -> int:
        """Seats in use, as /metrics says."""
        return int(self.metric("pln_ivr_seats_in_use"))

    def calls(self) -> list[CallRow]:
        """The journal's calls, oldest first."""
        with JournalReader(self.journal_url) as reader:
            return reader.last_calls(10_000)[::-1]

    def call(self, call_id: str) -> CallRow:
        """One call as the journal has it now."""
        return next(row for row in self.calls() if row.call_id == call_id)

    def ended(self, count: int, seconds: float = 15.0) -> list[CallRow]:
        """The journal's calls once `count` of them have ended."""

        def look() -> list[CallRow]:
            rows = [row for row in self.calls() if row.outcome]
            return rows if len(rows) >= count else []

        return eventually(look, seconds, f"the end of {count} calls")

    def offers(self, row: CallRow) -> list[OfferRow]:
        """The offers of one call, in order."""
        with JournalReader(self.journal_url) as reader:
            return reader.offers_of(row.call_id)

    def supervisions(self, row: CallRow) -> list[SupervisionRow]:
        """Who was at a call besides its agents, in order."""
        with JournalReader(self.journal_url) as reader:
            return reader.supervisions_of(row.call_id)

    def recording(self, row: CallRow) -> Path:
        """The file of a call's recording, once it is filed and journalled."""
        name = name_of(row.recording or "")
        manifest = self.archive / f"{name}.json"
        eventually(manifest.exists, 20, "the recording's filing")
        return next(path for path in manifest.parent.glob(f"{manifest.stem}.*") if path != manifest)

    def channels(self) -> int:
        """Phones' channels that Asterisk has up; the waiting room's music has its own."""
        lines = self.pbx.cli("core show channels concise").splitlines()
        return sum(line.startswith("PJSIP/") for line in lines)

    def repairs(self) -> float:
        """How often upkeep found anything wrong."""
        lines = self.metrics().splitlines()
        return sum(float(line.split()[-1]) for line in lines if "pln_ivr_repairs{" in line)

    def settled(self) -> None:
        """Nothing is left of any call: no seat, no channel, no conversation's bridge; and
        nothing had to be repaired for it, though upkeep has looked every two seconds."""
        eventually(lambda: self.seats() == 0, 10, "return of every seat")
        eventually(lambda: self.channels() == 0, 10, "the end of every channel")
        assert "talk-" not in self.pbx.cli("bridge show all")
        assert self.repairs() == 0, self.metrics()

    def metrics(self) -> str:
        """/metrics, whole."""
        return self._get("/metrics")

    def _get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.console_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
