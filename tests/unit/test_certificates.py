"""Until when a certificate is good, read from its file."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pln_ivr.certificates import expires_at, expiry


def made(folder: Path, days: int, kind: str = "ec") -> Path:
    """A self-signed certificate, made by OpenSSL."""
    options = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}[kind]
    file = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", *options, "-keyout", folder / "key.pem",
         "-out", file, "-days", str(days), "-subj", "/C=ID/O=PLN/CN=123.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


def told_by_openssl(file: Path) -> datetime:
    """What OpenSSL itself says of it."""
    told = subprocess.run(
        ["openssl", "x509", "-in", file, "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return datetime.strptime(told.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("days", [1, 365, 20_000], ids=["tomorrow", "a-year", "after-2050"])
def test_it_says_what_openssl_says(tmp_path: Path, kind: str, days: int) -> None:
    file = made(tmp_path, days, kind)
    assert expires_at(file.read_bytes()) == told_by_openssl(file)
    assert expiry(file) == pytest.approx(time.time() + days * 86400, abs=300)


def test_the_first_of_a_chain_counts(tmp_path: Path) -> None:
    first = made(tmp_path, 30).read_bytes()
    second = made(tmp_path, 900).read_bytes()
    assert expires_at(b"A text before\n" + first + second) == expires_at(first)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
    ],
    ids=["empty", "text", "another-structure", "cut-off", "no-base64"],
)
def test_what_is_none_is_refused_and_long_over(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        expires_at(text.encode())
    file = tmp_path / "certificate.pem"
    file.write_text(text)
    assert expiry(file) == 0.0


def test_a_file_that_is_not_there_is_long_over(tmp_path: Path) -> None:
    assert expiry(tmp_path / "nowhere.pem") == 0.0
