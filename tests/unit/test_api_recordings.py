"""The API's recordings, on a real journal and archive: found, played in parts, each access kept."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pln_ivr.console import api_recordings
from pln_ivr.console import replay as replay_module
from pln_ivr.console.replay import JournalReplay
from pln_ivr.journal.catalogue import Catalogue
from pln_ivr.journal.custody import Custody, Someone
from pln_ivr.outcomes import IncidentKind, Reason, Result
from pln_ivr.recordings.library import Library
from pln_ivr.recordings.sealing import Keys, seal
from tests.unit.api_house import Client, House, served, shown
from tests.unit.test_journal import call
from tests.unit.test_journal_questions import incident
from tests.unit.test_verify import Day, name

KEYS = Keys("k1", {"k1": bytes(range(32))})


class Asking:
    """Somebody who asks of a day with two recordings, the second one encrypted."""

    def __init__(self, client: Client, day: Day, contents: list[bytes]) -> None:
        self.client, self.day, self.contents = client, day, contents
        self.now = 0.0

    async def get(self, path: str, token: str = "supervisors", **query: str) -> tuple[int, Any]:
        headers = shown(token)
        async with self.client.get(f"/api{path}", params=query, headers=headers) as answer:
            return answer.status, await answer.json()

    async def sound(
        self, n: int, token: str = "supervisors", why: str = "keluhan 4711", **headers: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        path, query = f"/api/recordings/offer-{n}/sound", {"reason": why}
        sent = shown(token) | {key.replace("_", "-"): text for key, text in headers.items()}
        async with self.client.get(path, params=query, headers=sent) as answer:
            return answer.status, await answer.read(), answer.headers

    def accesses(self, n: int) -> list[tuple[str, str, str]]:
        with Catalogue(self.day.url) as catalogue:
            rows = catalogue.accesses_of(f"offer-{n}")
        return [(row.who, row.role, row.reason) for row in rows]


@pytest_asyncio.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    day = Day(tmp_path)
    for n in (1, 2):
        filed = day.add(n)
        day.rows.append(
            call(
                f"call-{n}",
                caller=f"081200{n}",
                outcome=Result.ANSWERED,
                reason=Reason.AGENT_HUNG_UP,
            )
        )
    key = f"{name(2)}.opus"
    contents = [day.store.read(f"{name(n)}.opus") for n in (1, 2)]
    day.store.put(key, seal(contents[1], name(2), KEYS))
    day.rows.append(dataclasses.replace(filed, key_id="k1", sequence=2))
    day.rows.append(incident("i1", kind=IncidentKind.HUNG_UP_ON_CUSTOMER, offer_id="offer-1"))
    await day.store_rows()
    house = House()
    made: list[Asking] = []
    replay = JournalReplay(day.url, Library(day.store, KEYS).open, lambda: made[0].now)
    async with served(house, dataclasses.replace(house.api, replay=replay)) as client:
        made.append(Asking(client, day, contents))
        yield made[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["offer-2", "offer-1"]),
        ({"limit": "1"}, ["offer-2"]),
        ({"agent": "101", "queue": "gangguan"}, ["offer-2", "offer-1"]),
        ({"incident": "hung_up_on_customer"}, ["offer-1"]),
        ({"outcome": "abandoned"}, []),
        ({"since": "2026-11-23T12:02:00+07:00"}, ["offer-2"]),
        ({"until": "2026-11-23T05:02:00Z"}, ["offer-1"]),
        ({"held": "true"}, []),
        ({"call_id": "call-1"}, ["offer-1"]),
    ],
)
async def test_recordings_are_found(
    asking: Asking, query: dict[str, str], found: list[str]
) -> None:
    status, answer = await asking.get("/recordings", **query)
    assert (status, [one["recording_id"] for one in answer]) == (200, found)


async def test_a_number_is_looked_for_in_a_body_and_shown_masked(asking: Asking) -> None:
    assert (await asking.get("/recordings", caller="081"))[0] == 400, "not in an address"
    path = "/api/recordings/search"
    for caller, found in (("0812001", 1), ("2002", 1), ("99999", 0)):
        body = {"caller": caller}
        async with asking.client.post(path, json=body, headers=shown("operators")) as answer:
            told = await answer.json()
            assert (answer.status, len(told)) == (200, found)
            assert all(one["caller"].startswith("****") for one in told)
    for wrong in ({}, {"caller": "1"}, {"caller": "08 12"}):
        async with asking.client.post(path, json=wrong, headers=shown("operators")) as answer:
            assert answer.status == 400


async def test_one_recording_tells_what_proves_it(asking: Asking) -> None:
    status, told = await asking.get("/recordings/offer-1")
    assert status == 200
    assert (told["agent"], told["outcome"], told["incidents"]) == (
        "101",
        "answered",
        ["hung_up_on_customer"],
    )
    assert len(told["sha256"]) == 64
    assert (told["held"], told["faults"], told["caller"]) == (False, [], "****001")
    assert await asking.get("/recordings/offer-9") == (
        404,
        {"error": "there is no such recording", "field": None},
    )


@pytest.mark.parametrize("n", [1, 2], ids=["plain", "encrypted"])
async def test_the_whole_sound(asking: Asking, n: int) -> None:
    status, body, headers = await asking.sound(n)
    assert (status, body) == (200, asking.contents[n - 1])
    assert headers["Content-Type"] == "audio/ogg"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("n", [1, 2], ids=["plain", "encrypted"])
@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-", 0, None),
        ("bytes=0-99", 0, 100),
        ("bytes=100-299", 100, 300),
        ("bytes=-50", -50, None),
        ("bytes=500-99999999", 500, None),
    ],
)
async def test_a_part_of_the_sound(
    asking: Asking, n: int, wanted: str, start: int, stop: int | None
) -> None:
    status, body, headers = await asking.sound(n, Range=wanted)
    content = asking.contents[n - 1]
    assert (status, body) == (206, content[start:stop])
    first = len(content) + start if start < 0 else start
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(content)}"


async def test_blocks_are_put_together_without_a_seam(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_recordings, "BLOCK_BYTES", 7)
    assert (await asking.sound(2))[1] == asking.contents[1]
    assert (await asking.sound(2, Range="bytes=3-40"))[1] == asking.contents[1][3:41]


async def test_parts_that_there_are_not(asking: Asking) -> None:
    status, _, headers = await asking.sound(1, Range="bytes=99999999-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(asking.contents[0])}")
    status, body, _ = await asking.sound(1, Range="lines=1-2")
    assert (status, body) == (200, asking.contents[0]), "what cannot be read is no range"
    status, body, _ = await asking.sound(1, Range="bytes=0-1", If_Range='"another"')
    assert (status, body) == (200, asking.contents[0]), "it is another file than the player has"
    _, _, headers = await asking.sound(1)
    status, body, _ = await asking.sound(1, Range="bytes=0-1", If_Range=headers["ETag"])
    assert (status, body) == (206, asking.contents[0][:2])


async def test_who_listens_is_journalled_once_for_each_time_and_reason(asking: Asking) -> None:
    for wanted in ("bytes=0-9", "bytes=10-", "bytes=5-6"):
        await asking.sound(1, Range=wanted)
    assert asking.accesses(1) == [("budi", "supervisor", "keluhan 4711")]
    await asking.sound(1, why="pelatihan")
    await asking.sound(1, token="operators")
    asking.now += replay_module.LISTENING_SECONDS + 1
    await asking.sound(1)
    assert asking.accesses(1) == [
        ("budi", "supervisor", "keluhan 4711"),
        ("budi", "supervisor", "pelatihan"),
        ("node-red", "operator", "keluhan 4711"),
        ("budi", "supervisor", "keluhan 4711"),
    ]
    status, told = await asking.get("/recordings/offer-1/accesses")
    assert (status, [one["who"] for one in told]) == (200, ["budi", "budi", "node-red", "budi"])
    assert asking.accesses(2) == []


@pytest.mark.parametrize("why", ["", " ", "x" * 501, "a\nb"])
async def test_nothing_is_heard_without_a_reason(asking: Asking, why: str) -> None:
    status, _, _ = await asking.sound(1, why=why)
    assert status in (400, 422)
    assert asking.accesses(1) == []


async def test_agents_hear_nothing(asking: Asking) -> None:
    assert (await asking.sound(1, token="agents"))[0] == 403
    assert asking.accesses(1) == []


async def test_what_was_deleted_is_said_to_be(asking: Asking) -> None:
    with Custody(asking.day.url) as custody:
        custody.delete("offer-1", Someone("rudi", "operator", "hak hapus"))
    status, body, _ = await asking.sound(1)
    assert status == 404
    assert b"it was deleted on 20" in body
    assert (await asking.get("/recordings/offer-1"))[1]["deleted_at"]
    assert (await asking.get("/recordings"))[1][0]["recording_id"] == "offer-2"


async def test_without_a_journal_nothing_is_heard(asking: Asking) -> None:
    """Who cannot be journalled does not listen."""
    os.unlink(asking.day.url.removeprefix("sqlite:///"))
    assert (await asking.sound(1))[0] == 503


async def test_a_file_that_is_gone_or_was_altered_is_503(asking: Asking) -> None:
    asking.day.store.delete(f"{name(1)}.opus")
    status, body, _ = await asking.sound(1)
    assert status == 503
    assert b"the archive did not answer" in body
    path = asking.day.archive / f"{name(2)}.opus"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert (await asking.sound(2))[0] == 503
