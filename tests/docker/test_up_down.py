"""docker/up and docker/down as a stranger runs them: in a copy of the checkout, natively."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from native.pbx import free_port, free_rtp_range
from native.root import find_asterisk

REPO = Path(__file__).resolve().parents[2]
# A copy of the checkout makes a virtual environment of its own.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """What git has of this checkout, and its Asterisk root by hard links; brought down again."""
    folder = tmp_path / "checkout"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO, capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    for name in filter(None, files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPO / name, folder / name)
    if find_asterisk(REPO / ".cache").root:
        (folder / ".cache").mkdir()
        subprocess.run(["cp", "-al", REPO / ".cache/root", folder / ".cache/root"], check=True)
        shutil.rmtree(folder / ".cache/root/pln", ignore_errors=True)
    yield folder
    run(folder, "docker/down", "--purge")


def run(folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the checkout to its end."""
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=240
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that run from, or in, this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            places = {os.readlink(process / name) for name in ("cwd", "exe", "root")}
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words or any(place.startswith(str(folder)) for place in places):
            found.append(words.replace("\0", " "))
    return found


def test_up_calls_and_down_leaves_nothing(checkout: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        console = probe.getsockname()[1]
    first, last = free_rtp_range()
    env = {
        "PLN_NATIVE": "1",
        "PLN_SIP_BIND": "127.0.0.1",
        "PLN_SIP_PORT": str(free_port()),
        "PLN_HTTP_PORT": str(free_port(socket.SOCK_STREAM)),
        "PLN_AMI_PORT": str(free_port(socket.SOCK_STREAM)),
        "PLN_RTP_START": str(first),
        "PLN_RTP_END": str(last),
        "PLN_IVR_CONSOLE__PORT": str(console),
    }
    before = set(checkout.rglob("*"))
    up = run(checkout, "docker/up", **env)
    assert up.returncode == 0, up.stdout + up.stderr
    assert "admitted (200)" in up.stdout
    assert "answered" in up.stdout
    assert ".opus" in up.stdout
    assert "complained" not in up.stdout
    again = run(checkout, "docker/up", **env)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "already running" in again.stdout
    # Asterisk and the program, each once; the worker that filed the recording is the program's own.
    assert sum("recordings.worker" not in each for each in processes_of(checkout)) == 2
    down = run(checkout, "docker/down", **env)
    assert down.returncode == 0, down.stdout + down.stderr
    assert processes_of(checkout) == []
    assert str(checkout) not in Path("/proc/mounts").read_text()
    made = {path for path in checkout.rglob("*") if path.relative_to(checkout).parts[0] != ".cache"}
    assert made <= before
    assert run(checkout, "docker/down", **env).returncode == 0, "down twice must be harmless"


def test_a_taken_port_is_one_clear_line(checkout: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        up = run(
            checkout, "docker/up", PLN_NATIVE="1", PLN_SIP_BIND="127.0.0.1", PLN_SIP_PORT=str(port)
        )
    assert up.returncode != 0
    assert f"port {port}" in up.stderr
    assert "PLN_SIP_PORT" in up.stderr
    assert "docker/up FAILED" in up.stderr
    assert "Traceback" not in up.stderr
    assert not (checkout / ".cache/venv").exists(), "and it comes before what takes long"
