"""The service's door: what one client of the Unix socket says, as requests for the router.

All of the conversation is in `bascule.protocols.service`; the hello comes through as the first CONTROL request, and the
router's side answers it (it knows the session, the pools and the limits). Whether a call's id is free is for the router
to say as well: it has the table of unsettled calls anyway.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from bascule.bridge.doors.base import Request
from bascule.protocols.envelope import HEADER, Kind
from bascule.protocols.limits import MAX_BEFORE_HELLO, MAX_FRAME
from bascule.protocols.service import Hello, ServiceSide, read_message

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

_CONTROL = int(Kind.CONTROL)
_pack = HEADER.pack
_JOINED = 16 << 10  # a payload up to this is joined with its header; a larger one is not copied


class ServiceDoor:
    """One connection to the service. See `bascule.bridge.doors.base.Door`.

    Attributes:
        max_frame: Bytes of the largest frame that is taken from its client.
    """

    __slots__ = ("_greeted", "_side", "buffer", "closing", "max_frame", "receive_data", "received", "take_output")

    def __init__(self, max_frame: int = MAX_FRAME, before_hello: int = MAX_BEFORE_HELLO) -> None:
        self.closing = False  # a client of the service says goodbye by closing its socket
        self.max_frame = max_frame
        self._greeted = False
        self._side = ServiceSide(max_frame, before_hello)
        # Called for every read: handed through rather than wrapped.
        self.receive_data = self._side.receive_data
        self.take_output = self._side.take_output
        self.buffer = self._side.buffer
        self.received = self._side.received

    @property
    def takes_callbacks(self) -> bool:
        """Whether the client said so in its hello."""
        return self._side.hello is not None and self._side.hello.callbacks

    @property
    def hello(self) -> Hello | None:
        """Who the client says it is, once it did."""
        return self._side.hello

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: Payload) -> list[Payload]:
        """An answer as pieces to write."""
        if kind == _CONTROL and not self._greeted:
            # The answer to the hello. A client that was told no is not listened to any more.
            self._greeted = True
            self.closing = read_message(payload)["op"] == "refused"
        header = _pack(len(payload), kind, codec, flags, call_id, 0, 0)
        return [header + payload] if len(payload) <= _JOINED else [header, payload]

    def take_requests(self) -> list[Request]:
        """This door makes none of its own: its clients give credit themselves."""
        return []

    def receive_eof(self) -> list[Request]:
        """Nothing is completed by the end of the input."""
        return []
