"""A hundred recorded conversations under faults, accounted for to the second.

Each side of each conversation sounds a tone of its own, and the phones are the referee: so many
seconds of the other's tone has each heard. In that time the archive's disk is full for a while, the
program is killed with SIGKILL, calls are held and sent on, and Asterisk is killed in the middle of
some. At the end every second that a phone has heard must be in a recording, in the right channel,
but for what Asterisk had not written yet when it was killed; `pln-ivr recordings verify` must find
nothing; and no recording may be flagged, but for one that is short because Asterisk was killed.
Takes about eight minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path

from rich.console import Console

from native.root import LauncherError, find_asterisk
from pln_ivr.journal import CallRow, JournalReader
from pln_ivr.outcomes import RecordingFault
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sound import Samples
from tests.archiving import manifest_of, recordings_of, samples_of
from tests.asterisk.softphone import Softphone
from tests.asterisk.world import REPO, World, eventually

from .sides import write_prompts
from .witness import PROMPTS_HERTZ, Tones, Visit, Witness, heard_by, partner_of, seconds_of

TALK_SECONDS = 8.0
TOLERANCE_SECONDS = 0.5
"""Between the phones and a file: windows are cut differently at each beginning and end, of
which a hold and a transfer have several, and where a packet was late."""

UNWRITTEN_SECONDS = 1.2
"""What Asterisk may have in memory when it is killed: 32 KiB of a file, which is 1.02 s of both
sides, and what comes in one look of the test."""

SETTLE_SECONDS = 150.0
"""A recording that nobody has filed is found after 60 s, looked for every 30 s."""

console = Console(stderr=True)


class Kind(StrEnum):
    """What happened to a conversation."""

    PLAIN = "plain"
    HELD = "held"
    SENT_ON = "sent on"
    DISK_FULL = "archive's disk full"
    APP_KILLED = "program killed"
    ASTERISK_KILLED = "Asterisk killed"


@dataclass
class Conversation:
    """One customer's call, as the phones had it."""

    number: str
    kind: Kind
    hertz: int
    heard: list[Visit] = field(default_factory=list)
    """By the customer: empty if no agent was ever heard."""
    agents: list[int] = field(default_factory=list)
    """The tones of the agents who were heard."""


class House:
    """A world with agents who remember, and faults to be had."""

    def __init__(self, world: World, stack: ExitStack, tones: Tones) -> None:
        self.world = world
        self.tones = tones
        self.agents = [
            stack.enter_context(
                Witness(f"ag-{name}", world.pbx.sip_port, world.make_ready(name), tones)
            )
            for name in world.agent_ports
        ]
        self._faults: list[tuple[Kind, float, float]] = []
        """Each with its beginning and its end."""
        self.up = threading.Event()
        self.up.set()

    def heard(self) -> dict[int, Visit]:
        """What agents have heard, by their own tone."""
        for agent in self.agents:
            agent.note()
        return {visit.hertz: visit for agent in self.agents for visit in agent.visits}

    def converse(self, number: int, kind: Kind) -> Conversation:
        """One customer calls, talks, and hangs up; again if nobody answers."""
        while True:
            self.up.wait(120)
            told = Conversation(f"0812{number:07}", kind, self.tones.next())
            with Softphone(told.number, self.world.pbx.sip_port, told.hertz) as phone:
                try:
                    if phone.call("123") == 200 and self._talk(phone, told):
                        return told
                except AssertionError:  # nobody there: no answer to the INVITE
                    console.print(f"{told.number} calls again", style="dim")
            time.sleep(1.0)
            number += 100_000  # another call: each number has one

    def _talk(self, phone: Softphone, told: Conversation) -> bool:
        agent = self._until_partner(phone)
        if agent is None:
            phone.ended.set()
            return False
        told.agents.append(agent.hertz)
        began = time.monotonic()
        until = time.monotonic() + TALK_SECONDS
        if told.kind is Kind.HELD:
            agent.hold()
            time.sleep(2.0)
            agent.hold(False)
        elif told.kind is Kind.SENT_ON:
            time.sleep(TALK_SECONDS / 3)
            to = self.agents[(self.agents.index(agent) + 1) % len(self.agents)]
            agent.press(f"*2{to.name.removeprefix('ag-')}#")
            phone.loses(agent.hertz)
            heir = self._until_partner(phone)
            if heir is not None:
                told.agents.append(heir.hertz)
            until = time.monotonic() + TALK_SECONDS / 2
        while time.monotonic() < until and phone.silent_for < 1.0:
            time.sleep(0.1)
        told.kind = self._suffered(began) or told.kind
        self._hang_up(phone)
        told.heard.append(Visit(told.hertz, heard_by(phone)))
        return True

    def _until_partner(self, phone: Softphone) -> Witness | None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and phone.silent_for < 3.0:
            found = partner_of(phone, lambda: self.agents)
            if found:
                return found
            time.sleep(0.1)
        return None

    def _hang_up(self, phone: Softphone) -> None:
        try:
            phone.hang_up()
        except AssertionError:  # Asterisk has been killed
            phone.ended.set()

    # -- faults ----------------------------------------------------------------------------

    @contextmanager
    def during(self, kind: Kind) -> Iterator[None]:
        """Every conversation that is up meanwhile is of this kind."""
        console.print(f"{kind} ...", style="dim")
        begun = len(self._faults)
        self._faults.append((kind, time.monotonic(), inf))
        try:
            yield
        finally:
            self._faults[begun] = (*self._faults[begun][:2], time.monotonic())

    def _suffered(self, since: float) -> Kind | None:
        """The last fault that was going on at any time from then until now."""
        met = [kind for kind, _, until in self._faults if until >= since]
        return met[-1] if met else None

    def kill_app(self) -> None:
        """SIGKILL, and another one three seconds later."""
        with self.during(Kind.APP_KILLED):
            self.world.app.kill()
            self.world.app.wait()
            time.sleep(3.0)
            self.world.start_app()

    def kill_asterisk(self) -> None:
        """SIGKILL, and a new one at once. Nobody calls meanwhile."""
        with self.during(Kind.ASTERISK_KILLED):
            self.up.clear()
            self.world.pbx.kill()
            time.sleep(2.0)  # everybody has noticed
            for agent in self.agents:
                agent.note()
            self.world.pbx.start()
            eventually(self.world.ready, 40, "readiness")
            self.up.set()

    def fill_disk(self, disk: Path) -> None:
        """The archive's disk has no room for half a minute."""
        with self.during(Kind.DISK_FULL):
            filler = disk / "filler"
            with filler.open("wb") as file:
                try:
                    while True:
                        file.write(bytes(1 << 20))
                        file.flush()
                except OSError:
                    pass
            time.sleep(30.0)
        filler.unlink()


Sides = list[tuple[Samples, Samples]]
"""Of a call's recordings: customer, agent."""


@dataclass
class Sum:
    """The account of one kind."""

    conversations: int = 0
    talked: float = 0.0
    recorded: float = 0.0
    largest: float = 0.0
    """Of what one side of one conversation is short of."""
    without_file: int = 0
    flagged: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)


def account(house: House, conversations: list[Conversation], archive: Path) -> dict[Kind, Sum]:
    """What the phones heard against what is in the archive."""
    sums = {kind: Sum() for kind in Kind}
    agents = house.heard()
    with JournalReader(house.world.journal_url) as reader:
        rows = {row.caller: row for row in reader.last_calls(10_000) if row.talking_at}
        for told in conversations:
            row = rows.get(told.number)
            into = sums[told.kind]
            into.conversations += 1
            files = _files(reader, row, archive) if row else []
            if not files:
                into.without_file += 1
                into.unaccounted.append(f"{told.number}: no file")
                continue
            for name, _ in files:
                faults = manifest_of(archive, name).faults
                into.flagged += [f"{told.number}: {', '.join(faults)}"] if faults else []
            _compare(told, agents, [samples_of(path) for _, path in files], into)
    return sums


def _files(reader: JournalReader, row: CallRow, archive: Path) -> list[tuple[str, Path]]:
    """The recordings of a call: each agent's."""
    uris = {offer.recording for offer in reader.offers_of(row.call_id) if offer.recording}
    uris |= {row.recording} if row.recording else set()
    return [(name_of(uri), path) for uri in sorted(uris) for path in recordings_of(archive, uri)]


def _compare(told: Conversation, agents: dict[int, Visit], files: Sides, into: Sum) -> None:
    """Each side: what the other's phone has heard of it, and what is in its channel."""
    allowed = TOLERANCE_SECONDS
    if told.kind is Kind.ASTERISK_KILLED:
        allowed += UNWRITTEN_SECONDS
    for hertz in told.agents:
        heard = sum(seconds_of(visit.heard, hertz) for visit in told.heard)
        kept = sum(seconds_of(right, hertz) for _, right in files)
        _add(told, f"agent's {hertz} Hz", heard, kept, allowed, into)
        if hertz in agents:
            heard = seconds_of(agents[hertz].heard, told.hertz)
            with_agent = [left for left, right in files if seconds_of(right, hertz)]
            kept = sum(seconds_of(left, told.hertz) for left in with_agent)
            _add(told, f"customer's {told.hertz} Hz", heard, kept, allowed, into)
        else:
            into.unaccounted.append(f"{told.number}: nobody was the agent with {hertz} Hz")


def _add(
    told: Conversation, what: str, heard: float, kept: float, allowed: float, into: Sum
) -> None:
    into.talked += heard
    into.recorded += kept
    short = heard - kept
    into.largest = max(into.largest, short)
    if short > allowed or heard == 0:
        into.unaccounted.append(f"{told.number}: {what}: {heard:.1f} s heard, {kept:.1f} s kept")


def table(sums: dict[Kind, Sum]) -> list[str]:
    """Markdown."""
    lines = [
        "| what happened | conversations | seconds heard | of these recorded | largest lack |"
        " without file | flagged |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, one in sums.items():
        if one.conversations:
            lines.append(
                f"| {kind} | {one.conversations} | {one.talked:.1f} | {one.recorded:.1f} |"
                f" {one.largest:.1f} s | {one.without_file} | {len(one.flagged)} |"
            )
    return lines


def settle(world: World) -> dict[str, object]:
    """Wait until every recording is filed; what `pln-ivr recordings verify` says then."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while any(world.pbx.monitor_dir.rglob("*.raw")) and time.monotonic() < deadline:
        time.sleep(1.0)
    done = world.command("recordings", "verify", "--json")
    if done.returncode not in (0, 1):
        raise LauncherError(done.stderr)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def kinds(count: int) -> list[Kind]:
    """What conversations do by themselves: every tenth is held, every tenth sent on."""
    return [{3: Kind.HELD, 7: Kind.SENT_ON}.get(n % 10, Kind.PLAIN) for n in range(count)]


def run(
    house: House, count: int, faults: list[Callable[[], None]]
) -> tuple[list[Conversation], dict[str, object]]:
    """So many conversations, as many at once as there are agents less one, who may be sent a call;
    the faults are spread over their time."""
    with ThreadPoolExecutor(max(1, len(house.agents) - 1)) as pool:
        under_way = [
            pool.submit(house.converse, number, kind) for number, kind in enumerate(kinds(count))
        ]
        for number, fault in enumerate(faults, 1):
            due = count * number // (len(faults) + 1)
            while sum(one.done() for one in under_way) < due:
                time.sleep(0.2)
            fault()
        found = [one.result() for one in under_way]
    return found, settle(house.world)


@contextmanager
def disk_of(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own for the archive. Needs root."""
    folder.mkdir()
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def main() -> int:
    """The command; 1 if a second is not accounted for."""
    parser = argparse.ArgumentParser(prog="tests/bench/proof", description=__doc__)
    parser.add_argument("--conversations", type=int, default=100, help="default %(default)s")
    parser.add_argument("--agents", type=int, default=6, help="default %(default)s")
    choice = parser.parse_args()
    names = [str(101 + number) for number in range(choice.agents)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proof-")))
        home = folder / folder.name  # its name is the instance's in Asterisk's root
        home.mkdir()
        try:
            disk = stack.enter_context(disk_of(folder / "disk", 64))
            world = World(
                find_asterisk(REPO / ".cache"),
                write_prompts(folder / "prompts", PROMPTS_HERTZ, 0),
                home,
                names,
                RECORDINGS__FOLDER=str(disk / "archive"),
                AGENTS__WRAP_UP_SECONDS="0",
                DISK__LOW_MB="0",
                DISK__RESERVE_MB="0",
            )
            stack.callback(world.stop)
            world.start()
            house = House(world, stack, Tones(folder))
            faults = [lambda: house.fill_disk(disk), house.kill_app, house.kill_asterisk]
            found, verified = run(house, choice.conversations, faults)
            sums = account(house, found, disk / "archive")
        except (LauncherError, subprocess.CalledProcessError) as error:
            print(f"proof: {error}", file=sys.stderr)
            return 1
    print("\n".join(table(sums)))
    wrong = [line for one in sums.values() for line in one.unaccounted]
    findings = ("missing", "stray", "altered")
    wrong += [f"verify: {verified[what]} {what}" for what in findings if verified[what]]
    wrong += [
        f"flagged: {line}"
        for kind, one in sums.items()
        for line in one.flagged
        if kind is not Kind.ASTERISK_KILLED or RecordingFault.SHORT not in line
    ]
    print("\n".join(["", *wrong]) if wrong else "\nEvery second is accounted for.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
