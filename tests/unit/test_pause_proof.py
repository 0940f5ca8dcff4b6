"""The proof knows of recording pauses: silence in them is no fault, sound in them is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pln_ivr.journal import RecordingPauseRow
from pln_ivr.outcomes import PauseEnd, RecordingFault
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec, Side
from pln_ivr.recordings.manifest import Facts, Pause, from_json, judge, pauses_of, to_json
from pln_ivr.recordings.sound import RATE, Samples
from pln_ivr.recordings.store import LocalStore
from tests.archiving import AGENT_HZ, CUSTOMER_HZ, raw_of, spool_file, tone

NAME = "2026/11/23/call-1/offer-1"
NOON = datetime(2026, 11, 23, 5, tzinfo=UTC)


def facts(talked: float, *pauses: tuple[float, float]) -> Facts:
    """Of a conversation of so many seconds, paused from, to."""
    return Facts(
        name=NAME,
        call_id="call-1",
        began_at=NOON,
        ended_at=NOON + timedelta(seconds=talked),
        pauses=[
            Pause(
                began_at=NOON + timedelta(seconds=begin),
                ended_at=NOON + timedelta(seconds=end),
                ordered_by="101",
                end="resumed",
            )
            for begin, end in pauses
        ],
    )


def muted(samples: Samples, *places: tuple[float, float]) -> Samples:
    made = samples.copy()
    for begin, end in places:
        made[round(begin * RATE) : round(end * RATE)] = 0
    return made


def faults_of(tmp_path: Path, told: Facts, customer: Samples, agent: Samples) -> Sequence[str]:
    raw = spool_file(tmp_path / "spool", NAME, raw_of(customer, agent))
    made = Archive(LocalStore(tmp_path / "archive"), Codec.FLAC).file(raw, told)
    assert from_json(to_json(made), "key") == made
    assert made.pauses == told.pauses
    return made.faults


def test_silence_in_a_pause_is_no_fault(tmp_path: Path) -> None:
    pause = (3.0, 9.0)
    both = [muted(tone(hertz, 12), pause) for hertz in (CUSTOMER_HZ, AGENT_HZ)]
    assert faults_of(tmp_path, facts(12, pause), *both) == []


@pytest.mark.parametrize("which", [0, 1])
def test_sound_in_a_pause_is_a_fault(tmp_path: Path, which: int) -> None:
    pause = (3.0, 9.0)
    both = [muted(tone(hertz, 12), pause) for hertz in (CUSTOMER_HZ, AGENT_HZ)]
    both[which][5 * RATE : round(5.3 * RATE)] = tone(CUSTOMER_HZ, 0.3)
    assert faults_of(tmp_path, facts(12, pause), *both) == [RecordingFault.HEARD_IN_PAUSE]


def test_the_edges_of_a_pause_are_not_judged(tmp_path: Path) -> None:
    late = (3.4, 8.6)
    both = [muted(tone(hertz, 12), late) for hertz in (CUSTOMER_HZ, AGENT_HZ)]
    assert faults_of(tmp_path, facts(12, (3.0, 9.0)), *both) == []


def test_who_spoke_only_in_a_pause_is_not_flagged() -> None:
    silent, speaking = Side(0.0, 14.0, 6.0), Side(6.0, 0.0, 0.0)
    spoke = msgspec.structs.replace(facts(14, (3, 11)), customer_spoke=True)
    assert judge(spoke, 14.0, silent, speaking) == []
    without = msgspec.structs.replace(spoke, pauses=[])
    assert judge(without, 14.0, silent, speaking) == [RecordingFault.CUSTOMER_SILENT]


def test_a_pause_up_to_the_end_is_not_a_dead_microphone() -> None:
    fell, went_on = Side(20.0, 65.0, 12.0), Side(30.0, 0.0, 0.0)
    assert judge(facts(100), 100.0, fell, went_on) == [RecordingFault.CUSTOMER_FELL_SILENT]
    assert judge(facts(100, (60, 100)), 100.0, fell, went_on) == []
    assert judge(facts(100, (10, 34)), 100.0, fell, went_on) == [
        RecordingFault.CUSTOMER_FELL_SILENT
    ], "one that was over before explains nothing"


def test_a_file_that_is_too_short_is_so_in_spite_of_a_pause(tmp_path: Path) -> None:
    both = [muted(tone(hertz, 8), (2.0, 6.0)) for hertz in (CUSTOMER_HZ, AGENT_HZ)]
    assert RecordingFault.SHORT in faults_of(tmp_path, facts(12, (6.0, 10.0)), *both)


def test_pauses_lie_in_the_file_by_its_end() -> None:
    assert facts(10, (2, 4)).paused(10.5) == [(2.5, 4.5)]
    assert facts(10, (2, 5)).silent(10.5) == [(3.5, 4.5)]
    assert facts(10, (2, 4)).silent(10.5) == []
    assert facts(10, (-3, -1)).paused(10.0) == []
    assert facts(10, (8, 12)).paused(10.0) == [(8.0, 10.0)]
    assert Facts(name=NAME, call_id="c").paused(10.0) == []


def test_a_file_is_not_short_of_time_in_which_nobody_knows_whether_they_talked() -> None:
    told, side = facts(12), Side(8.0, 0.0, 0.0)
    assert judge(told, 8.0, side, side) == [RecordingFault.SHORT]
    assert judge(msgspec.structs.replace(told, end_seen=False), 8.0, side, side) == []


def test_only_pauses_that_were_and_are_over_count() -> None:
    row = RecordingPauseRow(
        pause_id="p",
        sequence=2,
        node="pln-1",
        call_id="c",
        offer_id="o",
        agent="101",
        ordered_by="dewi",
        began_at=NOON,
        ended_at=NOON + timedelta(seconds=5),
        end=PauseEnd.LIMIT,
    )
    refused, open_ = replace(row, end=PauseEnd.REFUSED), replace(row, ended_at=None, end=None)
    assert pauses_of([row, refused, open_]) == [
        Pause(began_at=NOON, ended_at=NOON + timedelta(seconds=5), ordered_by="dewi", end="limit")
    ]


def test_a_manifest_of_an_earlier_version_has_no_pauses(tmp_path: Path) -> None:
    raw = spool_file(tmp_path, NAME, raw_of(tone(CUSTOMER_HZ, 1), tone(AGENT_HZ, 1)))
    made = Archive(LocalStore(tmp_path / "archive"), Codec.FLAC).file(raw, facts(1))
    fields = msgspec.json.decode(to_json(made))
    del fields["pauses"]
    assert from_json(msgspec.json.encode(fields), "key") == made
    assert made.pauses == []
