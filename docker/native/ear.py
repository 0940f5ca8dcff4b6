"""Mouth and ear of one scripted phone: counts and keeps the RTP it hears, answers with a tone."""

from __future__ import annotations

import secrets
import select
import socket
import struct
import threading
import time
from collections import deque
from pathlib import Path

from native.keys import events

_FRAME = 160  # 20 ms of alaw
_FRAME_SECONDS = 0.02
_RTP_HEADER = struct.Struct("!BBHII")


class Ear:
    """One RTP port. It sends `tone` (raw alaw, looped) to whoever sent it a packet first.

    A context manager; a thread of its own. Meant for a few calls at a time, not for load.
    """

    def __init__(
        self, tone: Path | None = None, *, keep: bool = True, in_time: bool = False
    ) -> None:
        """`in_time`: at each moment it is at the same place of its tone as all others that are."""
        self.packets = 0
        """RTP packets received so far."""
        self.heard = bytearray()
        """Their audio, raw alaw, in order of arrival; empty if `keep` is false."""
        self.first_at: float | None = None
        """time.monotonic() of the first packet."""
        self.late: dict[int, float] = {}
        """By how many seconds the beginning of its tone was sent late, if it keeps time: by the
        number of 20 ms since the clock's own beginning, which is the same for all ears."""
        self._keep = keep
        self._in_time = in_time
        self._tone = tone.read_bytes() if tone else b""
        self._peer: tuple[str, int] | None = None
        self._keys: deque[tuple[bytes, bool]] = deque()
        self._socket = _even_port()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ear-{self.port}", daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Ear:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def press(self, keys: str) -> None:
        """Press keys (RFC 4733) from now on, as soon as there is somebody to tell."""
        for key in keys:
            self._keys.extend([*events(key), *[(b"", False)] * 5])

    def _run(self) -> None:
        sequence, stamp, source = 0, 0, secrets.randbits(32)
        position, pressed_at = 0, 0
        due = time.monotonic()
        while not self._stop.is_set():
            wait = max(0.0, due - time.monotonic()) if self._peer and self._tone else 0.05
            if select.select([self._socket], [], [], min(wait, 0.05))[0]:
                self._receive()
            if not (self._peer and self._tone) or time.monotonic() < due:
                continue
            if self._in_time and not sequence:
                ticks = int(time.monotonic() / _FRAME_SECONDS) + 1
                due, position = ticks * _FRAME_SECONDS, ticks * _FRAME % len(self._tone)
                time.sleep(max(0.0, due - time.monotonic()))
            frame, marker = self._keys.popleft() if self._keys else (b"", False)
            if marker:
                pressed_at = stamp
            kind, at = (101 | marker << 7, pressed_at) if frame else (8, stamp)
            frame = frame or (self._tone * 2)[position : position + _FRAME]
            header = _RTP_HEADER.pack(0x80, kind, sequence & 0xFFFF, at & 0xFFFFFFFF, source)
            self._send(header + frame)
            if self._in_time and not position:
                self.late[round(due / _FRAME_SECONDS)] = time.monotonic() - due
            position = (position + _FRAME) % len(self._tone)
            sequence, stamp = sequence + 1, stamp + _FRAME
            # Who keeps time makes up for every packet that is late.
            due = due + _FRAME_SECONDS
            if not self._in_time:
                due = max(due, time.monotonic() - 0.1)

    def _receive(self) -> None:
        try:
            data, address = self._socket.recvfrom(2048)
        except OSError:
            return  # an ICMP error of an earlier packet: the other side closed its port
        if len(data) <= _RTP_HEADER.size or data[1] & 0x7F not in (0, 8):
            return
        self.packets += 1
        if self.first_at is None:
            self.first_at = time.monotonic()
            self._peer = address
        if self._keep:
            self.heard += data[_RTP_HEADER.size :]

    def _send(self, packet: bytes) -> None:
        if self._peer is not None:
            try:
                self._socket.sendto(packet, self._peer)
            except OSError:
                self._peer = None  # closed over there: the call is over


def _even_port() -> socket.socket:
    for _ in range(200):
        candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            candidate.bind(("127.0.0.1", 14000 + 2 * secrets.randbelow(2900)))
            return candidate
        except OSError:
            candidate.close()
    raise OSError("no free RTP port between 14000 and 19800")
