"""A caller that times itself: SIPp's clock ticks in milliseconds, which is too coarse here."""

from __future__ import annotations

import socket
import threading
import time
from uuid import uuid4

_SDP = (
    "v=0\r\no=probe 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {media} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


class Probe:
    """Calls one after the other, `rate` a second, while its context lasts; hangs up at once.

    `times` are milliseconds from INVITE to the final answer. A thread of its own.
    """

    def __init__(self, sip_port: int, number: str, rate: float = 20.0) -> None:
        self.times: list[float] = []
        self.lost = 0
        self._server = ("127.0.0.1", sip_port)
        self._number = number
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Probe:
        for each in (self._sip, self._media):
            each.bind(("127.0.0.1", 0))
        self._sip.settimeout(2.0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sip.close()
        self._media.close()

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            self._call(uuid4().hex)

    def _call(self, call: str) -> None:
        sdp = _SDP.format(media=self._media.getsockname()[1])
        began = time.perf_counter()
        self._send("INVITE", call, 1, f"z9hG4bKi{call}", "", sdp)
        try:
            status, to, contact = self._final(call, "INVITE")
        except TimeoutError:
            self.lost += 1
            return
        self.times.append((time.perf_counter() - began) * 1000)
        if status >= 300:
            self._send("ACK", call, 1, f"z9hG4bKi{call}", to)
            return
        self._send("ACK", call, 1, f"z9hG4bKa{call}", to, target=contact)
        self._send("BYE", call, 2, f"z9hG4bKb{call}", to, target=contact)
        try:
            self._final(call, "BYE")
        except TimeoutError:
            self.lost += 1

    def _final(self, call: str, method: str) -> tuple[int, str, str]:
        """Status, To and Contact of the final answer; what belongs to other calls is skipped."""
        while True:
            head = self._sip.recv(65535).decode(errors="replace").split("\r\n\r\n")[0]
            lines = head.split("\r\n")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            word, _, rest = lines[0].partition(" ")
            if word != "SIP/2.0" or fields.get("call-id") != call:
                continue
            if int(rest[:3]) >= 200 and fields.get("cseq", "").endswith(method):
                contact = fields.get("contact", "").partition("<")[2].partition(">")[0]
                return int(rest[:3]), fields.get("to", ""), contact

    def _send(
        self,
        method: str,
        call: str,
        number: int,
        branch: str,
        to: str,
        sdp: str = "",
        target: str = "",
    ) -> None:
        here = f"127.0.0.1:{self._sip.getsockname()[1]}"
        there = f"sip:{self._number}@127.0.0.1:{self._server[1]}"
        lines = [
            f"{method} {target or there} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:08120000001@{here}>;tag={call[:8]}",
            f"To: {to or f'<{there}>'}",
            f"Call-ID: {call}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:08120000001@{here}>",
            *(["Content-Type: application/sdp"] if sdp else []),
            f"Content-Length: {len(sdp)}",
        ]
        self._sip.sendto(("\r\n".join(lines) + "\r\n\r\n" + sdp).encode(), self._server)
