"""What the router asks of a door.

A door is sans-IO: the pump feeds it what it read, asks it for requests, and gives it answers to encode. It keeps what
its protocol must remember (a pod's cached describe, a port's packet size) and knows nothing of descriptors, threads or
workers.

A client's call id is whatever its protocol uses (an integer, text, a tuple of the door's own): the router only compares
and hashes it. A door may make calls of its own (a pod answers `describe` by asking a worker for a module's landscape):
it gives them ids that no client can choose, and recognises them when the answer comes to be encoded.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

Request = tuple[int, int, int, Hashable, int, bytes | bytearray]
"""kind, codec, flags, client's call id, deadline in ms (0: none), payload.

Kinds: CALL, PLACED, TRACE, CANCEL, CREDIT, RELEASE, CONTROL; of a client that takes callbacks also NESTED, and REPLY
and ERROR, whose call id is then a callback's number."""


class Door(Protocol):
    """One client's conversation, without its transport."""

    closing: bool
    """Set by `receive_data` when the client said goodbye: nothing more is read, pending output is written, the end.
    `encode` may set it too, when an answer that the door waited for shows that it can't serve."""

    @property
    def takes_callbacks(self) -> bool:
        """Whether the client answers CALLBACKs, with a REPLY or an ERROR whose call id is the CALLBACK's number."""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        """Take bytes from the client; give the requests that became whole.

        Raises:
            RemoteProtocolError: Nothing after this can be understood: what `take_output` has is written, the client
                is dropped.
        """

    def take_output(self) -> bytes:
        """Bytes that the door itself wants to say (a refusal, a farewell), empty when there is nothing."""

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: Payload) -> list[Payload]:
        """An answer as pieces to write: REPLY, ERROR, ITEM, END, OUTPUT (call id 0: of no call), CONTROL.

        For a client that takes callbacks also CALLBACK (call id 0: of no call; the payload begins with its number) and
        CANCEL (the call id is the number of a callback that is not waited for any more).
        """

    def receive_eof(self) -> Sequence[Request]:
        """The client's input ended. Requests that this still completes; usually none."""

    def take_requests(self) -> Sequence[Request]:
        """Requests of the door's own, which no bytes of the client caused; usually none.

        Asked for when the client is attached (a pod at once asks what its modules offer) and after each turn in which
        something was encoded for it (a pod's protocol has no credit: its door grants the next items of a stream
        itself, and passes on what had to wait for an answer).
        """


@runtime_checkable
class BufferedDoor(Door, Protocol):
    """A door that lets the rest of a large frame be read straight to where it belongs."""

    def buffer(self) -> memoryview | None:
        """Where the client's next bytes belong; None while no large frame is under way: to `receive_data`."""

    def received(self, count: int) -> Sequence[Request]:
        """So many bytes were read into `buffer()`. Like `receive_data`."""


class DoorChanged(Exception):
    """Raised instead of giving requests: from now on another door speaks with this client.

    Attributes:
        door: That one.
        data: What the client has said to it already.
        output: What the client is told first.
    """

    def __init__(self, door: Door, data: bytes, output: bytes = b"") -> None:
        super().__init__()
        self.door = door
        self.data = data
        self.output = output
