"""The command line as a person meets it: in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import structlog

from pln_ivr import __version__
from pln_ivr.journal import CallRow, open_journal
from pln_ivr.outcomes import Reason, Result, Stage
from tests.unit.running import Done, Run

REPO = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 23, 5, tzinfo=UTC)


def in_a_process(folder: Path, *arguments: str, **env: str) -> Done:
    """The same in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PLN_IVR_")}
    clean |= {"PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pln_ivr", *arguments],
        cwd=folder,
        env=clean | {f"PLN_IVR_{name}": value for name, value in env.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of three calls."""
    folder = tmp_path_factory.mktemp("journal")
    calls = [
        CallRow(
            call_id=f"call-{n}",
            sequence=1,
            node="pln-1",
            incarnation="run",
            channel_id=f"channel-{n}",
            caller=f"08123456789{n}",
            dialled="123",
            stage=Stage.ENDED,
            started_at=NOON + timedelta(minutes=n),
            ended_at=NOON + timedelta(minutes=n, seconds=30),
            queue="gangguan",
            agent="101",
            outcome=Result.ANSWERED,
            reason=Reason.AGENT_HUNG_UP,
        )
        for n in range(3)
    ]

    async def write() -> None:
        async with open_journal(f"sqlite:///{folder}/journal.db", log=structlog.get_logger()) as j:
            for row in calls:
                j.write(row)

    asyncio.run(write())
    return folder


def test_version(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_calls_as_json_newest_first_and_masked(pln_ivr: Run, journal: Path) -> None:
    done = pln_ivr(journal, "calls", "--last", "2", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["call_id"] for row in rows] == ["call-2", "call-1"]
    assert [row["caller"] for row in rows] == ["*********892", "*********891"]
    assert (rows[0]["outcome"], rows[0]["reason"]) == ("answered", "agent_hung_up")
    assert datetime.fromisoformat(rows[0]["started_at"]) == NOON + timedelta(minutes=2)
    assert "08123456" not in done.stdout


def test_calls_as_a_table_is_masked_too(pln_ivr: Run, journal: Path) -> None:
    done = pln_ivr(journal, "calls")
    assert done.returncode == 0, done.stderr
    assert "*********890" in done.stdout
    assert "answered" in done.stdout
    assert "30.0" in done.stdout
    assert "08123456" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "env", "code", "says"),
    [
        (["calls"], {}, 1, "journal.url: there is no journal at"),
        (["calls"], {"JOURNAL__URL": "nonsense"}, None, "journal.url"),
        (["calls", "-c", "none.toml"], {}, 2, "none.toml: no such file"),
        (["serve"], {"CONSOLE__PORT": "x"}, 2, "console.port"),
        (["serve"], {"ADMISION__CAPACITY": "5"}, 2, "no such section"),
        (["prompts", "build"], {"PROMPTS__TEXTS": "none.toml"}, 1, "none.toml"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    pln_ivr: Run,
    tmp_path: Path,
    arguments: list[str],
    env: dict[str, str],
    code: int | None,
    says: str,
) -> None:
    done = pln_ivr(tmp_path, *arguments, **env)
    assert done.returncode == code if code else done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("pln-ivr: ")
    assert says in line


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"AGENTS__ROSTER": "none.toml"}, 2, "none.toml: no such file"),
        ({"JOURNAL__URL": "sqlite:////proc/nowhere/at/all.db"}, 1, "journal.url"),
    ],
)
def test_serving_that_cannot_begin_is_one_line_too(
    tmp_path: Path, env: dict[str, str], code: int, says: str
) -> None:
    done = in_a_process(tmp_path, "serve", **env)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("pln-ivr: ")
    assert says in line


@pytest.mark.parametrize("arguments", [["calls", "--last", "0"], ["nonsense"], ["serve", "extra"]])
def test_wrong_arguments_are_refused(pln_ivr: Run, tmp_path: Path, arguments: list[str]) -> None:
    done = pln_ivr(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_check_with_nothing_there_says_what_is_missing(pln_ivr: Run, tmp_path: Path) -> None:
    done = pln_ivr(tmp_path, "check", ARI__URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr == ""
    verdicts = dict(_verdict(line) for line in done.stdout.splitlines())
    assert verdicts == {
        "settings": "ok",
        "roster": "FAIL",
        "prompts": "FAIL",
        "journal": "FAIL",
        "recordings": verdicts["recordings"],
        "asterisk": "FAIL",
    }
    assert "is Asterisk running there?" in done.stdout


def test_check_with_wrong_settings_says_only_that(pln_ivr: Run, tmp_path: Path) -> None:
    done = pln_ivr(tmp_path, "check", CONSOLE__PORT="x")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("FAIL  settings: ")
    assert "console.port" in line


class Stranger(BaseHTTPRequestHandler):
    """A web server that is no Asterisk."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_check_of_a_server_that_is_no_asterisk(pln_ivr: Run, tmp_path: Path, stranger: str) -> None:
    done = pln_ivr(tmp_path, "check", ARI__URL=stranger)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert _verdict(done.stdout.splitlines()[-1]) == ("asterisk", "FAIL")


def _verdict(line: str) -> tuple[str, str]:
    """Subject and verdict of one line of `check`."""
    verdict, subject = line.split(":", 1)[0].split()
    return subject, verdict
