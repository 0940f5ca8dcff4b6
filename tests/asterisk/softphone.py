"""A phone that a test plays by hand: it holds, presses keys, and tells what it hears.

SIPp's phones follow a script; this one is for conversations in which the test decides as it
goes. SIP over UDP and alaw over RTP on loopback, in a thread of its own; just enough of both
to be a well-behaved phone. One call at a time.
"""

from __future__ import annotations

import re
import secrets
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self

from native.keys import events
from native.pbx import free_media_port
from native.tones import tone
from tests.asterisk.sound import RATE, from_alaw, power

FRAME = 160
FRAME_SECONDS = 0.02
ANSWER_SECONDS = 10.0
_RTP = struct.Struct("!BBHII")


@dataclass
class Dialog:
    """What the requests of one call have in common."""

    call_id: str
    local: str
    remote: str
    target: str
    cseq: int = 1


@dataclass
class Message:
    """One SIP message, taken apart."""

    first: str
    headers: dict[str, list[str]]
    body: str

    @classmethod
    def parse(cls, data: bytes) -> Message:
        head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        return cls(first, headers, body)

    def one(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


@dataclass
class Sound:
    """What a phone sends, and what it has heard: (when, alaw)."""

    tone: bytes
    position: int = 0
    sequence: int = 0
    timestamp: int = 0
    source: int = field(default_factory=lambda: secrets.randbits(32))
    keys: deque[tuple[bytes, bool]] = field(default_factory=deque)
    """Telephone events (RFC 4733) on their way: payload, marker (the first of its key)."""
    key_timestamp: int = 0
    heard: deque[tuple[float, bytes]] = field(default_factory=lambda: deque(maxlen=50 * 60))

    def packet(self) -> bytes:
        """The next 20 ms."""
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
        self.sequence = (self.sequence + 1) & 0xFFFF
        if self.keys:
            payload, marker = self.keys.popleft()
            if marker:
                self.key_timestamp = self.timestamp
            kind = 101 | (0x80 if marker else 0)
            return _RTP.pack(0x80, kind, self.sequence, self.key_timestamp, self.source) + payload
        start = self.position
        self.position = (start + FRAME) % len(self.tone)
        head = _RTP.pack(0x80, 8, self.sequence, self.timestamp, self.source)
        return head + self.tone[start : start + FRAME]


class Softphone:
    """A phone named `name` (ag-101, or a customer's number). A context manager."""

    def __init__(self, name: str, sip_port: int, hertz: float, port: int = 0) -> None:
        self.name = name
        self.ring_seconds = 0.3
        """How long it rings until somebody picks up."""
        self.rings_after = 0.0
        """How late it says that it rings; inf: never."""
        self.refusal = ""
        """Answered to every call instead, e.g. 486 Busy Here."""
        self.calls = 0
        self.answered = threading.Event()
        self.ended = threading.Event()
        self._server = ("127.0.0.1", sip_port)
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", port))
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media.bind(("127.0.0.1", free_media_port()))
        self._peer: tuple[str, int] | None = None
        self._sound = Sound(tone(hertz))
        self._dialog: Dialog | None = None
        self._version = 1
        self._ring_at: tuple[float, Message, str] | None = None
        self._answer_at: tuple[float, Message, str] | None = None
        self._finals: dict[tuple[str, int], Message] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"phone {name}", daemon=True)

    @property
    def port(self) -> int:
        """Where it speaks SIP."""
        return int(self._sip.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._sip.close()
        self._media.close()

    # -- what a person does ----------------------------------------------------------------

    def call(self, number: str) -> int:
        """Dial; returns the final status."""
        there = f"sip:{number}@127.0.0.1:{self._server[1]}"
        local = f"<sip:{self.name}@127.0.0.1:{self.port}>;tag={secrets.token_hex(4)}"
        self._dialog = Dialog(secrets.token_hex(8), local, f"<{there}>", there)
        final = self._ask("INVITE", self._sdp("sendrecv"))
        if " 200 " in f"{final.first} ":
            self._dialog.remote = final.one("to")
            found = re.search(r"<(.*?)>", final.one("contact"))
            assert found, final.headers
            self._dialog.target = found[1]
            self._listen_to(final.body)
            self.answered.set()
        self._send("ACK", self._dialog.cseq)
        return int(final.first.split()[1])

    def hold(self, on: bool = True) -> None:
        """Put the other side on hold, or talk again, as the phone's own key does."""
        assert self._dialog
        final = self._ask("INVITE", self._sdp("sendonly" if on else "sendrecv"))
        assert final.first.split()[1] == "200", final.first
        self._send("ACK", self._dialog.cseq)

    def press(self, keys: str) -> None:
        """Press keys one after the other (RFC 4733); returns when they have been sent."""
        for key in keys:
            self._sound.keys.extend(events(key))
            while self._sound.keys and not self.ended.is_set():
                time.sleep(FRAME_SECONDS)
            self._sound.keys.clear()  # what a key does may end the call at once
            time.sleep(0.08)

    def hang_up(self) -> None:
        """End the call."""
        if self._dialog and not self.ended.is_set():
            self._peer = None
            self._ask("BYE", "")
            self.ended.set()

    def be_silent(self) -> None:
        """Say nothing more."""
        self._sound.tone = b"\xd5" * len(self._sound.tone)

    # -- what a person hears ---------------------------------------------------------------

    def hears(self, *hertz: float, within: float = 6.0) -> bool:
        """Whether soon just these tones, of equal rights, are heard for a third of a second."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            shares = self.shares(*hertz, seconds=0.3)
            if shares and min(shares) > 0.3 / len(hertz) and sum(shares) > 0.75:
                return True
            time.sleep(0.05)
        return False

    def loses(self, hertz: float, within: float = 6.0) -> bool:
        """Whether soon this tone is not heard any more, whatever else is."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if not any(share > 0.05 for share in self.shares(hertz, seconds=0.3)):
                return True
            time.sleep(0.05)
        return False

    def shares(self, *hertz: float, seconds: float) -> list[float]:
        """Each tone's share of what was heard lately; nothing if too little was heard."""
        since = time.monotonic() - seconds
        sound = b"".join(payload for at, payload in tuple(self._sound.heard) if at >= since)
        if len(sound) < seconds * RATE / 2:
            return []
        samples = from_alaw(sound)
        return [power(samples, one) for one in hertz]

    @property
    def silent_for(self) -> float:
        """Seconds since the last packet of sound came."""
        heard = self._sound.heard
        return time.monotonic() - heard[-1][0] if heard else 0.0

    def hears_nothing(self, seconds: float = 0.5) -> bool:
        """Whether lately no sound at all has come."""
        time.sleep(seconds)
        since = time.monotonic() - seconds
        return not any(at >= since for at, _ in tuple(self._sound.heard))

    # -- SIP and RTP -----------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            patience = max(0.0, min(FRAME_SECONDS, due - time.monotonic()))
            for readable in select.select([self._sip, self._media], [], [], patience)[0]:
                data = readable.recv(4096)
                if readable is self._sip:
                    self._take(Message.parse(data))
                elif len(data) > 12 and data[1] & 0x7F == 8:
                    self._sound.heard.append((time.monotonic(), data[12:]))
            self._go_on_ringing()
            if time.monotonic() >= due:
                due = max(due + FRAME_SECONDS, time.monotonic() - 0.2)
                if self._peer:
                    self._media.sendto(self._sound.packet(), self._peer)

    def _go_on_ringing(self) -> None:
        if self._ring_at and time.monotonic() >= self._ring_at[0]:
            _, invite, tag = self._ring_at
            self._ring_at = None
            self._reply(invite, "180 Ringing", tag=tag)
            self._answer_at = time.monotonic() + self.ring_seconds, invite, tag
        if self._answer_at and time.monotonic() >= self._answer_at[0]:
            _, invite, tag = self._answer_at
            self._answer_at = None
            self._listen_to(invite.body)
            self._reply(invite, "200 OK", self._sdp("sendrecv"), tag)

    def _take(self, message: Message) -> None:
        if message.first.startswith("SIP/2.0"):
            number, method = message.one("cseq").split()
            if int(message.first.split()[1]) >= 200:
                self._finals[method, int(number)] = message
            return
        match message.first.split()[0]:
            case "INVITE" if self._dialog and self._dialog.call_id == message.one("call-id"):
                self._reply(message, "200 OK", self._sdp("sendrecv"))
            case "INVITE":
                self._ring(message)
            case "ACK":
                self.answered.set()
            case "BYE" | "CANCEL":
                self._reply(message, "200 OK")
                # One that is repeated may come when the next call is there already.
                if self._dialog and self._dialog.call_id == message.one("call-id"):
                    self._end_of(message)
            case _:
                self._reply(message, "200 OK")

    def _end_of(self, message: Message) -> None:
        if message.first.startswith("CANCEL") and (waits := self._ring_at or self._answer_at):
            self._reply(waits[1], "487 Request Terminated", tag=waits[2])
        self._peer, self._ring_at, self._answer_at = None, None, None
        self.ended.set()

    def _ring(self, invite: Message) -> None:
        self.calls += 1
        tag = secrets.token_hex(4)
        if self.refusal:
            self._reply(invite, self.refusal, tag=tag)
            return
        found = re.search(r"<(.*?)>", invite.one("contact"))
        self._dialog = Dialog(
            invite.one("call-id"),
            f"{invite.one('to')};tag={tag}",
            invite.one("from"),
            found[1] if found else "",
        )
        self.answered.clear()
        self.ended.clear()
        self._sound.heard.clear()
        self._reply(invite, "100 Trying")
        self._ring_at = time.monotonic() + self.rings_after, invite, tag

    def _listen_to(self, sdp: str) -> None:
        address = re.search(r"^c=IN IP4 (\S+)", sdp, re.M)
        port = re.search(r"^m=audio (\d+)", sdp, re.M)
        if address and port:
            self._peer = address[1], int(port[1])

    def _sdp(self, direction: str) -> str:
        self._version += 1
        lines = [
            "v=0",
            f"o=- 1 {self._version} IN IP4 127.0.0.1",
            "s=-",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
            f"m=audio {self._media.getsockname()[1]} RTP/AVP 8 101",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            f"a={direction}",
        ]
        return "".join(f"{line}\r\n" for line in lines)

    def _ask(self, method: str, body: str) -> Message:
        """Send a request within the dialog and wait for its final answer."""
        assert self._dialog
        self._dialog.cseq += 1
        number = self._dialog.cseq
        branch = f"z9hG4bK{secrets.token_hex(6)}"
        deadline, again = time.monotonic() + ANSWER_SECONDS, 0.0
        while (method, number) not in self._finals:
            assert time.monotonic() < deadline, f"no answer to {method}"
            if time.monotonic() >= again and not (method == "INVITE" and again):
                self._send(method, number, body, branch)
                again = time.monotonic() + 1.0
            time.sleep(0.005)
        return self._finals.pop((method, number))

    def _send(self, method: str, number: int, body: str = "", branch: str = "") -> None:
        assert self._dialog
        dialog = self._dialog
        branch = branch or f"z9hG4bK{secrets.token_hex(6)}"
        via = f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}"
        lines = [
            f"{method} {dialog.target} SIP/2.0",
            f"Via: {via};rport",
            "Max-Forwards: 70",
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {number} {method}",
        ]
        self._write(lines, body)

    def _reply(self, request: Message, status: str, body: str = "", tag: str = "") -> None:
        to = request.one("to") + (f";tag={tag}" if tag else "")
        lines = [
            f"SIP/2.0 {status}",
            *(f"Via: {via}" for via in request.headers["via"]),
            f"From: {request.one('from')}",
            f"To: {to}",
            f"Call-ID: {request.one('call-id')}",
            f"CSeq: {request.one('cseq')}",
        ]
        self._write(lines, body)

    def _write(self, lines: list[str], body: str) -> None:
        lines = [*lines, f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>"]
        if body:
            lines.append("Content-Type: application/sdp")
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self._sip.sendto(text.encode(), self._server)
