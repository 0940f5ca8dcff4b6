"""The agents' phones: the one place that knows how Asterisk calls them.

Elsewhere an agent is an extension. Here it is a PJSIP endpoint, pushed to Asterisk from
the roster, whose events tell whether the phone can be reached. Endpoints are named so
that no caller's number can equal one: with identification by username such a caller
would be asked for a password.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.ari.events import EndpointInfo
from pln_ivr.background import Background
from pln_ivr.errors import AriError, AriRefused
from pln_ivr.queues.agents import Agents
from pln_ivr.queues.roster import Roster, RosterEntry

log = structlog.get_logger("pln_ivr.phones")

_TECHNOLOGY = "PJSIP"
_PREFIX = "ag-"


class Phones(Protocol):
    """Where an agent's phone is, and how it is kept known to Asterisk."""

    def address(self, extension: str) -> str:
        """What to dial, for the ARI client only."""


class PjsipPhones:
    """Agents' phones as pushed PJSIP endpoints."""

    def __init__(
        self,
        ari: Client,
        codec: str,
        qualify_seconds: int,
        on_reachable: Callable[[str, bool], None],
        encrypted: bool = False,
    ) -> None:
        """`encrypted`: their sound must be SRTP, its keys in the SDP."""
        self._ari = ari
        self._encryption = "sdes" if encrypted else "no"
        self._qualify_seconds = qualify_seconds
        self._codecs = "alaw,ulaw" if codec == "alaw" else "ulaw,alaw"
        self._on_reachable = on_reachable

    def address(self, extension: str) -> str:
        """See Phones."""
        return f"{_TECHNOLOGY}/{_PREFIX}{extension}"

    @staticmethod
    def extension_of(endpoint: str) -> str | None:
        """The agent's extension, from an endpoint's name; None if it is no agent's."""
        extension = endpoint.removeprefix(_PREFIX)
        digits = extension.isascii() and extension.isdigit()
        return extension if extension != endpoint and digits else None

    @staticmethod
    def extension_of_channel(name: str) -> str | None:
        """The agent's extension, from a channel's name, with or without its technology."""
        endpoint = name.removeprefix(f"{_TECHNOLOGY}/").rpartition("-")[0]
        return PjsipPhones.extension_of(endpoint)

    async def push(self, roster: Roster) -> None:
        """Make Asterisk's agents those of the roster, and learn which can be reached.

        Endpoints of agents no longer on the roster are removed. Raises AriError.
        """
        for entry in roster.values():
            await self._push_one(entry)
        for endpoint in await self._ari.list_endpoints(_TECHNOLOGY):
            extension = self.extension_of(endpoint.resource)
            if extension is None:
                continue
            if extension in roster:
                self.endpoint_changed(endpoint)
            else:
                await self._remove(endpoint.resource)

    def endpoint_changed(self, endpoint: EndpointInfo) -> None:
        """Take an endpoint's state from an event or a list."""
        extension = self.extension_of(endpoint.resource)
        if endpoint.technology == _TECHNOLOGY and extension:
            self._on_reachable(extension, endpoint.state == "online")

    async def _push_one(self, entry: RosterEntry) -> None:
        name = _PREFIX + entry.extension
        auth = {"auth_type": "userpass", "username": name}
        if entry.secret:
            auth["password"] = entry.secret
        else:
            auth |= {"auth_type": "md5", "md5_cred": entry.digest}
        await self._ari.put_object("auth", name, auth)
        # One phone per agent; a second REGISTER takes over from the first.
        await self._ari.put_object(
            "aor",
            name,
            {
                "max_contacts": "1",
                "remove_existing": "yes",
                "qualify_frequency": str(self._qualify_seconds),
            },
        )
        await self._ari.put_object(
            "endpoint",
            name,
            {
                "context": "from-agents",
                "disallow": "all",
                "allow": self._codecs,
                "aors": name,
                "auth": name,
                "direct_media": "no",
                "media_encryption": self._encryption,
                "rtp_symmetric": "yes",
                "force_rport": "yes",
                "rewrite_contact": "yes",
                "rtp_timeout": "30",
                # What the customer hears when the phone holds: the class begins with words.
                "moh_suggest": "hold",
                # A call is sent on by us, so that its journal and recording go with it.
                "allow_transfer": "no",
                # Half a code is a wrong one (404), not one to be dialled on (484).
                "allow_overlap": "no",
                "language": "id",
                "callerid": f'"{entry.name.translate(_QUOTES)}" <{entry.extension}>',
            },
        )
        try:
            await self._ari.subscribe(f"endpoint:{_TECHNOLOGY}/{name}")
        except AriRefused as error:
            # Asterisk makes the endpoint visible when it has something to say about it.
            log.warning("endpoint_not_subscribed", agent=entry.extension, error=str(error))

    async def _remove(self, name: str) -> None:
        for kind in ("endpoint", "aor", "auth"):
            await self._ari.delete_object(kind, name)
        log.info("agent_removed", agent=name.removeprefix(_PREFIX))


class PhoneWatch:
    """Agents' phones that are busy with something that is not this program's: a conversation
    of Asterisk's fallback queue. Its owner runs `run` as a task."""

    def __init__(self, ari: Client, agents: Agents) -> None:
        self._ari = ari
        self._agents = agents
        self._background = Background()

    async def run(self) -> None:
        """Own the watching until cancelled."""
        await self._background.run()

    def busy(self, extension: str, channel_id: str) -> None:
        """No offer to this agent until the channel has ended. Idempotent."""
        if self._background.running and not self._ari.follows(channel_id):
            self._agents.occupy(extension, channel_id)
            channel = self._ari.channel(channel_id)
            self._background.start(self._until_free(extension, channel))

    async def _until_free(self, extension: str, channel: Channel) -> None:
        try:
            await self._ari.subscribe(f"channel:{channel.id}")
            channel.state = channel.state or "Up"  # it is there: a later list may miss it
            await channel.until_gone()
        except AriRefused:
            pass  # it has ended meanwhile
        except AriError as error:
            log.warning("phone_not_followed", agent=extension, error=str(error))
        finally:
            channel.close()
            self._agents.vacate(extension, channel.id)


_QUOTES = str.maketrans({'"': "", "\\": "", "<": "", ">": "", ";": ""})
"""What would break out of a quoted caller id."""
