"""Results that are sent bit by bit: iterators, generators and async generators, as far as there is credit.

A stream holds nothing up: it is an entry in a table until credit comes, then it is advanced for a while
(`Streaming.advance`), then other calls have their turn. It ends with END or ERROR, or is closed: by the client, or with
its session. Closing runs the generator's `finally` blocks.

Where several threads run calls, one thread at a time advances a stream, and credit may come before the thread that
runs the call has opened it: `expect` keeps a place for it.
"""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.workers.plan import Plan


PROMPT: Final = frozenset(map(type, map(iter, ((), [], {}, {}.values(), {}.items(), set(), range(0), "", b""))))
"""Iterators that never have to wait for their next item."""


class Stream:
    """One open stream.

    Attributes:
        iterator: What is advanced; None until the call has given it.
        is_async: It is an async iterator, advanced in `loop`.
        loop: The event loop that it lives in.
        credit: How many more items may be sent.
        closed: Nothing more is wanted.
        busy: A thread advances it, or it waits in line for one.
    """

    __slots__ = ("busy", "call_id", "closed", "codec", "credit", "is_async", "iterator", "loop", "plan", "session")

    def __init__(self, call_id: int, codec: int, session: int) -> None:
        self.call_id = call_id
        self.codec = codec
        self.session = session
        self.plan: Plan
        self.iterator: Any = None
        self.is_async = False
        self.loop: Any = None
        self.credit = 0
        self.closed = False
        self.busy = False


class Streams:
    """The streams of one worker, and which of them can be advanced."""

    def __init__(self) -> None:
        self.ready: list[Stream] = []  # for the loop of a single thread to work through, in turn
        self._streams: dict[int, Stream] = {}
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self._streams)

    def expect(self, call_id: int, codec: int, session: int) -> Stream:
        """The place of a stream that its call may open."""
        with self._lock:
            stream = self._streams.get(call_id)
            if stream is None:
                stream = self._streams[call_id] = Stream(call_id, codec, session)
            return stream

    def forget(self, call_id: int) -> None:
        """It is over, or was never opened."""
        with self._lock:
            self._streams.pop(call_id, None)

    def get(self, call_id: int) -> Stream | None:
        """The stream of a call."""
        return self._streams.get(call_id)

    def claim(self, stream: Stream) -> bool:
        """Whether the stream has something to do and nobody who does it; then it is the caller's to advance."""
        with self._lock:
            if stream.busy or stream.iterator is None or not (stream.credit > 0 or stream.closed):
                return False
            stream.busy = True
            return True

    def let_go(self, stream: Stream) -> None:
        """The end of `claim`."""
        with self._lock:
            stream.busy = False

    def add_credit(self, stream: Stream, items: int) -> None:
        """So many items more may be sent."""
        with self._lock:
            stream.credit += items

    def of_session(self, session: int) -> list[Stream]:
        """All streams of a session."""
        return [stream for stream in list(self._streams.values()) if stream.session == session]


def iterator_of(result: Any, *, any_iterable: bool) -> tuple[Any, bool] | None:
    """The iterator to stream from, and whether it is async; None when the result is none.

    Args:
        result: What the call gave.
        any_iterable: A list, too, is taken apart; else only what is an iterator already.
    """
    cls = type(result)
    if hasattr(cls, "__anext__"):
        return result, True
    if hasattr(cls, "__next__"):
        return result, False
    if any_iterable:
        if hasattr(cls, "__aiter__"):
            return result.__aiter__(), True
        return iter(result), False
    return None
