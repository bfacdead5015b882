"""What a link has to write, and how much of it is gone.

Many small frames leave with one system call; large ones are written from where they lie. When the connection breaks,
`unsent` says which calls the service can't have seen: those of which a byte is still here.

A signal handler may raise (Ctrl-C) between any two calls that Python makes, and whoever is interrupted may call again:
so what was sent is not counted by adding up but kept, by C code, as the list of what each system call returned, and all
else is worked out from that list. Where two assignments belong together, no call stands between them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from bascule.protocols.envelope import HEADER, HEADER_SIZE, Kind

_CALL: Final = int(Kind.CALL)
_TRACE: Final = int(Kind.TRACE)
_JOIN_BELOW: Final = 256 << 10  # bytes that are rather joined than gathered
_MOST_PIECES: Final = 1024  # that are written together; the system takes no more
AT_ONCE: Final = (socket.MSG_DONTWAIT,)
_NO_ANCILLARY: Final[tuple[Any, ...]] = ((),)


class Outbox:
    """Frames on their way to the socket. One thread at a time may `write`; any may append to `frames`.

    Args:
        sock: Where to. Whether it blocks does not matter.
        wait: Called when it takes no more; returns when it may.

    Attributes:
        frames: What was not taken up yet. A large frame is two pieces, header and rest, added in one step.
        buffered: About how many bytes those are.
        batch: What was taken up and is not gone.
        sends: How many bytes of the batch each system call took.
    """

    __slots__ = ("_send", "_sendmsg", "_wait", "batch", "buffered", "frames", "sends")

    def __init__(self, sock: socket.socket, wait: Callable[[], None]) -> None:
        self.frames: list[bytes] = []
        self.buffered = 0
        self.batch: list[bytes] = []
        self._send, self._sendmsg, self._wait = sock.send, sock.sendmsg, wait
        self.sends: list[int] = []

    def write(self) -> None:
        """Write everything, however long the service takes to read it.

        Raises:
            OSError: The connection is broken.
        """
        frames = self.frames
        while self.batch or frames:
            if not self.batch:
                count = len(frames) if len(frames) <= _MOST_PIECES else _MOST_PIECES
                self.sends = []
                self.batch = frames[:count]
                del frames[:count]
                self.buffered = 0
            batch, sends = self.batch, self.sends
            try:
                if len(batch) == 1 and not sends:  # the usual case
                    sends.extend(map(self._send, batch, AT_ONCE))
                    done = sends[0] == len(batch[0])
                else:
                    done = self._write_some(batch, sends)
            except BlockingIOError:
                self._wait()
                continue
            if done:
                self.batch = []

    def unsent(self) -> dict[int, list[bytes]]:
        """The frames that are not gone whole, by call; what is of no CALL is left out. Empties the outbox."""
        pieces = [*self.batch, *self.frames]
        sent = sum(self.sends) if self.batch else 0
        self.batch = []
        self.frames.clear()
        found: dict[int, list[bytes]] = {}
        at, end = 0, 0
        while at < len(pieces):
            length, kind, _, _, call_id, _, _ = HEADER.unpack_from(pieces[at])
            frame = pieces[at : at + 1] if len(pieces[at]) == HEADER_SIZE + length else pieces[at : at + 2]
            at += len(frame)
            end += HEADER_SIZE + length
            if end <= sent:
                continue
            if kind == _TRACE:
                continue
            if kind == _CALL:
                found[call_id] = frame
            elif call_id in found:
                found[call_id] = found[call_id] + frame
        return found

    def _write_some(self, batch: list[bytes], sends: list[int]) -> bool:
        """One system call for what is left of the batch; whether it was all."""
        size, sent = sum(map(len, batch)), sum(sends)
        if sent < size:
            if size - sent <= _JOIN_BELOW:
                sends.extend(map(self._send, (b"".join(batch)[sent:],), AT_ONCE))
            else:
                sends.extend(map(self._sendmsg, (_rest(batch, sent),), _NO_ANCILLARY, AT_ONCE))
        return sum(sends) == size


def _rest(pieces: list[bytes], sent: int) -> list[bytes | memoryview]:
    """The pieces without their first `sent` bytes."""
    rest: list[bytes | memoryview] = []
    for piece in pieces:
        if sent >= len(piece):
            sent -= len(piece)
        else:
            rest.append(memoryview(piece)[sent:] if sent else piece)
            sent = 0
    return rest
