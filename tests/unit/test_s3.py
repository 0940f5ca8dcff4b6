"""The archive in a bucket, on a real S3 server: as in a folder, and what goes wrong there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from pln_ivr.config import load
from pln_ivr.errors import ConfigError, RecordingError
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import ArchiveSettings, Job, S3Place
from pln_ivr.recordings.library import Library
from pln_ivr.recordings.s3 import S3Store
from pln_ivr.recordings.sealing import load_keys, new_key
from pln_ivr.recordings.sound import length_seconds
from pln_ivr.recordings.store import LocalStore, Store, key_of
from pln_ivr.recordings.stores import Moved, open_store
from pln_ivr.recordings.workers import open_workers
from pln_ivr.rules import archive_of
from tests.archiving import spool_file
from tests.s3 import S3Server, s3_server
from tests.unit.test_filing import FACTS, NAME, THREE


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["folder", "bucket", "moved"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    folder = LocalStore(tmp_path / "archive")
    if request.param == "folder":
        yield folder
        return
    server: S3Server = request.getfixturevalue("server")
    bucket = S3Store(server.place(prefix=tmp_path.name))
    yield bucket if request.param == "bucket" else Moved(bucket, folder)


KEY = "2026/11/23/call-1/offer-1.opus"


def test_what_is_put_is_there_whole_and_in_parts(store: Store) -> None:
    assert store.size(KEY) is None
    store.put(KEY, b"0123456789")
    assert store.size(KEY) == 10
    assert store.read(KEY) == b"0123456789"
    assert store.read(KEY, 4) == b"456789"
    assert store.read(KEY, 4, 3) == b"456"
    assert store.read(KEY, 8, 100) == b"89"
    assert store.read(KEY, 10, 5) == b""
    assert store.read(KEY, 2, 0) == b""
    assert key_of(store.uri(KEY)) == KEY
    store.put(KEY, b"other")
    assert store.read(KEY) == b"other"


def test_what_is_not_there_cannot_be_read_and_is_told(store: Store) -> None:
    with pytest.raises(RecordingError, match="offer-1"):
        store.read(KEY)
    assert store.delete(KEY) is False


def test_what_is_deleted_is_gone(store: Store) -> None:
    store.put(KEY, b"sound")
    assert store.delete(KEY) is True
    assert store.size(KEY) is None


def test_keys_come_by_folder_and_in_order(store: Store) -> None:
    for name in ("2026/11/23/b/2.opus", "2026/11/23/a/1.opus", "2026/11/24/c/3.opus"):
        store.put(name, b"x" * len(name))
    assert [one.key for one in store.keys("2026/11/23/")] == [
        "2026/11/23/a/1.opus",
        "2026/11/23/b/2.opus",
    ]
    assert {one.key: one.size for one in store.keys("")}["2026/11/24/c/3.opus"] == 19
    assert list(store.keys("2026/12/01/")) == []


def test_what_lay_in_the_folder_is_found_there_still(server: S3Server, tmp_path: Path) -> None:
    folder, bucket = LocalStore(tmp_path), S3Store(server.place(prefix=tmp_path.name))
    folder.put("2025/01/01/c/old.opus", b"old")
    both = Moved(bucket, folder)
    both.put("2026/01/01/c/new.opus", b"new")
    assert both.read("2025/01/01/c/old.opus") == b"old"
    assert [one.key for one in both.keys("")] == ["2025/01/01/c/old.opus", "2026/01/01/c/new.opus"]
    assert folder.size("2026/01/01/c/new.opus") is None
    assert bucket.size("2025/01/01/c/old.opus") is None
    assert both.delete("2025/01/01/c/old.opus")
    assert folder.size("2025/01/01/c/old.opus") is None


def test_a_recording_is_sealed_before_it_leaves_and_opens_again(
    server: S3Server, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(new_key("2026-11"))
    settings = ArchiveSettings(
        folder=str(tmp_path / "archive"),
        codec=Codec.OPUS,
        keys=str(keys),
        s3=server.place(prefix=tmp_path.name),
    )
    store = open_store(settings)
    raw = spool_file(tmp_path / "spool", NAME, THREE)
    manifest = Archive(store, Codec.OPUS, load_keys(keys)).file(raw, FACTS)
    assert manifest.uri == f"s3:{NAME}.opus"
    stored = S3Store(server.place(prefix=tmp_path.name)).read(f"{NAME}.opus")
    assert b"OggS" not in stored
    sound = Library.of(settings).open(manifest.row("pln-1", 1))
    assert length_seconds(sound.read(0, sound.length)) == pytest.approx(3.0)
    assert not (tmp_path / "archive").exists(), "nothing is in the folder"


async def test_while_the_server_is_away_the_raw_file_stays_and_is_filed_later(
    tmp_path: Path,
) -> None:
    server = S3Server()
    settings = ArchiveSettings(folder=str(tmp_path), codec=Codec.FLAC, s3=server.place())
    raw = spool_file(tmp_path / "spool", NAME, THREE)
    job = Job(raw=str(raw), facts=FACTS, at_least_seconds=0.0)
    async with open_workers(settings, 1) as workers:
        with pytest.raises(RecordingError, match=r"bucket rekaman cannot .*error sending request"):
            await workers.file(job)
        assert raw.read_bytes() == THREE
        await asyncio.to_thread(server.start)
        try:
            answer = await workers.file(job)
            assert answer.manifest
            assert S3Store(server.place()).size(f"{NAME}.flac") == answer.manifest.bytes
        finally:
            server.stop()


def test_a_bucket_that_is_not_there_is_named(server: S3Server) -> None:
    store = S3Store(server.place(bucket="tidak-ada"))
    with pytest.raises(RecordingError, match=r"no such bucket \(recordings\.s3\.bucket\)"):
        store.put(KEY, b"sound")


@dataclass
class Refusing:
    """An S3 server that answers everything with one status."""

    status: int

    def __enter__(self) -> S3Place:
        status = self.status

        class Handler(BaseHTTPRequestHandler):
            def _refuse(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_PUT = do_HEAD = do_DELETE = _refuse

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        return S3Server(self._server.server_port).place()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_said_to_be_it(status: int) -> None:
    with Refusing(status) as place, pytest.raises(RecordingError) as refused:
        S3Store(place).put(KEY, b"sound")
    assert "are recordings.s3.access_key and secret_key right" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert place.secret_key not in str(refused.value) + repr(place)


def test_a_server_with_a_fault_is_one_line() -> None:
    with Refusing(500) as place, pytest.raises(RecordingError, match="cannot read") as failed:
        S3Store(place).size(KEY)
    assert "\n" not in str(failed.value)


def test_without_the_package_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pln_ivr.recordings.s3", None)
    settings = ArchiveSettings(folder=str(tmp_path), codec=Codec.OPUS, s3=S3Server().place())
    with pytest.raises(ConfigError, match=r"pip install 'pln-ivr\[s3\]'"):
        open_store(settings)
    assert isinstance(open_store(msgspec.structs.replace(settings, s3=None)), LocalStore)


def test_the_settings_name_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLN_IVR_RECORDINGS__S3__SECRET_KEY", "rahasia")
    file = tmp_path / "pln-ivr.toml"
    file.write_text(
        '[recordings.s3]\nbucket = "rekaman"\nendpoint = "https://s3.example.net:9000"\n'
        'access_key = "pln"\nprefix = "pln/arsip"\n'
    )
    place = archive_of(load(file).recordings).s3
    assert place
    assert (place.bucket, place.secret_key) == ("rekaman", "rahasia")
    assert (place.endpoint, place.prefix) == ("https://s3.example.net:9000", "pln/arsip")
    assert archive_of(load(None).recordings).s3 is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('bucket = "rekaman"', "access_key and secret_key"),
        ('endpoint = "s3.example.net"', "recordings.s3.endpoint"),
        ('prefix = "/arsip/"', "recordings.s3.prefix"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "pln-ivr.toml"
    file.write_text(f"[recordings.s3]\n{line}\n")
    with pytest.raises(ConfigError, match=says):
        load(file)
