"""Writing to the bridge: frames are gathered in a list and leave in as few writes as can be.

Whoever has a frame appends it to `out` and, when it should leave now, calls `flush`. One thread writes at a time; one
that finds another writing leaves its frames to it, so that under contention many frames leave with one write and
nobody waits. List appends, slices and deletions of a slice are atomic under the GIL: that is all the locking that
`out` needs.

An exception in the middle of a write would leave half a frame, and nobody could read on: whoever calls `flush` from
inside user code shields it from cancellation (see `cancel`).
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from bascule.protocols.envelope import HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LARGE: Final = 16_384  # bytes from which a payload is not joined with others but written from where it stands
MANY: Final = 128  # frames that may wait together: with LARGE it bounds what is held back
_CROWDED: Final = 4096  # frames waiting behind a slow write, beyond which their writers wait too ...
_PATIENCE: Final = 1.0  # ... each time for so many seconds


class Wire:
    """The worker's side of the pipe to the bridge."""

    __slots__ = ("_lock", "broken", "fd", "out")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.out: list[bytes] = []
        self.broken = False  # the bridge is gone: what is written is dropped, the next read will tell the loop
        self._lock = allocate_lock()

    def send(
        self, kind: int, codec: int, flags: int, call_id: int, session: int, payload: bytes, micros: int = 0
    ) -> None:
        """Put one frame in line. A large one leaves at once, and what is before it too.

        `micros` is how long the call took: an answer's use of the header's last field.
        """
        header = HEADER.pack(len(payload), kind, codec, flags, call_id, session, micros)
        if len(payload) < LARGE:
            self.out.append(header + payload)
            if len(self.out) >= MANY:
                self.flush()
        else:
            with self._lock:
                pieces = self._take()
                self._write([*pieces, header, payload] if len(pieces) < MANY else [b"".join(pieces), header, payload])

    def flush(self) -> None:
        """Write what is in line, or leave it to the thread that is writing."""
        out = self.out
        lock = self._lock
        while out:
            # Its holder looks again after it has let go of the lock: these frames are not forgotten. A wait has an end
            # since the holder may be this very thread, below a signal handler of user code.
            if not (lock.acquire(True, _PATIENCE) if len(out) > _CROWDED else lock.acquire(False)):
                return
            try:
                pieces = out[:]
                del out[: len(pieces)]
                if pieces:
                    self._write([b"".join(pieces)] if len(pieces) > 1 else pieces)
            finally:
                lock.release()

    def abandon(self) -> None:
        """This process is a forked child: the wire is its parent's."""
        self.broken = True
        self.out.clear()
        self._lock = allocate_lock()

    def _take(self) -> list[bytes]:
        pieces = self.out[:]
        del self.out[: len(pieces)]
        return pieces

    def _write(self, pieces: list[bytes]) -> None:
        if self.broken:
            return
        try:
            if len(pieces) == 1:
                written = os.write(self.fd, pieces[0])
                if written == len(pieces[0]):
                    return
            else:
                written = os.writev(self.fd, pieces)
            for piece in pieces:
                if written >= len(piece):
                    written -= len(piece)
                    continue
                rest = memoryview(piece)[written:]  # a signal cut the write short, or the piece was very large
                while rest:
                    written = os.write(self.fd, rest)
                    rest = rest[written:]
                written = 0
        except OSError:
            self.broken = True
