"""Where Asterisk comes from: the one on PATH if it is new enough, else a Debian root built once."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = (22, 5)
"""REST over WebSocket and outbound sockets as the application uses them."""
PACKAGES = "asterisk,asterisk-modules,asterisk-core-sounds-en-wav"
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}


class LauncherError(Exception):
    """Something on this machine is missing or refused; the text says what, and the cure."""


@dataclass(frozen=True, slots=True)
class Install:
    """An installed Asterisk. `root` is the folder to chroot into, None for the one on PATH."""

    root: Path | None
    uid: int
    gid: int

    def command(self, *arguments: str, as_asterisk: bool = False) -> list[str]:
        """The command line that runs `asterisk`, as the caller or as Asterisk's own user."""
        if self.root is not None:
            user = [f"--userspec={self.uid}:{self.gid}"] if as_asterisk else []
            return ["chroot", *user, str(self.root), "/usr/sbin/asterisk", *arguments]
        user = []
        if as_asterisk and os.getuid() != self.uid:
            user = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups"]
        return [*user, "asterisk", *arguments]

    def inside(self, path: Path) -> str:
        """`path` of this machine as Asterisk sees it."""
        return str(path) if self.root is None else "/" + str(path.relative_to(self.root))


def find_asterisk(cache: Path) -> Install:
    """The Asterisk to use: from PATH if at least 22.5, else the root in `cache`, built if missing.

    Raises LauncherError with the cure.
    """
    version = _version_on_path()
    if version is not None and version >= OLDEST:
        try:
            user = pwd.getpwnam("asterisk")
        except KeyError:
            user = pwd.getpwuid(os.getuid())
        return Install(None, user.pw_uid, user.pw_gid)
    root = ensure_root(cache)
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "asterisk":
            return Install(root, int(uid), int(gid))
    raise LauncherError(f"{root} has no user 'asterisk': remove the folder and run again")


def ensure_root(cache: Path) -> Path:
    """A Debian root with Asterisk in `cache`/root, built on the first use. Safe to call twice.

    Raises LauncherError where it cannot be built.
    """
    if os.getuid() != 0:
        raise LauncherError("building and entering Asterisk's root needs root: run with sudo")
    root = cache / "root"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "usr/sbin/asterisk").exists():
            _build(root, cache / "root.building", cache / "root.log")
    _name_this_host(root)
    return root


def _version_on_path() -> tuple[int, int] | None:
    if shutil.which("asterisk") is None:
        return None
    try:
        out = subprocess.run(["asterisk", "-V"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Asterisk (?:certified-)?(\d+)\.(\d+)", out)
    return (int(match[1]), int(match[2])) if match else None


def _build(root: Path, building: Path, log: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LauncherError("mmdebstrap is missing: apt-get install mmdebstrap")
    shutil.rmtree(building, ignore_errors=True)
    with log.open("w") as out:
        result = subprocess.run(
            [
                "mmdebstrap",
                "--variant=minbase",
                # The forky release file of a mirror may be a little old; signatures still count.
                '--aptopt=Acquire::Check-Valid-Until "false"',
                f"--include={PACKAGES}",
                "forky",
                str(building),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    if result.returncode != 0 or not (building / "usr/sbin/asterisk").exists():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise LauncherError(
            f"mmdebstrap could not build Asterisk's root (whole log: {log}):\n{tail}"
        )
    _devices(building)
    building.chmod(0o755)
    building.rename(root)


def _devices(root: Path) -> None:
    """The few device nodes that Asterisk opens, where mmdebstrap made none: no mount needed."""
    for name, (major, minor) in _DEVICES.items():
        node = root / "dev" / name
        if node.exists() and stat.S_ISCHR(node.stat().st_mode):
            continue
        node.unlink(missing_ok=True)
        try:
            os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        except PermissionError as error:
            raise LauncherError(
                f"this machine does not allow device nodes ({node}): run on a machine or container"
                " with CAP_MKNOD, or install Asterisk 22 from a package"
            ) from error
        node.chmod(0o666)


def _name_this_host(root: Path) -> None:
    """Asterisk looks up its own host on every call: without this line each waits for DNS."""
    hosts = root / "etc/hosts"
    wanted = f"127.0.0.1 localhost {socket.gethostname()}\n"
    if not hosts.exists() or hosts.read_text() != wanted:
        hosts.write_text(wanted)
