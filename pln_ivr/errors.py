"""The error tree. Everything that pln_ivr raises on purpose is below PlnIvrError.

    PlnIvrError
    ├── ConfigError          a setting is missing or wrong; names the key and what would be right
    │   └── RosterError      the same for the roster of agents; names the file and the entry
    ├── PromptError          a prompt's text or audio is missing or unusable; names the file
    ├── JournalError         the journal cannot be opened; names the setting
    │   └── EntryError       what is wanted does not fit what the journal holds: not there, taken
    ├── RecordingError       a recording could not be confirmed, finished or filed
    ├── LookupFailed         a bill could not be looked up; says why
    ├── OrderRefused         what an agent or supervisor wants cannot be done now; says why
    └── AriError             what goes wrong between us and Asterisk
        ├── AriUnavailable   no connection to Asterisk, or the request was cut off
        ├── AriTimeout       Asterisk did not answer, or an awaited event did not come, in time
        ├── AriRefused       Asterisk answered with an error that is not "gone": a fault of ours
        └── Gone             the channel, bridge or playback no longer exists: the caller hung up

The text of each error is one line for a person; a user's mistake never shows a traceback.
"""

from __future__ import annotations

from enum import StrEnum


class PlnIvrError(Exception):
    """Base of every error that pln_ivr raises on purpose."""


class ConfigError(PlnIvrError):
    """A setting is missing or wrong. The text names the key and what would be right."""


class RosterError(ConfigError):
    """The roster of agents is missing or wrong. The text names the file and the entry."""


class PromptError(PlnIvrError):
    """A prompt's text or audio is missing or unusable. The text names the file."""


class JournalError(PlnIvrError):
    """The journal cannot be opened or read. The text names the setting."""


class EntryError(JournalError):
    """What is wanted does not fit what the journal holds. The text names the entry and the cure."""


class RecordingError(PlnIvrError):
    """A recording could not be confirmed, finished or filed."""


class LookupFailed(PlnIvrError):
    """A customer's bill could not be looked up. The text says why, without the customer."""


class RefusalKind(StrEnum):
    """Why an order is refused."""

    NOT_FOUND = "not_found"  # there is no such agent, call or flag
    CONFLICT = "conflict"  # not in the state that things are in
    INVALID = "invalid"  # never: what is asked for makes no sense


class OrderRefused(PlnIvrError):
    """What an agent or a supervisor wants cannot be done. The text says why, in one line."""

    def __init__(self, kind: RefusalKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class AriError(PlnIvrError):
    """Something went wrong between this program and Asterisk."""


class AriUnavailable(AriError):
    """There is no connection to Asterisk, or it broke under the request."""


class AriTimeout(AriError):
    """Asterisk did not answer, or an awaited event did not come, within the deadline."""


class AriRefused(AriError):
    """Asterisk answered with an error that does not mean "gone".

    ``status`` is the HTTP status, ``operation`` the method and path that was refused.
    """

    def __init__(self, status: int, operation: str, message: str) -> None:
        super().__init__(f"Asterisk refused {operation}: {status} {message}")
        self.status = status
        self.operation = operation


class Gone(AriError):
    """The channel, bridge or playback does not exist any more.

    In a telephone system this is an expected answer: people hang up at any moment.
    """
