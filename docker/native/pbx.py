"""One Asterisk instance with pln_ivr's configuration: its own folders, ports and log."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from native.root import Install, LauncherError

CONF = Path(__file__).resolve().parents[2] / "asterisk-conf"
OPEN_FILES = 65536
"""A leg takes four; 720 calls with agents, recordings and prompts stay below 10,000."""
_COMPLAINT = re.compile(r"\b(WARNING|ERROR)\[")
_FOLDERS = (
    *("etc", "run", "log/cdr-custom", "lib/cache", "lib/keys"),
    *("data/sounds/id/pln", "data/moh", "spool/monitor", "spool/recording", "spool/tmp"),
)
_OWN_FAULT = "Option 'stir_shaken' is no longer supported"


def complaints_in(log: str) -> list[str]:
    """Every warning and error line of Asterisk's log.

    But one: 22.10 stores a pushed endpoint's obsolete option stir_shaken itself and complains
    whenever it reads the endpoint back.
    """
    lines = log.splitlines()
    return [line for line in lines if _COMPLAINT.search(line) and _OWN_FAULT not in line]


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, address: str = "127.0.0.1") -> int:
    """A port that was free a moment ago, below the range from which the kernel gives out ports."""
    for _ in range(200):
        port = 20000 + secrets.randbelow(12000)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port
    raise LauncherError("no free port between 20000 and 32000")


def free_media_port() -> int:
    """An even port for SIPp's media: it binds this one and the next but one (for video)."""
    for _ in range(200):
        port = 4000 + 2 * secrets.randbelow(5000)
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for taken in (port, port + 2):
                probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                probes.enter_context(probe).bind(("127.0.0.1", taken))
            return port
    raise LauncherError("no free pair of media ports between 4000 and 14000")


def free_rtp_range(size: int = 4000) -> tuple[int, int]:
    """First and last port of a block for RTP; Asterisk skips single ports that are in use."""
    start = 34000 + size * secrets.randbelow((60000 - 34000) // size)
    return start, start + size - 1


@dataclass(frozen=True, slots=True)
class PbxSettings:
    """What asterisk-conf/install is told. The defaults are those of tests: loopback, free ports."""

    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    node: str = "pln-1"
    capacity: int = 720
    bind: str = "127.0.0.1"
    sip_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=lambda: free_port(socket.SOCK_STREAM))
    ami_port: int = field(default_factory=lambda: free_port(socket.SOCK_STREAM))
    rtp: tuple[int, int] = field(default_factory=free_rtp_range)
    rtp_timeout: int = 120
    peers: Sequence[str] = ("127.0.0.1",)
    dids: Sequence[str] = ()
    external_ip: str = ""
    permit: Sequence[str] = ()
    tls: tuple[str, str] = ("", "")
    """Certificate and key, as Asterisk sees their paths."""
    tls_port: int = 5061

    def environment(self) -> dict[str, str]:
        """The environment of asterisk-conf/install, without the prefix."""
        return {
            "PLN_IVR_ARI__PASSWORD": self.password,
            "PLN_IVR_NODE__NAME": self.node,
            "PLN_IVR_ADMISSION__CAPACITY": str(self.capacity),
            "PLN_SIP_BIND": self.bind,
            "PLN_SIP_PORT": str(self.sip_port),
            "PLN_HTTP_PORT": str(self.http_port),
            "PLN_AMI_PORT": str(self.ami_port),
            "PLN_RTP_START": str(self.rtp[0]),
            "PLN_RTP_END": str(self.rtp[1]),
            "PLN_RTP_TIMEOUT": str(self.rtp_timeout),
            "PLN_TRUNK_PEERS": " ".join(self.peers),
            "PLN_DIDS": " ".join(self.dids),
            "PLN_EXTERNAL_IP": self.external_ip,
            "PLN_SIP_PERMIT": " ".join(self.permit),
            "PLN_TLS_CERT": self.tls[0],
            "PLN_TLS_KEY": self.tls[1],
            "PLN_TLS_PORT": str(self.tls_port),
        }


class Pbx:
    """One Asterisk: `start()`, calls, `stop()`. A context manager that starts and removes.

    `folder` holds everything of this instance; it must lie inside `install.root` where there is one
    (`home(install, name)` gives such a place). Blocking; not for use on an event loop.
    """

    def __init__(self, install: Install, folder: Path, settings: PbxSettings | None = None) -> None:
        self.install = install
        self.folder = folder
        self.settings = settings or PbxSettings()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def home(install: Install, name: str, state: Path) -> Path:
        """A folder for the instance `name`: inside Asterisk's root, or in `state` without one."""
        return (install.root or state) / "pln" / name

    # What others need to know about it.

    @property
    def ari_url(self) -> str:
        """ARI's base address, for example http://127.0.0.1:8088."""
        return f"http://127.0.0.1:{self.settings.http_port}"

    @property
    def sip_port(self) -> int:
        return self.settings.sip_port

    @property
    def monitor_dir(self) -> Path:
        """This machine's path of astmonitordir, where MixMonitor writes."""
        return self.folder / "spool/monitor"

    @property
    def sounds_dir(self) -> Path:
        """This machine's path of astdatadir/sounds; prompts go to `id/pln` in it."""
        return self.folder / "data/sounds"

    @property
    def log_dir(self) -> Path:
        return self.folder / "log"

    @property
    def calls_file(self) -> Path:
        """Asterisk's own list of calls."""
        return self.log_dir / "cdr-custom/calls.csv"

    @property
    def pid(self) -> int | None:
        """Asterisk's process id while it runs, also when another process started it."""
        try:
            pid = int((self.folder / "run/asterisk.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if _is_asterisk(pid) else None

    def complaints(self) -> list[str]:
        """Every warning and error line that this instance has logged."""
        try:
            return complaints_in((self.log_dir / "messages.log").read_text(errors="replace"))
        except FileNotFoundError:
            return []

    # Its life.

    def prepare(self) -> None:
        """Write its configuration and folders; recordings, agents and logs of before stay."""
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shared = {name: name for name in ("documentation", "rest-api", "sounds/en")}
        for name, target in shared.items():
            link = self.folder / "data" / name
            if not link.is_symlink():
                link.symlink_to(f"/usr/share/asterisk/{target}")
        music = self.folder / "data/moh/melody.alaw"
        if not music.exists():
            _run([str(CONF / "music"), str(music)], {})
        environment = self.settings.environment()
        environment["PLN_PREFIX"] = self.install.inside(self.folder)
        _run([str(CONF / "install"), str(self.folder / "etc")], environment)
        self.hand_over()

    def hand_over(self) -> None:
        """Give all files in its folder to Asterisk's user; for files written there from outside."""
        if os.getuid() != 0:
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self.install.uid, self.install.gid, follow_symlinks=False)

    def start(self, timeout: float = 60.0) -> None:
        """Start it and wait until it is fully booted and ARI answers.

        Raises LauncherError with the last log lines if it is not ready in `timeout` seconds.
        """
        if self.pid is not None:
            raise LauncherError(f"Asterisk already runs in {self.folder} (pid {self.pid})")
        self.prepare()
        (self.folder / "run/asterisk.pid").unlink(missing_ok=True)
        (self.folder / "run/asterisk.ctl").unlink(missing_ok=True)
        command = self.install.command("-f", "-C", self._config(), as_asterisk=True)
        with (self.log_dir / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_raise_open_files,
            )
        deadline = time.monotonic() + timeout
        while not (self._booted() and self._ari_answers()):
            if self._process.poll() is not None:
                raise LauncherError(self._story(f"Asterisk ended with {self._process.returncode}"))
            if time.monotonic() > deadline:
                self.kill()
                raise LauncherError(self._story(f"Asterisk was not ready in {timeout:.0f} s"))
            time.sleep(0.05)

    def stop(self, timeout: float = 20.0) -> None:
        """Stop it now, calls included; killed if it takes longer than `timeout` seconds."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(LauncherError):
            self.cli("core stop now")
        if not self._gone(pid, timeout):
            self.kill()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL."""
        pid = self.pid or (self._process.pid if self._process else None)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._gone(pid, 10.0)

    def restart(self) -> None:
        """Stop it and start it again on the same ports."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cli(self, command: str, timeout: float = 10.0) -> str:
        """What the console prints for `command`. Raises LauncherError if it does not answer."""
        try:
            done = subprocess.run(
                self.install.command("-C", self._config(), "-rx", command),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise LauncherError(f"Asterisk's console did not answer in {timeout:.0f} s") from error
        if done.returncode != 0:
            raise LauncherError(
                f"Asterisk's console refused: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout

    def __enter__(self) -> Pbx:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _config(self) -> str:
        return self.install.inside(self.folder / "etc/asterisk.conf")

    def _booted(self) -> bool:
        if not (self.folder / "run/asterisk.ctl").exists():
            return False
        try:
            return "fully booted" in self.cli("core waitfullybooted", timeout=30.0)
        except LauncherError:
            return False

    def _ari_answers(self) -> bool:
        request = urllib.request.Request(f"{self.ari_url}/ari/asterisk/info?only=status")
        token = base64.b64encode(f"pln_ivr:{self.settings.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=2.0) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _gone(self, pid: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not _is_asterisk(pid):
                if self._process is not None:
                    self._process.wait(timeout)
                    self._process = None
                return True
            time.sleep(0.02)
        return False

    def _story(self, what: str) -> str:
        lines = (self.log_dir / "console.log").read_text(errors="replace").splitlines()[-5:]
        return "\n".join([f"{what}; last lines of {self.log_dir / 'console.log'}:", *lines])


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise LauncherError(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")


def _is_asterisk(pid: int) -> bool:
    """Whether this is Asterisk: numbers are used again. A zombie counts as gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name == "asterisk" and rest.split()[0] != "Z"


def _raise_open_files() -> None:
    """As many open files as wanted, or as this machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
        return
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
