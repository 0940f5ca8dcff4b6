"""Telling the running program what to do, over its console. Blocking; for the command line."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request

from pln_ivr.config import Settings
from pln_ivr.errors import PlnIvrError

ANSWER_SECONDS = 5.0


class OrderError(PlnIvrError):
    """The running program could not be told."""


def give(settings: Settings, order: str) -> str:
    """Give the order; a line that says what happens now. Raises OrderError with the cure."""
    token = settings.ari.password.get_secret_value()
    request = urllib.request.Request(f"{_url(settings)}/orders/{order}", method="POST")
    # http.client writes headers as Latin-1; the bytes on the wire are to be UTF-8.
    request.add_header("Authorization", f"Bearer {token}".encode().decode("latin-1"))
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise OrderError("ari.password: it is not the running program's") from None
        raise OrderError(f"{_url(settings)}: HTTP {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise OrderError(
            f"{_url(settings)}: nobody answers; is pln-ivr running, and are console.bind and"
            f" console.port right? ({error})"
        ) from None
    return {
        "drain": f"draining: no new calls; ends within {settings.drain.deadline_seconds:g} s",
        "leave": "leaving: every call goes on and waits for the next run",
    }[order]


def ended(settings: Settings, seconds: float) -> bool:
    """Wait until the program does not answer any more; False if it still does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{_url(settings)}/healthz", timeout=ANSWER_SECONDS):
                pass
        except urllib.error.HTTPError:
            pass
        except (OSError, http.client.HTTPException):
            return True
        time.sleep(0.2)
    return False


def _url(settings: Settings) -> str:
    console = settings.console
    host = "127.0.0.1" if console.bind in ("0.0.0.0", "") else console.bind
    return f"http://{host}:{console.port}"
