"""The Erlang port's door: what a node says to its port program, as requests for the router.

All of the conversation is in `bascule.protocols.port`. A node's payloads are external terms that only workers read, so
calls pass through here untouched; the hello and the other CONTROL requests are answered by the router's side.
"""

from __future__ import annotations

from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.port import PortConversation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bascule.bridge.doors.base import Request


class PortDoor:
    """One Erlang node's conversation. See `bascule.bridge.doors.base.Door`."""

    takes_callbacks = True

    __slots__ = ("_conversation", "closing", "encode", "problem", "take_output", "take_requests")

    def __init__(self, packet: int = 4) -> None:
        """`packet` is N of the port's {packet, N}: 1, 2 or 4."""
        self.closing = False
        self.problem = ""
        """What the node said that no node says: the reason why its port ended."""
        self._conversation = PortConversation(packet)
        # Called for every answer: handed through rather than wrapped.
        self.encode = self._conversation.encode
        self.take_output = self._conversation.take_output
        self.take_requests = self._conversation.take_requests

    def receive_data(self, data: bytes) -> Sequence[Request]:
        """Frames as requests.

        Raises:
            RemoteProtocolError: The node said what no node says.
        """
        try:
            requests = self._conversation.receive_data(data)
        except RemoteProtocolError as error:
            self.problem = str(error)
            raise
        self.closing = self._conversation.closing
        return requests

    def receive_eof(self) -> list[Request]:
        """The port was closed: nothing is completed by that, and nobody hears what is still to be said."""
        return []
