"""A softphone on TLS and SRTP: it registers, dials and answers as agents' phones do there.

The same phone as tests/asterisk/softphone.py; only its two sockets are others.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import select
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

from pylibsrtp import Error, Policy, Session

from tests.asterisk.softphone import Dialog, Message, Softphone

_SUITE = "AES_CM_128_HMAC_SHA1_80"
_KEY_BYTES = 30
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.I)


class SipOverTls:
    """One TLS connection, used as a datagram socket is: whole messages in and out."""

    def __init__(self, port: int, certificate: Path) -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._tls = context.wrap_socket(plain, server_hostname="localhost")
        self.version = self._tls.version()
        self.authorization = ""
        """Put into the next request."""
        self._inside, self._outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="sip over tls", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._outside.fileno()

    def getsockname(self) -> Any:
        return self._tls.getsockname()

    def recv(self, size: int) -> bytes:
        return self._outside.recv(65535)

    def sendto(self, data: bytes, _server: object) -> None:
        data = data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS")
        data = re.sub(rb"(\r\nContact: <sip:[^>]*)>", rb"\1;transport=tls>", data)
        if self.authorization and not data.startswith((b"SIP/2.0", b"ACK")):
            first, _, rest = data.partition(b"\r\n")
            data = first + b"\r\nAuthorization: " + self.authorization.encode() + b"\r\n" + rest
            self.authorization = ""
        with self._lock:
            self._tls.sendall(data)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for each in (self._tls, self._inside, self._outside):
            each.close()

    def _read(self) -> None:
        stream = b""
        while not self._over.is_set():
            if not self._tls.pending() and not select.select([self._tls], [], [], 0.05)[0]:
                continue
            with self._lock:
                more = self._tls.recv(65535)
            if not more:
                return
            stream = self._pass_on((stream + more).lstrip(b"\r\n"))

    def _pass_on(self, stream: bytes) -> bytes:
        while b"\r\n\r\n" in stream:
            head, _, rest = stream.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                break
            self._inside.send(head + b"\r\n\r\n" + rest[:length])
            stream = rest[length:].lstrip(b"\r\n")
        return stream


class Srtp:
    """A media socket that sends and takes nothing in the clear."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self.key = secrets.token_bytes(_KEY_BYTES)
        self._out = Session(Policy(key=self.key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
        self._in: Session | None = None

    def hear(self, key: bytes) -> None:
        """The other side's key."""
        self._in = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND))

    def fileno(self) -> int:
        return self._plain.fileno()

    def getsockname(self) -> Any:
        return self._plain.getsockname()

    def recv(self, size: int) -> bytes:
        data = self._plain.recv(size)
        try:
            return self._in.unprotect(data) if self._in else b""
        except Error:
            return b""  # not of this call, or not encrypted: not heard

    def sendto(self, data: bytes, peer: tuple[str, int]) -> None:
        self._plain.sendto(self._out.protect(data), peer)

    def close(self) -> None:
        self._plain.close()


class SecurePhone(Softphone):
    """An agent's phone that speaks only TLS and SRTP."""

    def __init__(self, name: str, secret: str, port: int, certificate: Path, hertz: float) -> None:
        super().__init__(name, port, hertz)
        self._secret = secret
        self._sip.close()
        self.wire = SipOverTls(port, certificate)
        self.srtp = Srtp(self._media)
        self._sip: Any = self.wire
        self._media: Any = self.srtp

    def register(self) -> int:
        """Register at this connection; returns the final status."""
        there = f"sip:127.0.0.1:{self._server[1]}"
        me = f"<sip:{self.name}@127.0.0.1>"
        local = f"{me};tag={secrets.token_hex(4)}"
        self._dialog = Dialog(secrets.token_hex(8), local, me, there)
        final = self._ask("REGISTER", "")
        self._dialog = None
        return int(final.first.split()[1])

    def _ask(self, method: str, body: str) -> Message:
        final = super()._ask(method, body)
        if " 401 " in final.first:
            assert self._dialog
            if method == "INVITE":
                self._send("ACK", self._dialog.cseq)
            self.wire.authorization = self._digest(
                method, self._dialog.target, final.one("www-authenticate")
            )
            final = super()._ask(method, body)
        return final

    def _digest(self, method: str, uri: str, challenge: str) -> str:
        """RFC 2617, with qop=auth."""
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        realm, nonce, cnonce = asked["realm"], asked["nonce"], secrets.token_hex(8)
        known = _md5(f"{self.name}:{realm}:{self._secret}")
        answer = _md5(f"{known}:{nonce}:00000001:{cnonce}:auth:{_md5(f'{method}:{uri}')}")
        opaque = f',opaque="{asked["opaque"]}"' if "opaque" in asked else ""
        return (
            f'Digest username="{self.name}",realm="{realm}",nonce="{nonce}",uri="{uri}",'
            f'response="{answer}",algorithm=MD5,qop=auth,nc=00000001,cnonce="{cnonce}"{opaque}'
        )

    def _sdp(self, direction: str) -> str:
        key = base64.b64encode(self.srtp.key).decode()
        plain = super()._sdp(direction).replace("RTP/AVP", "RTP/SAVP")
        return f"{plain}a=crypto:1 {_SUITE} inline:{key}\r\n"

    def _listen_to(self, sdp: str) -> None:
        found = re.search(rf"^a=crypto:\d+ {_SUITE} inline:([A-Za-z0-9+/=]+)", sdp, re.M)
        assert found, f"no key in: {sdp}"
        self.srtp.hear(base64.b64decode(found[1])[:_KEY_BYTES])
        super()._listen_to(sdp)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
