"""A real S3 server for tests, on loopback, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from native.pbx import free_port
from pln_ivr.recordings.jobs import S3Place

START_SECONDS = 30.0


@dataclass
class S3Server:
    """The server; it forgets everything when it is stopped."""

    port: int = field(default_factory=lambda: free_port())
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def place(self, bucket: str = "rekaman", prefix: str = "pln/arsip") -> S3Place:
        """A bucket there, as the settings would have it."""
        return S3Place(
            bucket=bucket,
            prefix=prefix,
            endpoint=self.url,
            region="us-east-1",
            access_key="tests",
            secret_key="not-a-secret",
            seconds=5.0,
        )

    def start(self, bucket: str = "rekaman") -> None:
        """Start it, with one empty bucket."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        request = urllib.request.Request(f"{self.url}/{bucket}", method="PUT")
        # Whose buckets these are is told by the region in the signature; this one is not checked.
        request.add_header(
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request",
        )
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """One that runs for the body's duration."""
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
