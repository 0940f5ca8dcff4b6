"""The one order that ARI lacks, by Asterisk's manager interface: pause what MixMonitor writes.

It is reached over ARI's HTTP server (``/rawman``), with ARI's user and password. Such orders are
rare, so each logs in and off: nothing has to be kept alive.
"""

from __future__ import annotations

import asyncio

import aiohttp

from pln_ivr.errors import AriRefused, AriTimeout, AriUnavailable, Gone

_GONE = "No such channel"
_COOKIE = "mansession_id"


class Manager:
    """The manager interface of one Asterisk."""

    def __init__(self, session: aiohttp.ClientSession, url: str, user: str, password: str) -> None:
        self._session = session
        self._url = f"{url}/rawman"
        self._login = {"username": user, "secret": password}

    async def mute_recording(self, channel_id: str, on: bool, seconds: float) -> None:
        """Have every MixMonitor on a channel write silence for both sides, or their sound again.
        What the two hear does not change. Setting what is set already does no harm.

        `seconds` is the deadline of all of it. Raises Gone, AriRefused, AriTimeout and
        AriUnavailable; after a timeout, as after a cancellation, it may have been done or not.
        """
        order = {"channel": channel_id, "state": "1" if on else "0", "direction": "both"}
        try:
            async with asyncio.timeout(seconds):
                cookie = await self._send("login", self._login)
                await self._send("MixMonitorMute", order, cookie)
                await self._send("logoff", {}, cookie)
        except TimeoutError:
            raise AriTimeout(f"MixMonitorMute: no answer within {seconds:g} s") from None
        except aiohttp.ClientError as error:
            raise AriUnavailable(f"MixMonitorMute: {error}") from None

    async def _send(self, action: str, fields: dict[str, str], cookie: str = "") -> str:
        """One action; the session's cookie."""
        headers = {"Cookie": f"{_COOKIE}={cookie}"} if cookie else {}
        async with self._session.post(
            self._url, data={"action": action, **fields}, headers=headers
        ) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise AriRefused(answer.status, action, "is webenabled set in manager.conf?")
            if _GONE in text:
                raise Gone(f"{action}: {_GONE}")
            if not text.startswith(("Response: Success", "Response: Goodbye")):
                raise AriRefused(200, action, _message(text))
            given = answer.cookies.get(_COOKIE)
            return given.value if given else cookie


def _message(text: str) -> str:
    """What it says for a person."""
    lines = dict(line.partition(": ")[::2] for line in text.splitlines())
    return lines.get("Message", "an answer that is none")[:200]
