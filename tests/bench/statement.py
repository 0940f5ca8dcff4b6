"""How soon a full house hears a statement: from the call of the API that puts it live to the
moment at which the last of all waiting callers hears it.

Every seat is taken by a caller who waits with music. One request publishes a statement, a tone of
its own; the journal tells when each caller's prompt was begun, and a few softphones among the
callers tell when they heard the tone. `--command` publishes with `pln-ivr statement publish`
instead, whose start takes its own time on a machine that is full. Exit code 1 if not everybody
heard it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from native.root import LauncherError
from native.tones import write_tone
from pln_ivr.journal import HearingRow
from pln_ivr.journal.statements import Statements
from tests.asterisk.softphone import Softphone

from .bursts import holders_at, until
from .house import House, open_house

TONE_HZ, TONE_SECONDS = 1800, 8.0
WITNESSES = 3
PATIENCE_SECONDS = 60.0
PROMPTS_FASTER = 4.0

console = Console()


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds from the beginning of the request, or command, that published it."""

    callers: int
    ordered: float
    """Until it had been carried out."""
    first: float
    """Until the first caller's prompt was begun, by the journal ..."""
    last: float
    """... and the last one's."""
    witnessed: float
    """Until the last of the softphones heard it."""
    over: float
    """Until everybody had heard it to the end."""
    whole: int
    processors: tuple[float, float]
    """Asterisk's and the program's share of one, from beginning to end, in per cent."""


def measure(callers: int, logs: Path | None = None, by_command: bool = False) -> Spread:
    """Fill a house, publish, wait until everybody has heard it."""
    with ExitStack() as stack:
        house = stack.enter_context(
            # The bench's agents have another skill: everybody waits.
            open_house("statement", callers, 1, PROMPTS_FASTER, logs=logs, QUEUES__ENTRY="keluhan")
        )
        version = _approved(house)
        stack.enter_context(holders_at(house, callers - WITNESSES, lambda: None))
        witnesses = [
            stack.enter_context(Softphone(f"0815{number}", house.pbx.sip_port, 440))
            for number in range(WITNESSES)
        ]
        for witness in witnesses:
            assert witness.call("123") == 200
        _until_all_wait(house, callers)
        token = _command(house.command("token", "create", "budi", "--role", "operator"))
        publish = _by_command if by_command else _by_request
        return _spread(house, version, witnesses, callers, lambda: publish(house, version, token))


def _approved(house: House) -> int:
    """A statement that needs but one command more."""
    tone = write_tone(house.folder / "statement.alaw", TONE_HZ, TONE_SECONDS)
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    words = ("--cause", "coba", "--text", "Coba.", "--recording", str(tone))
    _command(house.command("statement", "draft", *words, "--until", expires, "--by", "Rina"))
    _command(house.command("statement", "approve", "1", "--by", "Budi"))
    return 1


def _command(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args[2:5])}: {done.stderr}")
    return done.stdout.strip()


def _by_command(house: House, version: int, token: str) -> None:
    _command(house.command("statement", "publish", str(version), "--by", "Budi"))


def _by_request(house: House, version: int, token: str) -> None:
    url = f"http://127.0.0.1:{house.console_port}/api/statements/{version}/publication"
    request = urllib.request.Request(url, method="POST")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status == 200


def _until_all_wait(house: House, callers: int) -> None:
    """In the line, and in the room: nobody is just being told to wait."""
    until(
        lambda: house.metric("pln_ivr_waiting_calls", queue="keluhan") >= callers,
        PATIENCE_SECONDS,
        "everybody in the line",
    )
    until(
        lambda: house.pbx.cli("bridge show wait-keluhan", timeout=30).count("PJSIP/") >= callers,
        PATIENCE_SECONDS,
        "everybody in the room",
    )


def _spread(
    house: House,
    version: int,
    witnesses: list[Softphone],
    callers: int,
    publish: Callable[[], None],
) -> Spread:
    busy = [_processor_seconds(house.pids[name]) for name in ("asterisk", "app")]
    began, clock = datetime.now(UTC), time.monotonic()
    publish()
    ordered = time.monotonic() - clock
    heard_at = [_hears(witness, clock) for witness in witnesses]
    hearings: list[HearingRow] = []

    def all_heard() -> bool:
        with Statements(house.journal_url) as statements:
            hearings[:] = statements.hearings(version)
        return len(hearings) >= callers

    until(all_heard, PATIENCE_SECONDS, "everybody's hearing it")
    over = time.monotonic() - clock
    spent = [
        _processor_seconds(house.pids[name]) - before
        for name, before in zip(("asterisk", "app"), busy, strict=True)
    ]
    return Spread(
        callers=len({hearing.call_id for hearing in hearings}),
        ordered=ordered,
        first=(hearings[0].began_at - began).total_seconds(),
        last=(hearings[-1].began_at - began).total_seconds(),
        witnessed=max(heard_at),
        over=over,
        whole=sum(hearing.whole for hearing in hearings),
        processors=(100 * spent[0] / over, 100 * spent[1] / over),
    )


def _hears(witness: Softphone, since: float) -> float:
    if not witness.hears(TONE_HZ, within=PATIENCE_SECONDS):
        raise RuntimeError("a softphone among the callers never heard it")
    return time.monotonic() - since


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def show(spread: Spread) -> None:
    """Print the table."""
    table = Table("from the order that publishes it, until", "seconds", title="A statement")
    table.columns[1].justify = "right"
    for name, seconds in (
        ("it has been carried out", spread.ordered),
        ("the first caller's prompt is begun", spread.first),
        ("the last waiting caller's prompt is begun", spread.last),
        (f"the last of {WITNESSES} softphones hears it", spread.witnessed),
        (f"everybody has heard its {TONE_SECONDS:g} s to the end", spread.over),
    ):
        table.add_row(name, f"{seconds:.2f}")
    console.print(table)
    asterisk, app = spread.processors
    console.print(
        f"{spread.callers} callers heard it, {spread.whole} of them to the end; of a processor"
        f" meanwhile: Asterisk {asterisk:.0f} %, program {app:.0f} %"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests/bench/statement", description=__doc__)
    parser.add_argument("--callers", type=int, default=720, help="how many wait (720)")
    parser.add_argument("--command", action="store_true", help="publish with pln-ivr")
    parser.add_argument("--logs", type=Path, help="folder for the logs")
    asked = parser.parse_args()
    if asked.callers <= WITNESSES:
        parser.error(f"--callers: more than {WITNESSES}")
    try:
        spread = measure(asked.callers, asked.logs, asked.command)
    except (LauncherError, RuntimeError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    show(spread)
    return 0 if spread.callers == spread.whole == asked.callers else 1


if __name__ == "__main__":
    sys.exit(main())
