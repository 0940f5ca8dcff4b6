"""Both ends of some conversations: each sends sound, and notes when the other's packets come.

A process of its own, so that nothing else of the bench delays it; arrival times are the kernel's.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Self

from tests.asterisk.world import REPO

from .machine import percentile

FRAME_SECONDS = 0.02
_RTP = struct.Struct("!BBHII")
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")


@dataclass(frozen=True, slots=True)
class Heard:
    """What the talkers heard of each other over some time."""

    seconds: float
    sent: int
    received: int
    largest_gap_ms: float
    p99_gap_ms: float
    own_lateness_ms: float
    """How late this process itself sent a packet at worst: that much of a gap is not Asterisk's."""

    @property
    def missing(self) -> int:
        """Packets that were sent and not heard; a few may be under way at either end."""
        return max(0, self.sent - self.received)


class Talkers:
    """So many ports that talk. A context manager; `window()` reads and begins anew."""

    def __init__(self, ports: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.talkers", str(ports)],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports: list[int] = json.loads(self._answer())

    @property
    def pid(self) -> int:
        """Their process."""
        return self._process.pid

    def window(self) -> Heard:
        """What was heard since the last time; counting begins anew."""
        assert self._process.stdin
        self._process.stdin.write("window\n")
        self._process.stdin.flush()
        return Heard(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class _Leg:
    """One port: sends to whoever sent to it first."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._peer: tuple[str, int] | None = None
        self._number = 0
        self._last = 0.0
        self.received = self.sent = 0
        self.gaps: list[float] = []

    def hear(self) -> None:
        """Take a packet and note the gap before it."""
        try:
            data, extra, _, address = self.socket.recvmsg(2048, 64)
        except OSError:
            return
        if len(data) <= _RTP.size or data[1] & 0x7F not in (0, 8):
            return
        seconds, nanos = _TIMESPEC.unpack(extra[0][2][: _TIMESPEC.size])
        at = seconds + nanos / 1e9
        self.received += 1
        if self._last:
            self.gaps.append((at - self._last) * 1000)
        self._last = at
        self._peer = self._peer or address

    def say(self) -> None:
        """Send the next packet, if anybody is there."""
        if self._peer is None:
            return
        self._number += 1
        header = _RTP.pack(0x80, 8, self._number & 0xFFFF, self._number * 160 & 0xFFFFFFFF, 7)
        try:
            self.socket.sendto(header + b"\x55\xd5" * 80, self._peer)
            self.sent += 1
        except OSError:
            self._peer = None

    def reset(self) -> None:
        """Count anew; the gap that is open now goes on."""
        self.received = self.sent = 0
        self.gaps = []


class _Room:
    """The process's loop."""

    def __init__(self, ports: int) -> None:
        self._legs = [_Leg() for _ in range(ports)]
        self._by_fd = {leg.socket.fileno(): leg for leg in self._legs}
        self._poll = select.epoll()
        for number in (*self._by_fd, sys.stdin.fileno()):
            self._poll.register(number, select.EPOLLIN)
        self._began = time.monotonic()
        self._late = 0.0
        _print([leg.socket.getsockname()[1] for leg in self._legs])

    def run(self) -> None:
        """Until standard input is closed."""
        due = time.monotonic()
        while True:
            for number, _ in self._poll.poll(max(0.0, due - time.monotonic())):
                if number != sys.stdin.fileno():
                    self._by_fd[number].hear()
                elif sys.stdin.readline():
                    self._tell()
                else:
                    return
            late = time.monotonic() - due
            if late >= 0:
                self._late = max(self._late, late)
                for leg in self._legs:
                    leg.say()
                due += FRAME_SECONDS

    def _tell(self) -> None:
        gaps = [gap for leg in self._legs for gap in leg.gaps]
        heard = Heard(
            seconds=time.monotonic() - self._began,
            sent=sum(leg.sent for leg in self._legs),
            received=sum(leg.received for leg in self._legs),
            largest_gap_ms=max(gaps, default=0.0),
            p99_gap_ms=percentile(gaps, 0.99),
            own_lateness_ms=self._late * 1000,
        )
        for leg in self._legs:
            leg.reset()
        self._began, self._late = time.monotonic(), 0.0
        _print(asdict(heard))


def _print(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    _Room(int(sys.argv[1])).run()
