"""pln_ivr itself: its virtual environment, and its process in the background."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from native.root import LauncherError
from native.state import REPO, State, console_port

_PACKAGED = ("pyproject.toml", "README.md", "LICENSE")


def install(state: State) -> bool:
    """Install this checkout into the cache's virtual environment if it changed; True if it did so.

    Raises LauncherError with pip's last lines. A half-made environment is made again.
    """
    stamp = state.venv / "pln-ivr.stamp"
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    if not (state.venv / "bin/pip").exists():
        shutil.rmtree(state.venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(state.venv)], state)
    # From a copy: building leaves files beside the sources.
    source = state.cache / "build"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in _PACKAGED:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(REPO / name, source)
    shutil.copytree(
        REPO / "pln_ivr", source / "pln_ivr", ignore=shutil.ignore_patterns("__pycache__")
    )
    pip = [str(state.venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--upgrade", str(source)], state)
    # Its version may be the same while the sources are not.
    _run([*pip, "--force-reinstall", "--no-deps", str(source)], state)
    shutil.rmtree(source, ignore_errors=True)
    stamp.write_text(wanted)
    return True


def command(state: State, *arguments: str) -> list[str]:
    """The command line of `pln-ivr` in the virtual environment."""
    return [str(state.venv / "bin/pln-ivr"), *arguments]


def build_prompts(state: State, out: Path) -> None:
    """Make the prompts that are missing or changed. Raises LauncherError saying why not."""
    _run(
        command(state, "prompts", "build", "--config", str(state.config), "--out", str(out)), state
    )


def pid(state: State) -> int | None:
    """The process id of the running pln_ivr, None if it does not run."""
    try:
        number = int(state.app_pid.read_text())
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if any(word.endswith(b"/pln-ivr") for word in words) else None


def start(state: State, timeout: float = 60.0) -> None:
    """Start it in the background and wait until /readyz says so.

    Raises LauncherError with its last log lines if it ends, or is not ready in time (and stops it).
    """
    with state.app_log.open("ab") as log:
        process = subprocess.Popen(
            command(state, "serve", "--config", str(state.config)),
            cwd=state.run,
            env=state.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    state.app_pid.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + timeout
    while not ready(state):
        if process.poll() is not None:
            state.app_pid.unlink(missing_ok=True)
            raise LauncherError(_story(state, f"pln-ivr ended with {process.returncode}"))
        if time.monotonic() > deadline:
            stop(state, 5.0)
            raise LauncherError(_story(state, f"pln-ivr was not ready in {timeout:.0f} s"))
        time.sleep(0.1)


def ready(state: State) -> bool:
    """Whether /readyz answers 200."""
    del state
    url = f"http://127.0.0.1:{console_port(os.environ)}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(state: State, timeout: float = 20.0) -> None:
    """SIGTERM; conversations may finish for `timeout` seconds, then it is killed."""
    number = pid(state)
    if number is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while _alive(number):
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                deadline = time.monotonic() + 5.0
            time.sleep(0.05)
    state.app_pid.unlink(missing_ok=True)


def _alive(number: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(number, os.WNOHANG)
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    files = [REPO / "pyproject.toml", *sorted((REPO / "pln_ivr").rglob("*"))]
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(REPO)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _run(words: list[str], state: State) -> None:
    done = subprocess.run(
        words, cwd=state.cache, env=state.environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise LauncherError(f"{' '.join(words[:4])} … ended with {done.returncode}:\n{tail}")


def _story(state: State, what: str) -> str:
    lines = state.app_log.read_text(errors="replace").splitlines()[-5:]
    return "\n".join([f"{what}; last lines of {state.app_log}:", *lines])
