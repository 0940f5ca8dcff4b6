"""Until when a certificate is good. The standard library cannot be asked that of a file."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE, _EXPLICIT_0, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def expires_at(pem: str) -> datetime:
    """The end (notAfter) of the first certificate in this text. Raises ValueError if there is
    none, or it cannot be read."""
    start = pem.find("-----BEGIN CERTIFICATE-----")
    end = pem.find("-----END CERTIFICATE-----", start)
    if start < 0 or end < 0:
        raise ValueError("no certificate in PEM format")
    der = ssl.PEM_cert_to_DER_cert(pem[start:end] + "-----END CERTIFICATE-----")
    try:
        return _not_after(der)
    except IndexError:
        raise ValueError("a certificate that is cut off") from None


def expiry(file: Path) -> float:
    """The same of a file, in seconds since 1970; 0, long ago, if it cannot be read: phones
    could not connect either."""
    try:
        return expires_at(file.read_text(encoding="ascii")).timestamp()
    except (OSError, ValueError):
        return 0.0


def _not_after(der: bytes) -> datetime:
    """RFC 5280, 4.1: Certificate { tbsCertificate { [0] version, serialNumber, signature, issuer,
    validity { notBefore, notAfter } ..."""
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    tag, _, after = _element(rest)
    if tag == _EXPLICIT_0:
        rest = after
    for _ in range(3):  # serialNumber, signature, issuer
        _, _, rest = _element(rest)
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("not an X.509 certificate")
    _, _, rest = _element(validity)
    tag, text, _ = _element(rest)
    return _time(tag, text.decode("ascii"))


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first DER element: its tag, its content, and what follows it."""
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    if at + length > len(data):
        raise IndexError
    return tag, data[at : at + length], data[at + length :]


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("not an X.509 certificate")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
