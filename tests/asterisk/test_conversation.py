"""A whole visit to 123: notice, waiting, ringing, talking, recorded, journalled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from native.ear import Ear
from pln_ivr.outcomes import OfferResult, Reason, Result
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sealing import new_key
from tests.archiving import manifest_of
from tests.asterisk.sound import both_tones
from tests.asterisk.world import AGENT_HZ, CALLER_HZ, World, eventually


def test_caller_and_agent_talk_and_are_recorded(make_world: Callable[..., World]) -> None:
    world = make_world(["101", "102"])
    port = world.make_ready("101")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=1.0, talk=5.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=60.0, sound=caller_ear) as caller,
    ):
        seen = caller.wait(90)
        agent.stop()
    assert seen.finals == {200: 1}
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
    assert (row.queue, row.agent, row.dialled) == ("gangguan", "101", "123")
    times = [row.started_at, row.answered_at, row.notice_heard_at, row.queued_at]
    times += [row.offered_at, row.talking_at, row.ended_at]
    assert times == sorted(times, key=lambda time: time.timestamp() if time else -1.0)
    assert [offer.result for offer in world.offers(row)] == [OfferResult.ANSWERED]
    assert caller_ear.packets > 50 * 8
    assert agent_ear.packets > 50 * 4
    both_tones(world.recording(row), left=CALLER_HZ, right=AGENT_HZ, seconds=5.0)
    filed = eventually(lambda: world.ended(1)[0].recording_seconds, 10, "the length's entry")
    assert filed is not None
    assert abs(filed - 5.0) < 1.0
    world.settled()
    assert world.pbx.complaints() == []
    manifest = manifest_of(world.archive, name_of(row.recording or ""))
    assert (manifest.call_id, manifest.agent, manifest.faults) == (row.call_id, "101", [])
    assert manifest.notice_version
    assert manifest.notice_heard_at == row.notice_heard_at
    account = _verified(world)
    assert (account["conversations"], account["filed"]) == (1, 1)
    assert not any(world.pbx.monitor_dir.rglob("*.raw")), "out of the spool"


def test_a_one_way_call_is_flagged_and_a_lost_file_is_found(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(new_key("2026-11"))
    world = make_world(["101"], RECORDINGS__CODEC="flac", RECORDINGS__KEYS=str(keys))
    port = world.make_ready("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=11.0) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=60.0, sound=caller_ear) as caller,
    ):
        caller.wait(90)
        agent.stop()
    row = world.ended(1)[0]
    file = world.recording(row)
    eventually(
        lambda: world.metric("pln_ivr_recordings_faulty", fault="agent_silent") == 1, 10, "the flag"
    )
    account = _verified(world)
    assert (account["filed"], account["faults"]["agent_silent"]) == (1, 1)
    assert account["faults"]["customer_silent"] == 0
    assert b"fLaC" not in file.read_bytes(), "encrypted"
    file.unlink()
    assert _verified(world, code=1)["missing"] == 1
    world.settled()


def _verified(world: World, code: int = 0) -> dict[str, Any]:
    """What the nightly reconciliation says of this world's day."""

    def look() -> dict[str, Any]:
        done = world.command("recordings", "verify", "--json")
        assert done.returncode in (0, 1), done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        told["code"] = done.returncode
        return {} if told["waiting"] else told

    told = eventually(look, 20, "the end of all filing")
    assert told["code"] == code, told
    return told
