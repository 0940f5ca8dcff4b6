"""Until when a certificate is good."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509


def expires_at(pem: bytes) -> datetime:
    """The end (notAfter) of the first certificate in this PEM text. Raises ValueError if there is
    none, or it cannot be read."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def expiry(file: Path) -> float:
    """The same of a file, in seconds since 1970; 0, long ago, if it cannot be read: phones
    could not connect either."""
    try:
        return expires_at(file.read_bytes()).timestamp()
    except (OSError, ValueError):
        return 0.0
