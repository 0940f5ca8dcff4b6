"""Who is served on a blackout day, with each feature off and on: the same callers, five times.

Callers have wishes and press keys, as RTP events. What became of each is counted caller by caller
from the journal, and compared with what SIPp saw and with Asterisk's list of calls; exit code 1 if
they disagree. The last thing printed is the table, in Markdown.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from native.pbx import free_port
from native.phones import SCENARIOS
from native.root import LauncherError
from native.tones import write_tone
from pln_ivr.calls.dialogues.customer_number import PROMPTS as REPORT_PROMPTS
from pln_ivr.calls.dialogues.phone_number import PROMPTS as CALLBACK_PROMPTS
from pln_ivr.calls.outbound.reaching import PROMPTS as CALLING_PROMPTS
from pln_ivr.calls.prompt_files import REQUIRED
from tests.asterisk.world import REPO

from .accounts import Books, against_metrics, cdr_book, counted, journal_book, sipp_book
from .blackout import BOOKS_SECONDS, day_parser
from .day import TICK_MS, Day
from .house import SHORTEST_PROMPT, SPOKEN_TIMES, House, open_house
from .load import LoadError
from .sipp import Event, Sipp, fill
from .traffic import CROWD, ENDLESS, Traffic, agents_at_phones
from .watch import Figures
from .wishes import AREA, Offered, Wish, counts, fields, wishes, words

NOTICE, STATEMENT = 2.0, 5.0
"""Seconds before they are scaled like all other prompts: a notice of 8 s, a statement of 20 s."""
SPOKEN = {
    **dict.fromkeys((*REQUIRED, *REPORT_PROMPTS, *CALLBACK_PROMPTS, *CALLING_PROMPTS), 0.2),
    "menu-utama": 1.5,
    "notice": NOTICE,
}
LINGER_SECONDS = 60.0
OUT = "out-"
"""Begins the channel of a call that we placed."""

VARIANTS = (
    Offered("nothing"),
    Offered("statement", statement=True),
    Offered("and reports", statement=True, reports=True),
    Offered("and callbacks", statement=True, reports=True, callbacks=True),
    Offered("and release", statement=True, reports=True, callbacks=True, share=0.25),
)

console = Console(soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Served:
    """How many callers got what on one day. A caller may be in several of them."""

    offered: Offered
    callers: int
    heard: int
    reported: int
    called_back: int
    """Have the promise of a callback ..."""
    reached: int
    """... and of these, have been called and talked."""
    talked: int
    """On the call that they made."""
    waited_in_vain: int
    """Gave up in the line, or were let go from it, and talked with nobody on any call."""
    rejected: int
    """Heard busy, each time that they dialled."""
    answered: int
    """Heard the statement to its end, reported, have a callback, or talked."""
    calls: int
    faults: list[str]


def live(day: Day, offered: Offered, crowding: float, logs: Path | None) -> Served:
    """Live through the day with what is offered, and count."""
    customers = free_port()
    env = _environment(day, offered, customers)
    kept = logs and logs / offered.name.replace(" ", "-")
    factor = 1 / day.patience_scale
    with open_house(
        "served",
        seats_of(day, crowding),
        day.agents,
        factor,
        None,
        REPO / ".cache",
        None,
        kept,
        SPOKEN,
        **env,
    ) as house:
        if offered.statement:
            _publish(house, _seconds(day, STATEMENT))
        with _traffic(day, offered, house, customers) as under_way:
            under_way.drive(lambda _: None)
            ended = under_way.finish(day.seconds / 2 + LINGER_SECONDS, lambda _: None)
            faults = [] if ended else ["some callers never ended"]
            events = list(under_way.callers.events())
            time.sleep(day.talk + day.ring + 2)  # a callback under way, the last conversation
        return _count(offered, house, events, faults, _pressed_by(day))


def seats_of(day: Day, crowding: float) -> int:
    """How many there are if the house is so many times as crowded."""
    return max(1, round(day.capacity / crowding))


def _environment(day: Day, offered: Offered, customers: int) -> dict[str, str]:
    env = {
        "AGENTS__WRAP_UP_SECONDS": f"{day.wrap_up:.2f}",
        "RELEASE__SHARE": str(offered.share),
        "RELEASE__KEY_SECONDS": "3",
        "MENU__NO_INPUT_SECONDS": "3",
        "OUTAGES__PREFIXES": json.dumps({AREA: "Bandung"}),
        "CALLBACKS__KEY": "7",  # nobody in the line presses it
    }
    if offered.reports:
        keys = {"1": {"do": "report"}, "0": {"do": "agent"}}
        if offered.callbacks:
            keys["2"] = {"do": "callback"}
        env["MENU__ENTRY"] = "utama"
        env["MENU__MENUS"] = json.dumps({"utama": {"prompt": "menu-utama", "keys": keys}})
    if offered.callbacks:
        env["OUTBOUND__GATEWAY"] = f"127.0.0.1:{customers}"
        env |= {"CALLBACKS__BEGINS": "00:00", "CALLBACKS__ENDS": "23:59"}
        env["CALLBACKS__MACHINE_SECONDS"] = "0.1"  # conversations are short as well
    return env


def _seconds(day: Day, spoken: float) -> float:
    """How long a prompt is on this day."""
    return max(SHORTEST_PROMPT, spoken * SPOKEN_TIMES * day.patience_scale)


def _publish(house: House, seconds: float) -> None:
    tone = write_tone(house.folder / "statement.alaw", 900, seconds)
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    words_of_it = ("--cause", "coba", "--text", "Coba.", "--recording", str(tone))
    for command in (
        ("draft", *words_of_it, "--until", until, "--by", "Rina"),
        ("approve", "1", "--publish", "--by", "Budi"),
    ):
        done = house.command("statement", *command)
        if done.returncode:
            raise RuntimeError(f"statement {command[0]}: {done.stderr}")
    time.sleep(2.0)  # outages.poll_seconds


@contextmanager
def _traffic(day: Day, offered: Offered, house: House, customers: int) -> Iterator[Traffic]:
    """Agents at their phones, customers at theirs who are called back, and the crowd."""
    listened = _seconds(day, NOTICE) + (_seconds(day, STATEMENT) if offered.statement else 0.0)
    with ExitStack() as stack:
        agents = stack.enter_context(agents_at_phones(house, day.ring, day.talk))
        picks_up = {"agent": "customer", "ring_ms": "500", "tone": ""}
        picks_up |= {"hold_ms": f"{day.talk * 1000:.0f}", "audio_port": "[media_port]"}
        scenario = fill(SCENARIOS / "answer.xml", **picks_up)
        stack.enter_context(Sipp(scenario, house.pbx.sip_port, calls=ENDLESS, port=customers))
        callers = stack.enter_context(
            Sipp(
                fill(CROWD, tick_ms=str(TICK_MS), **words()),
                house.pbx.sip_port,
                calls=day.calls,
                rate=max(0.2, day.rate(0)),
                fields=fields(day, offered, listened, day.seconds / 2),
            )
        )
        yield Traffic(day, callers, agents)


def _pressed_by(day: Day) -> dict[str, Wish]:
    """What each caller wishes, by number."""
    numbers = (line.split(";")[0] for line in day.callers())
    return dict(zip(numbers, wishes(day), strict=True))


def _count(
    offered: Offered, house: House, events: list[Event], faults: list[str], wish: dict[str, Wish]
) -> Served:
    sipp = sipp_book(event for event in events if event.what != "pressed")
    deadline = time.monotonic() + BOOKS_SECONDS
    while True:
        rows = journal_book(house.journal_file)
        ours = [row for row in rows if not row.channel.startswith(OUT)]
        cdr = {k: v for k, v in cdr_book(house.cdr_file).items() if not k.startswith(OUT)}
        metrics = counted(Figures(house.metrics_text()))
        found = Books(sipp, cdr, ours, metrics).disagreements() + against_metrics(rows, metrics)
        if not found or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    told = _Journal.read(house.journal_file)
    pressed = {event.who for event in events if event.what == "pressed"}
    for what, callers, meant in (
        ("reported", told.reported, Wish.REPORT),
        ("asked to be called back", told.called_back, Wish.CALLBACK),
    ):
        others = {who for who in callers if who not in pressed or wish[who] is not meant}
        if others:
            found.append(f"{len(others)} callers {what} by the journal and never pressed that")
    answered = told.heard | told.reported | told.called_back | told.talked
    refused = {who for who in sipp.dialled if not sipp.admitted[who]}
    return Served(
        offered, len(sipp.dialled), len(told.heard), len(told.reported), len(told.called_back),
        len(told.reached), len(told.talked), len(told.in_vain), len(refused),
        len(answered), sum(sipp.dialled.values()), [*faults, *found],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Journal:
    """Callers' numbers, by what the journal says that they got."""

    heard: set[str]
    reported: set[str]
    called_back: set[str]
    reached: set[str]
    talked: set[str]
    in_vain: set[str]

    @classmethod
    def read(cls, file: Path) -> _Journal:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)) as journal:

            def of(query: str) -> set[str]:
                return {who for (who,) in journal.execute(query)}

            talked = of("SELECT caller FROM calls WHERE outcome='answered' AND direction='inbound'")
            reached = of(
                "SELECT caller FROM calls WHERE outcome='answered' AND direction='outbound'"
            )
            gave_up = of(
                "SELECT caller FROM calls WHERE direction='inbound' AND queued_at IS NOT NULL"
                " AND outcome IN ('abandoned', 'released') AND reason <> 'callback'"
            )
            return cls(
                of("SELECT caller FROM calls JOIN hearings USING (call_id) WHERE hearings.whole"),
                of("SELECT caller FROM outage_reports"),
                of("SELECT caller FROM callbacks"),
                reached,
                talked,
                gave_up - talked - reached,
            )


def table(days: list[Served]) -> str:
    """In Markdown."""
    heads = [
        "", "callers", "calls", "heard the statement", "reported", "callback promised",
        "called back", "talked", "waited in vain", "only heard busy", "an answer of any kind",
    ]  # fmt: skip
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for one in days:
        figures = (
            one.callers, one.calls, one.heard, one.reported, one.called_back, one.reached,
            one.talked, one.waited_in_vain, one.rejected,
        )  # fmt: skip
        share = f"{one.answered} ({one.answered / max(1, one.callers):.0%})"
        lines.append([one.offered.name, *map(str, figures), share])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """The command."""
    parser = day_parser(__doc__ or "", 3, 720)
    parser.prog = "tests/bench/served"
    parser.add_argument("--capacity", type=int, default=60, help="seats (default %(default)s)")
    parser.add_argument("--agents", type=int, default=9, help="default %(default)s")
    parser.add_argument(
        "--crowding",
        type=float,
        default=1.0,
        help="times: so many fewer seats (default %(default)s)",
    )
    names = [offered.name for offered in VARIANTS]
    parser.add_argument(
        "--only", choices=names, action="append", help="one of them; may be given again"
    )
    parser.add_argument(
        "--out", type=Path, default=REPO / ".cache/served", help="folder of the logs"
    )
    asked = parser.parse_args()
    if not 0 < asked.crowding <= asked.capacity:
        parser.error("--crowding must be above 0 and leave one seat")
    seed = 804 if asked.seed is None else asked.seed
    day = Day(asked.calls, asked.minutes, asked.capacity, asked.agents, seed)
    wished = ", ".join(f"{count} {wish}" for wish, count in sorted(counts(day).items()))
    console.print(
        f"{day.calls} callers in {day.minutes:g} min, {seats_of(day, asked.crowding)} seats,"
        f" {day.agents} agents,"
        f" talk {day.talk:.1f} s, seed {seed}. They wish: {wished}"
    )
    days = []
    for offered in VARIANTS:
        if asked.only and offered.name not in asked.only:
            continue
        try:
            days.append(live(day, offered, asked.crowding, asked.out))
        except (LauncherError, LoadError, RuntimeError) as error:
            print(f"served: {offered.name}: {error}", file=sys.stderr)
            return 1
        console.print(f"{offered.name}: {days[-1].answered} of {days[-1].callers} had an answer")
        for fault in days[-1].faults:
            console.print(f"DOES NOT HOLD: {fault}", style="red", highlight=False)
    print(f"\n{table(days)}")
    return 1 if any(one.faults for one in days) else 0


if __name__ == "__main__":
    sys.exit(main())
