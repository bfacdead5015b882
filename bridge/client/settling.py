"""The half of a link that does no I/O: frames in, outcomes out; and what becomes of calls when the connection breaks.

Shared by the blocking client's link, which adds threads and a socket, and the trio client's, which adds trio.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.encoding import decode_error
from bascule.bridge.client.futures import ERROR, RAISED, REPLY, VALUE, Entry
from bascule.bridge.errors import BasculeError, Disconnected, HandleLost
from bascule.protocols import packed
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.outbox import Outbox
    from bascule.protocols.envelope import Frame, Payload

OnOutput = Callable[[int, bytes, int], None]
"""Told of captured output: the call's id, the text's bytes, the frame's flags. It does not raise."""

LOST_WITH_THE_SERVICE: Final = (
    "the object behind this handle is gone: the service restarted, or the connection that the handle came by was closed"
)
_REPLY, _ITEM = int(Kind.REPLY), int(Kind.ITEM)
_ANSWERS: Final = frozenset((_REPLY, int(Kind.ERROR)))
_OUTPUT, _CONTROL, _MSGPACK = int(Kind.OUTPUT), int(Kind.CONTROL), int(Codec.MSGPACK)
_TOKEN_START: Final = b"bsc"


class Settling(ABC):
    """The calls that travel on one connection.

    Attributes:
        connection: Whose link it is.
        pending: The calls without an outcome, by id.
        outbox, out: What is to be written; `out` is its list of frames, to which any thread may append.
        loads: Decodes a payload, and makes proxies of the handles in it.
        dropped: Tokens whose proxies are gone; the garbage collector appends, at any moment.
        broken: Why the connection is no more, or None.
        carried: Calls to be sent again on the next connection, each with its frames.
    """

    def __init__(
        self,
        connection: Any,
        outbox: Outbox,
        reader: FrameReader,
        make_proxy: Callable[..., object],
        on_output: OnOutput,
    ) -> None:
        self.connection = connection
        self.pending: dict[int, Entry] = {}
        self.outbox = outbox
        self.out = outbox.frames
        self.loads: Callable[[Payload], Any] = packed.loader(partial(make_proxy, self))
        self.dropped: deque[str] = deque()
        self.broken: str | None = None
        self.carried: list[tuple[Entry, list[bytes]]] = []
        self._reader = reader
        self._frames: list[Frame] = []  # read, and not all settled yet
        self._at = 0  # how many of them are
        self._on_output = on_output
        self._decoding = threading.Lock()

    @abstractmethod
    def flush(self) -> None:
        """Write what there is to write. Does not raise: a connection that breaks is `broken`."""

    def receive(self, data: bytes) -> None:
        """Settle what came.

        Raises:
            RemoteProtocolError: The service sent rubbish.
        """
        self._frames = self._reader.receive_data(data)
        self.digest()

    def digest(self) -> None:
        """Settle the frames that were read. Interrupted (Ctrl-C), it can be called again and goes on where it was.

        For that, a frame counts as settled by a step without a call in it, at its end: Python looks for signals only
        where something is called.
        """
        pending = self.pending
        frames, at = self._frames, self._at
        count = len(frames)
        while at < count:
            kind, codec, flags, call_id, _session, _deadline, payload = frames[at]
            if kind in _ANSWERS:
                entry = pending.get(call_id)
                if entry is not None:
                    if codec != _MSGPACK:
                        raise RemoteProtocolError(f"an answer in codec {codec} to a call in msgpack")
                    entry.outcome = payload
                    entry.state = REPLY if kind == _REPLY else ERROR
                    if entry.watchers is not None:
                        entry.announce()
                    if call_id in pending:  # not abandoned in this moment
                        del pending[call_id]
                    self._at = at = at + 1
                else:
                    self._at = at = at + 1
                    if kind == _REPLY:
                        self.discard(payload)  # nobody waits for it any more
            else:
                if kind == _OUTPUT:
                    self._on_output(call_id, bytes(payload), flags)
                else:
                    self._settle_other(kind, call_id, payload)
                self._at = at = at + 1
        self._frames = []
        self._at = 0

    def decode(self, entry: Entry) -> None:
        """Turn what came for `entry` into a value or an exception: once, since each decoding makes proxies."""
        with self._decoding:
            if entry.state == REPLY:
                try:
                    entry.outcome, entry.state = self.loads(entry.outcome), VALUE
                except RemoteProtocolError as error:
                    entry.outcome, entry.state = unreadable(error), RAISED
            elif entry.state == ERROR:
                entry.outcome, entry.state = decode_error(entry.outcome), RAISED

    def discard(self, payload: Payload) -> None:
        """A value that nobody will see: have the objects released whose handles are in it."""
        if _TOKEN_START in payload:
            with contextlib.suppress(RemoteProtocolError):
                self.loads(payload)  # the proxies are dropped at once

    def add_release(self) -> None:
        """Tell the service which objects nobody here can name any more."""
        tokens = []
        with contextlib.suppress(IndexError):
            while True:
                tokens.append(self.dropped.popleft())
        if tokens:
            self.out.append(encode_frame(Kind.RELEASE, Codec.MSGPACK, 0, 0, 0, 0, "".join(tokens).encode()))

    def settle_or_carry(self) -> None:
        """The connection is broken: each call under way fails, or is left in `carried` where it may be sent again.

        Sent again are calls that never were written whole, since nobody can have run them, and those that may be run
        twice; but none with a handle among its arguments, since its object is gone.
        """
        again = self.outbox.unsent()
        for call_id, entry in list(self.pending.items()):
            del self.pending[call_id]
            frames = again.get(call_id) or entry.frame
            if not frames:
                entry.settle(RAISED, self._lost(entry))
            elif entry.kept is not None:
                entry.settle(RAISED, HandleLost(LOST_WITH_THE_SERVICE))
            else:
                self.carried.append((entry, frames))

    def _settle_other(self, kind: int, call_id: int, payload: Payload) -> None:
        if kind == _CONTROL:
            entry = self.pending.pop(call_id, None)
            if entry is not None:
                entry.settle(REPLY, payload)
            elif call_id == 0:
                raise RemoteProtocolError(f"it refused us: {payload!r:.300}")
            return
        entry = self.pending.get(call_id)
        if entry is not None:
            entry.receive(kind, payload)
        elif kind == _ITEM:
            self.discard(payload)

    def _lost(self, entry: Entry) -> Disconnected:
        return Disconnected(
            f"the connection to the service was lost ({self.broken}) before call {entry.call_id}, {entry.what}, "
            "was answered; it may have run",
            call_id=entry.call_id,
        )


def unreadable(error: RemoteProtocolError) -> BasculeError:
    """The error for a result that is none."""
    return BasculeError(f"the result can't be read: {error}")
