"""`pln-ivr recordings`: found by anybody on the machine, heard by who shows a token for it."""

from __future__ import annotations

import io
import json
import sys
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pln_ivr.journal import JournalReader
from pln_ivr.journal.catalogue import Catalogue
from pln_ivr.journal.tokens import Role, create_token
from pln_ivr.outcomes import Access, Reason, RecordingFault, Result
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.index import facts_of
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sealing import load_keys, new_key
from pln_ivr.recordings.sound import length_seconds
from tests.archiving import spool_file
from tests.unit.running import Done, Run
from tests.unit.test_journal import call
from tests.unit.test_verify import SECOND, Day, name, settings, talked

WHY = ("--reason", "keluhan 4711")


class Desk:
    """A day with two recordings, the second encrypted, and three people with tokens."""

    def __init__(self, day: Day, run: Run) -> None:
        self.day, self.run = day, run
        self.keys = day.folder / "keys"
        for role, extension in (("agent", "101"), ("supervisor", "201"), ("operator", None)):
            token, _ = create_token(day.url, f"the-{role}", Role(role), extension)
            (day.folder / role).write_text(token + "\n")

    def __call__(self, *arguments: str, role: str | None = "supervisor", **env: str) -> Done:
        shown = ("--token-file", str(self.day.folder / role)) if role else ()
        env = settings(self.day) | {"RECORDINGS__KEYS": str(self.keys)} | env
        return self.run(self.day.folder, "recordings", *arguments, *shown, **env)

    def acts(self, n: int) -> list[tuple[str, Access, str]]:
        with Catalogue(self.day.url) as catalogue:
            rows = catalogue.accesses_of(f"offer-{n}")
        return [(row.who, row.act, row.reason) for row in rows]


@pytest.fixture
async def day(tmp_path: Path) -> Day:
    made = Day(tmp_path)
    (tmp_path / "keys").touch(0o600)
    (tmp_path / "keys").write_text(new_key("2026-11"))
    ended: dict[str, Any] = {"outcome": Result.ANSWERED, "reason": Reason.AGENT_HUNG_UP}
    made.rows += [call(f"call-{n}", caller=f"+62812345{n}", **ended) for n in (1, 2)]
    made.add(1)
    second = talked(2, queue="tagihan")
    raw = spool_file(made.spool, name_of(second.recording or ""), SECOND)
    archive = Archive(made.store, Codec.FLAC, load_keys(tmp_path / "keys"))
    row = archive.file(raw, facts_of(name(2), second, None)).row("pln-1", 1)
    made.rows += [second, row]
    await made.store_rows()
    return made


@pytest.fixture
def desk(day: Day, pln_ivr: Run) -> Desk:
    return Desk(day, pln_ivr)


def test_recordings_are_listed_with_masked_numbers(desk: Desk) -> None:
    done = desk("list", role=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("offer-2") < done.stdout.index("offer-1")
    assert "*******451" in done.stdout
    assert "+62812345" not in done.stdout
    done = desk("list", "--caller", "451", "--json", role=None)
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["recording_id"], told["caller"]) == ("offer-1", "*******451")
    assert (told["uri"], told["outcome"]) == (f"archive:{name(1)}.opus", "answered")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--queue", "tagihan"), ["offer-2"]),
        (("--day", "2026-11-23"), ["offer-2", "offer-1"]),
        (("--day", "2026-11-24"), []),
        (("--since", "2026-11-23T12:02"), ["offer-2"]),
        (("--until", "2026-11-23T12:02"), ["offer-1"]),
        (("--agent", "101", "--last", "1"), ["offer-2"]),
        (("--fault", RecordingFault.SHORT), []),
        (("--held",), []),
    ],
)
def test_recordings_are_looked_for(desk: Desk, options: tuple[str, ...], found: list[str]) -> None:
    done = desk("list", "--json", *options, role=None)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["recording_id"] for line in done.stdout.splitlines()] == found


class Pipe(io.TextIOWrapper):
    """Standard output that goes to a player."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())


@pytest.mark.parametrize("n", [1, 2])
def test_a_recording_is_played_as_wav_into_a_pipe(
    desk: Desk, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Pipe()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        done = desk("play", f"offer-{n}", *WHY)
    assert done.returncode == 0, done.stderr
    with wave.open(io.BytesIO(pipe.buffer.getvalue())) as sound:  # type: ignore[attr-defined]
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 8000, 8000)
    assert desk.acts(n) == [("the-supervisor", Access.PLAY, "keluhan 4711")]


def test_copies_are_in_the_clear_with_their_manifests(desk: Desk) -> None:
    out = desk.day.folder / "out"
    done = desk("export", "offer-1", "offer-2", "--out", str(out), *WHY)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        *("offer-1.json", "offer-1.opus", "offer-2.flac", "offer-2.json")
    ]
    assert length_seconds((out / "offer-2.flac").read_bytes()) == 1.0
    assert json.loads((out / "offer-2.json").read_bytes())["agent"] == "101"
    assert desk.acts(2) == [("the-supervisor", Access.EXPORT, "keluhan 4711")]
    done = desk("export", "offer-1", "--out", str(out), *WHY)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    done = desk("export", "offer-2", "--wav", "--out", str(out / "wav"), *WHY)
    assert (out / "wav/offer-2.wav").read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize(
    "command",
    [
        ("play", "offer-1"),
        ("export", "offer-1", "--out", "x"),
        ("hold", "offer-1"),
        ("release", "offer-1"),
        ("delete", "offer-1"),
    ],
    ids=lambda command: str(command[0]),
)
def test_without_the_role_nothing_is_had(desk: Desk, command: tuple[str, ...]) -> None:
    (desk.day.folder / "nobody").write_text("pln_made_up\n")
    for role, why in (("agent", "the-agent is agent"), ("nobody", "nobody has this token")):
        done = desk(*command, *WHY, role=role)
        assert (done.returncode, done.stdout) == (1, "")
        assert why in done.stderr
    for wrong in (desk(*command, *WHY, role=None), desk(*command, *WHY, role="missing")):
        assert wrong.returncode == 2
        assert "--token-file" in wrong.stderr
    assert desk(*command).returncode == 2, "and not without a reason"
    assert desk(*command, "--reason", " ").returncode == 1
    assert desk.acts(1) == []


def test_what_is_held_is_not_deleted(desk: Desk) -> None:
    assert desk("hold", "offer-1", *WHY).stdout == "offer-1: held by the-supervisor\n"
    done = desk("delete", "offer-1", *WHY, role="operator")
    assert done.returncode == 1
    assert "on legal hold by the-supervisor (keluhan 4711)" in done.stderr
    assert "held" in desk("list", "--held", role=None).stdout
    done = desk("release", "offer-1", *WHY)
    assert "for the roles operator" in done.stderr
    assert desk("release", "offer-1", *WHY, role="operator").returncode == 0
    done = desk("delete", "offer-1", *WHY, role="operator")
    assert done.stdout == "offer-1: deleted by the-operator\n"
    assert [act for _, act, _ in desk.acts(1)] == [Access.HOLD, Access.RELEASE, Access.DELETE]
    assert not (desk.day.archive / f"{name(1)}.opus").exists()
    told = desk("accesses", "offer-1", role=None).stdout
    assert told.index("hold") < told.index("release") < told.index("delete")
    assert "the-operator" in told
    assert "the-operator" in desk("accesses", role=None).stdout, "today's"


QUEUES = """
[recordings]
retention_days = 5
[menu]
entry = ""
[queues.names.gangguan]
[queues.names.tagihan]
retention_days = 30
"""


async def test_retention_is_each_queues_own(day: Day, desk: Desk) -> None:
    lately = datetime.now(UTC) - timedelta(days=10)
    times = {"talking_at": lately, "talked_until": lately + timedelta(seconds=1)}
    for n, queue in ((3, "gangguan"), (4, "tagihan")):
        day.add(n, queue=queue, **times)
    await day.store_rows()

    def left() -> set[int]:
        with JournalReader(day.url) as reader:
            rows = {n: reader.recording(f"offer-{n}") for n in (3, 4)}
        return {n for n, row in rows.items() if row and not row.deleted_at}

    done = desk("purge", role=None)
    assert (done.returncode, done.stdout) == (0, ""), "nothing, ever, unless it is set"
    config = day.folder / "config.toml"
    config.write_text(QUEUES)
    done = desk("purge", "--dry-run", "--config", str(config), role=None)
    assert done.returncode == 0, done.stderr
    assert "would be deleted" in done.stdout
    assert left() == {3, 4}
    done = desk("purge", "--config", str(config), role=None)
    assert (done.returncode, left()) == (0, {4})
    assert not (day.archive / f"{name(3)}.opus").exists()
    assert (day.archive / f"{name(4)}.opus").exists()
    assert desk.acts(3) == [("retention", Access.DELETE, "kept for 5 days")]
