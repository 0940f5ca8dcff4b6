"""What the party at a channel does while connected: keys, hold, speech. State, no waiting."""

from __future__ import annotations

import time
from collections import deque

from pln_ivr.ari import events

MOST_KEYS = 32
"""Keys kept that nobody has asked for; older ones are forgotten."""


LONGEST_SPEECH_SECONDS = 60.0
"""Nobody speaks for longer without a pause: the sound has stopped, and with it the detector."""


class Party:
    """The person at one phone, as far as Asterisk tells."""

    def __init__(self) -> None:
        self.on_hold = False
        """The phone has put the other side on hold."""
        self.silence_seconds = 0.0
        """How long after the end of speech it is told (see Operations.detect_talking)."""
        self._held_seconds = 0.0
        self._held_since = 0.0
        self._keys: deque[str] = deque(maxlen=MOST_KEYS)
        self._last_key = ("", "")
        self._speaking_since: float | None = None
        self._spoke_at: float | None = None

    def feed(self, event: events.Event) -> None:
        """Take one event; repeats do no harm."""
        match event:
            case events.ChannelHold():
                self._hold(True)
            case events.ChannelUnhold():
                self._hold(False)
            case events.ChannelDtmfReceived():
                if (event.timestamp, event.digit) != self._last_key:  # told twice
                    self._last_key = (event.timestamp, event.digit)
                    self._keys.append(event.digit)
            case events.ChannelTalkingStarted():
                self._speaking_since = self._speaking_since or time.monotonic()
            case events.ChannelTalkingFinished():
                if self._speaking_since is not None:
                    self._speaking_since = None
                    self._spoke_at = time.monotonic() - self.silence_seconds

    def _hold(self, on: bool) -> None:
        if on and not self.on_hold:
            self._held_since = time.monotonic()
        elif self.on_hold and not on:
            self._held_seconds += time.monotonic() - self._held_since
        self.on_hold = on

    @property
    def held_seconds(self) -> float:
        """How long the phone has held the other side, all told."""
        now = time.monotonic() - self._held_since if self.on_hold else 0.0
        return self._held_seconds + now

    @property
    def pressed(self) -> bool:
        """Whether there is a key that nobody has taken."""
        return bool(self._keys)

    def take_key(self) -> str | None:
        """The next key that was pressed; None if there is none."""
        return self._keys.popleft() if self._keys else None

    def forget_keys(self) -> None:
        """Forget what was pressed and nobody has taken."""
        self._keys.clear()

    def spoke_before(self) -> float | None:
        """How many seconds ago the party was last heard to speak: 0 for one who is speaking, None
        for one who was not heard. Needs Operations.detect_talking."""
        now = time.monotonic()
        if self._speaking_since is not None:
            return 0.0 if now - self._speaking_since <= LONGEST_SPEECH_SECONDS else None
        return None if self._spoke_at is None else now - self._spoke_at
