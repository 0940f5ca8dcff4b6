"""Somebody whom nobody knows, at an address of loopback that is no trunk's, and what they send.

Everything is bounded: so many messages, so many a second, drawn from a seed.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Self

from tests.asterisk.softphone import Softphone

ADDRESS = "127.0.0.2"
LONGEST = 8000
"""Of a message in bytes, that still fits a datagram on loopback."""
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Stranger:
    """A context manager. `send` returns when all is sent; answers are not read."""

    def __init__(self, sip_port: int) -> None:
        self._server = ("127.0.0.1", sip_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Iterable[bytes], a_second: int) -> int:
        """Send them at this rate; how many they were."""
        count, begun = 0, time.monotonic()
        for count, message in enumerate(messages, start=1):
            self._socket.sendto(message[:LONGEST], self._server)
            ahead = count / a_second - (time.monotonic() - begun)
            if ahead > 0:
                time.sleep(ahead)
        return count


def request(
    method: str, user: str, number: int, port: int, *more: str, body: str = "", domain: str = ""
) -> bytes:
    """One well-formed SIP request."""
    domain = domain or "127.0.0.1"
    lines = [
        f"{method} sip:{user}@{domain} SIP/2.0",
        f"Via: SIP/2.0/UDP {ADDRESS}:{port};branch=z9hG4bK{method}{number};rport",
        "Max-Forwards: 70",
        f"From: <sip:{user}@{domain}>;tag=t{number}",
        f"To: <sip:{user}@{domain}>",
        f"Call-ID: {method}-{number}@{ADDRESS}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:{user}@{ADDRESS}:{port}>",
        *more,
    ]
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


def calls(count: int, port: int) -> Iterator[bytes]:
    """So many INVITEs to 123."""
    return (request("INVITE", "123", number, port, body=_SDP) for number in range(count))


def guesses(count: int, port: int) -> Iterator[bytes]:
    """So many REGISTERs with guessed passwords, for agents that there are and are not; some in a
    name that would put another's address into a log."""
    for number in range(count):
        name = ("ag-101", f"ag-{number}", 'ag-101\\",RemoteAddress=\\"IPV4/UDP/9.9.9.9/5060')[
            number % 3
        ]
        shown = (
            f'Authorization: Digest username="{name}",realm="asterisk",nonce="17/{number:032x}",'
            f'uri="sip:127.0.0.1",response="{number:032x}",algorithm=MD5'
        )
        yield request("REGISTER", "ag-101", number, port, shown, "Expires: 60")


def mutated(count: int, port: int, seed: int) -> Iterator[bytes]:
    """So many messages that are wrong in one or several ways."""
    dice = random.Random(seed)
    for number in range(count):
        method = dice.choice(("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "BYE", "CANCEL", "ACK"))
        message = request(method, "123", number, port, body=_SDP if method == "INVITE" else "")
        if dice.random() < 0.1:
            message = message.replace(f"{method} sip:123@127.0.0.1 SIP/2.0".encode(),
                                      b"SIP/2.0 200 OK", 1)  # fmt: skip
        for _ in range(dice.randint(1, 4)):
            message = dice.choice(_WAYS)(message, dice)
        yield message


def _flip(message: bytes, dice: random.Random) -> bytes:
    wrong = bytearray(message)
    for _ in range(dice.randint(1, 8)):
        if wrong:
            wrong[dice.randrange(len(wrong))] = dice.randrange(256)
    return bytes(wrong)


def _cut(message: bytes, dice: random.Random) -> bytes:
    return message[: dice.randint(0, len(message))]


def _swell(message: bytes, dice: random.Random) -> bytes:
    at = dice.randint(0, len(message))
    filler = dice.choice((b"A", b"%", b'"', b"<", b"\0", b"\xff", b"\r\n", b";a=", b"("))
    return message[:at] + filler * dice.randint(1, 1500) + message[at:]


def _lines(message: bytes, dice: random.Random) -> bytes:
    """A line is lost, is there twice, or changes places."""
    lines = message.split(b"\r\n")
    at, to = dice.randrange(len(lines)), dice.randrange(len(lines))
    if dice.random() < 0.5:
        lines.insert(to, lines[at])
    if dice.random() < 0.7:
        del lines[at]
    return b"\r\n".join(lines)


def _number(message: bytes, dice: random.Random) -> bytes:
    """A number becomes an absurd one."""
    absurd = dice.choice((b"-1", b"4294967296", b"99999999999999999999", b"0x7f", b"1e9", b""))
    digits = dice.choice((b"1", b"70", b"4000", b"8000", b"127", b"2.0"))
    return message.replace(digits, absurd, dice.randint(1, 3))


_WAYS = (_flip, _cut, _swell, _lines, _number)


class Silence:
    """How long at worst some phones heard nothing, while this is entered."""

    def __init__(self, *phones: Softphone) -> None:
        self.longest = 0.0
        self._phones = phones
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="silence")

    def _listen(self) -> None:
        while not self._over.wait(0.05):
            self.longest = max(self.longest, *(phone.silent_for for phone in self._phones))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
