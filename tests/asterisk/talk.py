"""A customer and agent 101 in conversation, with phones that the test plays by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.asterisk.softphone import Softphone
from tests.asterisk.world import World

CUSTOMER, SITI, BUDI, CHIEF = 440, 660, 880, 1100
"""Each party's tone in hertz."""


class Talk:
    """A customer and agent 101 in conversation."""

    def __init__(self, world: World, stack: ExitStack) -> None:
        self.world = world
        self._stack = stack
        self.agent = self.phone("101", SITI)
        self.customer = stack.enter_context(Softphone("08120001111", world.pbx.sip_port, CUSTOMER))

    @classmethod
    @contextmanager
    def begun(cls, world: World) -> Iterator[Talk]:
        with ExitStack() as stack:
            talk = cls(world, stack)
            assert talk.customer.call("123") == 200
            assert talk.customer.hears(SITI, within=20)
            assert talk.agent.hears(CUSTOMER)
            yield talk

    def phone(self, extension: str, hertz: float, ready: bool = True) -> Softphone:
        """The agent's phone, registered and, unless told otherwise, ready."""
        world = self.world
        port = (world.make_ready if ready else world.register)(extension)
        name = f"ag-{extension}"
        return self._stack.enter_context(Softphone(name, world.pbx.sip_port, hertz, port))

    def enter(self, phone: Softphone) -> Softphone:
        """One more phone, switched on until the test ends."""
        return self._stack.enter_context(phone)

    def ended(self) -> None:
        """The customer hangs up; nothing is left of anything."""
        self.customer.hang_up()
        self.world.settled()
        assert "aside-" not in self.world.pbx.cli("bridge show all")
        assert "watch-" not in self.world.pbx.cli("bridge show all")
