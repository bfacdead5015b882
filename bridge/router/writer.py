"""Writing to a descriptor that never blocks: many frames with one system call, and what is left waits its turn."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from bascule.bridge.router.peers import Peer

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

MOST_PIECES = 512  # of one gathered write
JOIN_BELOW = 64 << 10  # so many bytes are joined rather than gathered


class Writer:
    """Writes a peer's outbox to a descriptor that never blocks, and keeps what did not go."""

    __slots__ = ("broken", "fd", "peer", "rest", "waiting")

    def __init__(self, fd: int, peer: Peer) -> None:
        self.fd = fd
        self.peer = peer
        self.rest: deque[Payload | memoryview] = deque()
        self.waiting = False  # for the descriptor to take more
        self.broken = False

    def flush(self) -> bool:
        """Write what can be written. True when all of it went, or nobody is there to read it."""
        peer, rest = self.peer, self.rest
        outbox = peer.outbox
        if outbox and not rest:
            data = outbox[0] if len(outbox) == 1 else _joined(outbox)
            if data is not None:
                outbox.clear()
                try:
                    written = os.write(self.fd, data)
                except BlockingIOError:
                    written = 0
                except OSError:
                    return self._give_up()
                size = len(data)
                if written == size:
                    return True
                rest.append(memoryview(data)[written:])
                peer.unwritten = size - written
        if outbox:
            peer.unwritten += sum(map(len, outbox))
            rest.extend(outbox)
            outbox.clear()
        return self._flush_rest() if rest else True

    def _flush_rest(self) -> bool:
        rest, peer = self.rest, self.peer
        try:
            while rest:
                pieces = [rest[i] for i in range(min(len(rest), MOST_PIECES))]
                written = os.writev(self.fd, pieces)
                peer.unwritten -= written
                while written:
                    size = len(rest[0])
                    if size > written:
                        rest[0] = memoryview(rest[0])[written:]
                        break
                    written -= size
                    rest.popleft()
        except BlockingIOError:
            return False
        except OSError:
            return self._give_up()
        return True

    def _give_up(self) -> bool:
        """Nobody reads any more. The end is learned elsewhere: by the pidfd, or by the end of the input."""
        self.broken = True
        self.rest.clear()
        self.peer.outbox.clear()
        self.peer.unwritten = 0
        return True


def _joined(outbox: list[Payload]) -> Payload | None:
    """Small pieces as one, or None when they are too much to copy."""
    return b"".join(outbox) if sum(map(len, outbox)) <= JOIN_BELOW else None
