"""What archiving costs, and how much smaller it makes a recording: ratio, processor time, and how
much of the one side is heard on the other.

The conversation is made of the prompts' speech (espeak-ng's voice in the telephone's band, A-law's
steps) with the noise of a line: in turns of five seconds the customer speaks, the agent, both.
Processor time is this process's own. The share of a core is for as many conversations at once as
PLN had agents (105): archiving has to keep up with them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from pln_ivr.calls.prompt_files import build_prompts, load_texts
from pln_ivr.recordings import sound
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.sound import RATE, Samples, decode, encode
from tests.archiving import raw_of
from tests.asterisk.sound import from_alaw

REPO = Path(__file__).resolve().parents[2]
AGENTS = 105
TURN = 5 * RATE
EDGE = RATE // 10
NOISE = 10.0
"""Of the line, root mean square: -70 dB."""

console = Console()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one form."""

    name: str
    ratio: float
    kbits: float
    cpu_seconds_an_hour: float
    crosstalk_db: float
    """The loudest 20 ms on the silent side, below the speaking side's level."""

    @property
    def share_of_core(self) -> float:
        """Of a core, while all agents talk."""
        return self.cpu_seconds_an_hour / 3600 * AGENTS


def conversation(folder: Path, seconds: float) -> tuple[Samples, Samples]:
    """The customer and the agent."""
    build_prompts(load_texts(REPO / "asterisk-conf/prompts/id.toml"), folder)
    said = [np.array(from_alaw(file.read_bytes())) for file in sorted(folder.glob("*.alaw"))]
    speech = np.concatenate(said).astype(np.float64)
    frames = int(seconds * RATE) // TURN * TURN
    sides = np.random.default_rng(804).normal(0, NOISE, (2, frames))
    turns = np.arange(frames) // TURN % 3
    for side, silent in ((0, 1), (1, 0)):
        spoken = np.resize(np.roll(speech, side * len(speech) // 2), frames)
        sides[side] += np.where(turns == silent, 0.0, spoken)
    customer, agent = np.clip(sides, -32768, 32767).astype(np.int16)
    return customer, agent


def measure(name: str, raw: Path, codec: Codec) -> Cost:
    """Archive it once."""
    before = time.process_time()
    made = encode(raw, codec)
    cpu = time.process_time() - before
    return Cost(
        name=name,
        ratio=raw.stat().st_size / len(made.content),
        kbits=len(made.content) * 8 / made.seconds / 1000,
        cpu_seconds_an_hour=cpu / made.seconds * 3600,
        crosstalk_db=crosstalk(decode(made.content)),
    )


def crosstalk(both: Samples) -> float:
    """See Cost. In the turns in which one side is silent."""
    worst = -200.0
    for turn in range(len(both) // TURN):
        if turn % 3 == 2:
            continue
        speaking = turn % 3  # customer, then agent
        # Without its ends: a codec's frames reach over them.
        part = both[turn * TURN + EDGE : (turn + 1) * TURN - EDGE].astype(np.float64)
        level = np.sqrt((part[:, speaking] ** 2).mean())
        windows = part[:, 1 - speaking].reshape(-1, RATE // 50)
        loudest = np.sqrt((windows**2).mean(axis=1)).max()
        worst = max(worst, float(20 * np.log10(max(loudest, 0.1) / level)))
    return worst


def table(costs: list[Cost]) -> Table:
    made = Table(
        "form",
        "ratio",
        "kbit/s",
        "CPU s\nan hour",
        f"of a core,\n{AGENTS} agents",
        "other side,\ndB",
        title="Archiving, two channels at 8 kHz",
    )
    for cost in costs:
        made.add_row(
            cost.name,
            f"{cost.ratio:.1f}",
            f"{cost.kbits:.1f}",
            f"{cost.cpu_seconds_an_hour:.1f}",
            f"{cost.share_of_core:.0%}",
            f"{cost.crosstalk_db:.0f}",
        )
    return made


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="of conversation")
    parser.add_argument("--all", action="store_true", help="other settings of Opus as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "talk.raw")
        raw.write_bytes(raw_of(*conversation(Path(folder, "prompts"), options.seconds)))
        costs = [measure("flac", raw, Codec.FLAC)]
        costs.append(measure("opus, as set", raw, Codec.OPUS))
        if options.all:
            as_set = sound.OPUS_COMPLEXITY, sound.OPUS_BITS_PER_SECOND
            for complexity in (0, 1, 5, 10):
                for bits in (24_000, 32_000, 48_000):
                    sound.OPUS_COMPLEXITY, sound.OPUS_BITS_PER_SECOND = complexity, bits
                    name = f"opus, complexity {complexity}, {bits // 1000} kbit/s"
                    costs.append(measure(name, raw, Codec.OPUS))
            sound.OPUS_COMPLEXITY, sound.OPUS_BITS_PER_SECOND = as_set
    console.print(table(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
