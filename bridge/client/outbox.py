"""What a link has to write, and how much of it is gone.

Many small frames leave with one system call; large ones are written from where they lie. When the connection breaks,
`unsent` says which calls the service can't have seen: those of which a byte is still here.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from bascule.protocols.envelope import HEADER, HEADER_SIZE, Kind

_CALL: Final = int(Kind.CALL)
_JOIN_BELOW: Final = 256 << 10  # bytes that are rather joined than gathered
_MOST_PIECES: Final = 256  # of one gathered write


class Outbox:
    """Frames on their way to the socket. One thread at a time may `write`; any may append to `frames`.

    Attributes:
        frames: What was not taken up yet. A large frame is two pieces, header and rest, added in one step.
        buffered: About how many bytes those are.
        rest: What was taken up and is not gone.
    """

    __slots__ = ("_batch", "_send", "_sendmsg", "_sent", "_wait", "buffered", "frames", "interrupted", "rest")

    def __init__(self, sock: socket.socket, wait: Callable[[], None]) -> None:
        self.frames: list[bytes] = []
        self.buffered = 0
        self.interrupted = False  # an exception from outside left us not knowing what was sent
        self._send, self._sendmsg, self._wait = sock.send, sock.sendmsg, wait
        self._batch: list[bytes] = []  # the pieces that are being written
        self._sent = 0  # how many bytes of them are gone
        self.rest: deque[bytes | memoryview] = deque()

    def write(self) -> None:
        """Write everything, however long the service takes to read it.

        Raises:
            OSError: The connection is broken.
        """
        self.interrupted = True
        if not self.rest:
            frames = self.frames
            count = len(frames)
            self._batch = pieces = frames[:count]
            del frames[:count]
            self.buffered = sent = 0
            data = pieces[0] if count == 1 else b""
            if count > 1 and sum(map(len, pieces)) <= _JOIN_BELOW:
                data = b"".join(pieces)
            if data:
                try:
                    sent = self._send(data, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    sent = 0
                if sent == len(data):
                    self._batch = []
                    self.interrupted = False
                    return
            self.rest.extend(pieces)
            self._advance(sent)
        self._write_rest()

    def unsent(self) -> dict[int, list[bytes]]:
        """The frames that are not gone whole, by call; what is of no CALL is left out. Empties the outbox."""
        pieces = [*([] if self.interrupted else self._batch), *self.frames]
        self._batch, self.interrupted = [], False
        self.rest.clear()
        self.frames.clear()
        found: dict[int, list[bytes]] = {}
        at, end = 0, 0
        while at < len(pieces):
            length, kind, _, _, call_id, _, _ = HEADER.unpack_from(pieces[at])
            frame = pieces[at : at + 1] if len(pieces[at]) == HEADER_SIZE + length else pieces[at : at + 2]
            at += len(frame)
            end += HEADER_SIZE + length
            if end <= self._sent:
                continue
            if kind == _CALL:
                found[call_id] = frame
            elif call_id in found:
                found[call_id] = found[call_id] + frame
        self._sent = 0
        return found

    def _write_rest(self) -> None:
        while self.rest:
            try:
                self._advance(self._sendmsg(self._gather(), (), socket.MSG_DONTWAIT))
            except BlockingIOError:
                self.interrupted = False  # if the wait is interrupted (Ctrl-C), the next flush goes on from here
                self._wait()
                self.interrupted = True
        self._batch, self._sent = [], 0
        self.interrupted = False

    def _gather(self) -> list[bytes | memoryview]:
        return [self.rest[i] for i in range(min(len(self.rest), _MOST_PIECES))]

    def _advance(self, sent: int) -> None:
        """So many more bytes are gone."""
        rest = self.rest
        self._sent += sent
        while rest and sent >= len(rest[0]):
            sent -= len(rest.popleft())
        if sent:
            rest[0] = memoryview(rest[0])[sent:]
