"""An archive on a real disk of its own that fills up and becomes read-only: nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.store import LocalStore
from tests.archiving import manifest_of, spool_file
from tests.unit.test_filing import FACTS, NAME, THREE


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def test_a_full_disk_and_a_read_only_one_lose_nothing(tmp_path: Path, disk: Path) -> None:
    archive = Archive(LocalStore(disk), Codec.FLAC)
    raw = spool_file(tmp_path / "spool", NAME, THREE)
    (disk / "filler").write_bytes(bytes(50_000))
    with pytest.raises(RecordingError, match=r"archive cannot write .*No space left"):
        archive.file(raw, FACTS)
    assert [path.name for path in disk.rglob("*") if path.is_file()] == ["filler"], "nothing half"
    remount(disk, "ro")
    with pytest.raises(RecordingError, match=r"archive cannot write .*Read-only"):
        archive.file(raw, FACTS)
    assert raw.read_bytes() == THREE
    remount(disk, "rw,size=10m")
    assert archive.file(raw, FACTS) == manifest_of(disk, NAME)
