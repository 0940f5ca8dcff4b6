"""Recording pauses: what is said of a secret is in no file, and the seconds stay where they are."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pln_ivr.journal import CallRow, JournalReader, RecordingPauseRow
from pln_ivr.outcomes import PauseEnd
from pln_ivr.recordings.manifest import Manifest
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sound import Samples
from tests.archiving import manifest_of, samples_of
from tests.asterisk.talk import CUSTOMER, SITI, Talk
from tests.asterisk.world import World, eventually

RATE = 8000
EDGE = 0.4
"""Seconds that are not judged around a pause's beginning and end."""


def pauses(world: World, row: CallRow) -> list[RecordingPauseRow]:
    with JournalReader(world.journal_url) as reader:
        return reader.recording_pauses_of([offer.offer_id for offer in world.offers(row)])


def until_pauses(talk: Talk, count: int, ends: int, seconds: float = 8.0) -> None:
    """Wait until the journal has so many pauses, so many of them over."""

    def look() -> bool:
        rows = pauses(talk.world, talk.world.calls()[0])
        return len(rows) == count and sum(row.end is not None for row in rows) == ends

    eventually(look, seconds, f"{count} pauses, {ends} of them over")


def loud(samples: Samples, begin: float, end: float) -> bool:
    """Whether somebody is heard in all of it, by tenths of a second."""
    part = np.asarray(samples[round(begin * RATE) : round(end * RATE)], np.float64)
    tenths = part[: len(part) // 800 * 800].reshape(-1, 800)
    return bool(len(tenths)) and bool((np.sqrt((tenths**2).mean(axis=1)) > 1000).all())


def silent(samples: Samples, begin: float, end: float) -> bool:
    """Whether nothing at all is heard in it. Opus's own noise is below 40."""
    part = samples[round(begin * RATE) : round(end * RATE)]
    return bool(len(part)) and int(np.abs(np.asarray(part, np.int32)).max()) < 40


def ended(talk: Talk) -> tuple[CallRow, Manifest]:
    talk.ended()
    (row,) = talk.world.ended(1)
    talk.world.recording(row)
    return row, manifest_of(talk.world.archive, name_of(row.recording or ""))


def check_silence(talk: Talk, row: CallRow, manifest: Manifest) -> None:
    """Both sides of the file: silent in the pauses, loud everywhere else."""
    both = samples_of(talk.world.recording(row))
    assert manifest.ended_at is not None
    assert manifest.faults == [], "silence on purpose is no fault"
    at = 0.5  # before, one waits for the other's first packet
    for pause in manifest.pauses:
        begin = manifest.seconds - (manifest.ended_at - pause.began_at).total_seconds()
        end = manifest.seconds - (manifest.ended_at - pause.ended_at).total_seconds()
        for side in both:
            assert loud(side, at, begin - EDGE), (at, begin)
            assert silent(side, begin + EDGE, end - EDGE), (begin, end)
        at = end + EDGE
    for side in both:
        assert loud(side, at, manifest.seconds - EDGE), (at, manifest.seconds)


def test_a_key_pauses_the_recording_and_lets_it_go_on(talks: Callable[..., Talk]) -> None:
    talk = talks()
    time.sleep(1.0)
    talk.agent.press("*6")
    until_pauses(talk, 1, 0)
    time.sleep(3.0)
    assert talk.customer.hears(SITI), "they talk on"
    assert talk.agent.hears(CUSTOMER)
    talk.agent.press("*6")
    until_pauses(talk, 1, 1)
    time.sleep(2.0)
    row, manifest = ended(talk)
    (pause,) = pauses(talk.world, row)
    assert (pause.agent, pause.ordered_by, pause.ended_by) == ("101", "101", "101")
    assert pause.end is PauseEnd.RESUMED
    (told,) = manifest.pauses
    assert (told.began_at, told.ended_at, told.end) == (pause.began_at, pause.ended_at, "resumed")
    check_silence(talk, row, manifest)
    assert talk.world.metric("pln_ivr_recording_pauses_total", end="resumed") == 1


def test_a_pause_outlives_the_program_and_ends_when_it_is_forgotten(
    talks: Callable[..., Talk],
) -> None:
    talk = talks(RECORDINGS__PAUSE_SECONDS="8")
    time.sleep(1.0)
    talk.agent.press("*6")
    until_pauses(talk, 1, 0)
    talk.world.app.kill()
    talk.world.app.wait()
    talk.world.start_app()
    until_pauses(talk, 1, 1, 20)
    assert talk.world.metric("pln_ivr_recording_pauses_total", end="limit") == 1
    time.sleep(2.0)
    row, manifest = ended(talk)
    (pause,) = pauses(talk.world, row)
    assert pause.end is PauseEnd.LIMIT
    assert pause.ended_at is not None
    assert (pause.ended_at - pause.began_at).total_seconds() >= 8
    check_silence(talk, row, manifest)
