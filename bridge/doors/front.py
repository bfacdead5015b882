"""The first door of every client of the service's socket: it listens to who comes, and shows them their own.

A client of the service speaks frames from the first byte. A pod's relay (`bascule.bridge.cli.relay`) begins with a
greeting, whose first bytes, taken for a frame's length, are over every limit: so one byte tells them apart nearly
always, and fourteen do for certain. What door it shall be is said by raising `DoorChanged`, once, so that no client
pays for the choice afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from bascule.bridge.cli.relay import GREETING
from bascule.bridge.doors.base import Door, DoorChanged, Request
from bascule.bridge.doors.service import ServiceDoor
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.limits import MAX_BEFORE_HELLO

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

MOST = MAX_BEFORE_HELLO - 64  # bytes of a greeting
_MOST_DIGITS = 6

OpenPod = Callable[[list[str]], Door]
"""Makes a pod's door of the relay's arguments, or raises ValueError with the reason why not."""


class FrontDoor:
    """A client of whom nothing is known yet. See `bascule.bridge.doors.base.Door`."""

    def __init__(self, open_pod: OpenPod, open_service: Callable[[], Door] = ServiceDoor) -> None:
        self.closing = False
        self.takes_callbacks = False
        self._open_pod = open_pod
        self._open_service = open_service
        self._data = b""
        self._output = b""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        """Look at the first bytes.

        Raises:
            DoorChanged: They say who it is.
            RemoteProtocolError: They begin a greeting that is none.
        """
        data = self._data = self._data + data
        if not data:
            return []
        if not (data.startswith(GREETING) or GREETING.startswith(data)):
            raise DoorChanged(self._open_service(), data)
        line, newline, rest = data.partition(b"\n")
        digits = line[len(GREETING) :]
        if not newline:
            if len(digits) > _MOST_DIGITS:
                raise RemoteProtocolError("a greeting without an end")
            return []
        if not digits.isdigit() or len(digits) > _MOST_DIGITS or int(digits) > MOST:
            raise RemoteProtocolError(f"{digits[:20]!r} is no length of a greeting")
        length = int(digits)
        if len(rest) < length:
            return []
        arguments = rest[:length].decode("utf-8", "surrogateescape").split("\0")[:-1]
        try:
            pod = self._open_pod(arguments)
        except ValueError as error:
            said = " ".join(str(error).split())
            self._output = f"{said}\n".encode("utf-8", "replace")
            self.closing = True
            return []
        raise DoorChanged(pod, rest[length:], b"ok\n")

    def take_output(self) -> bytes:
        """The reason why not."""
        output, self._output = self._output, b""
        return output

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: Payload) -> list[Payload]:
        """Nobody was asked anything yet."""
        return []

    def receive_eof(self) -> Sequence[Request]:
        """It left without a word."""
        return []

    def take_requests(self) -> Sequence[Request]:
        """None before it is known who came."""
        return []
