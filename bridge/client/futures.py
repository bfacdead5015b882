"""What becomes of a call: a small object that is written to once and asked many times.

There may be ten thousand of them, so they have slots, no lock and no thread of their own. Whoever reads the socket (see
`link`) sets the outcome as it came, in bytes; whoever asks for the result decodes it. The states only ever go up.

The order of two writes carries the promise that nobody waits in vain: the reader sets `state`, then looks at
`watchers`; who wants to wait adds a watcher, then looks at `state`. One of them sees the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.errors import Cancelled
from bascule.protocols.envelope import Codec, Kind, encode_frame

if TYPE_CHECKING:
    from bascule.bridge.client.settling import Settling
    from bascule.protocols.envelope import Payload

PENDING: Final = 0
REPLY: Final = 1  # outcome: the payload
ERROR: Final = 2  # outcome: the payload, an error map
VALUE: Final = 3  # outcome: the value
RAISED: Final = 4  # outcome: the exception

# Held for a few instructions, by those who wait and never by a lone caller. Reentrant: the garbage collector may close
# a stream or a map in between, which writes, and to write may mean to read.
_watching = threading.RLock()


class Entry:
    """Something that waits for frames with its id."""

    __slots__ = ("call_id", "kept", "link", "outcome", "state", "watchers", "what")

    outcome: Any  # there once `state` is not PENDING
    frame: list[bytes] | None = None  # what to send again, where that may be done

    def __init__(self, link: Settling, call_id: int, what: str, kept: list[Any] | None = None) -> None:
        self.link: Any = link  # where its answer comes from; another one after it was sent again
        self.call_id = call_id
        self.what = what  # for messages: the target
        self.kept = kept  # the proxies among its arguments: they must not be released while it runs
        self.state = PENDING
        self.watchers: list[Callable[[], object]] | None = None

    def watch(self, watcher: Callable[[], object]) -> None:
        """Have `watcher` called once there is news; at once if there is already. It must neither block nor raise."""
        with _watching:
            self.watchers = [watcher] if self.watchers is None else [*self.watchers, watcher]
        if self.state:
            self.announce()

    def unwatch(self, watcher: Callable[[], object]) -> None:
        """Take it back."""
        with _watching:
            self.watchers = [other for other in self.watchers or () if other is not watcher] or None

    def announce(self) -> None:
        """Call every watcher that was not called."""
        with _watching:
            watchers, self.watchers = self.watchers, None
        for watcher in watchers or ():
            watcher()

    def settle(self, state: int, outcome: Any) -> None:
        """Set the outcome. (`Link` does the same in its own loop.)"""
        self.outcome = outcome
        self.state = state
        if self.watchers is not None:
            self.announce()

    def abandon(self) -> None:
        """Nobody will ask for its outcome: have the service stop it. Waits for no lock, so a finalizer may call it."""
        link = self.link
        if link.pending.pop(self.call_id, None) is not None:
            link.out.append(encode_frame(Kind.CANCEL, Codec.MSGPACK, 0, self.call_id, 0, 0))
            link.flush()

    def receive(self, kind: int, payload: Payload) -> None:
        """A frame that is neither REPLY nor ERROR: only streams await such."""


class Answer(Entry):
    """What a call waits for that is awaited at once, by the thread that makes it."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> Any:
        """The call's value, when it is there.

        Args:
            timeout: Seconds to wait; the call goes on when they are over.

        Raises:
            CallError: The call failed. (`PythonError`: the code that was called raised.)
            TimeoutError: It has not ended in time.
        """
        if not self.state:
            self.link.connection.wait(self, timeout)
        if self.state < VALUE:
            self.link.decode(self)
        if self.state == RAISED:
            raise self.outcome
        return self.outcome


class Future(Answer):
    """A call under way. Its methods are those of `concurrent.futures.Future`.

    Calls that were only just submitted may still wait to be written, for a few milliseconds: many are sent at once.
    """

    __slots__ = ()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` would raise, or None."""
        if not self.state:
            self.link.connection.wait(self, timeout)
        if self.state < VALUE:
            self.link.decode(self)
        return self.outcome if self.state == RAISED else None

    def done(self) -> bool:
        """Whether the outcome is there. Looks at the socket if nobody else does."""
        if not self.state:
            self.link.connection.look(self)
        return self.state != PENDING

    def cancel(self) -> bool:
        """Ask the service to stop the call. False: it had already ended.

        The first outcome wins: `result` raises `Cancelled`, or gives the value that was on its way.
        """
        if self.done():
            return False
        self.link.connection.cancel(self)
        return True

    def cancelled(self) -> bool:
        """Whether it ended because it was cancelled."""
        return self.done() and isinstance(self.exception(), Cancelled)

    def running(self) -> bool:
        """Whether it has not ended. Only the service knows if it runs or waits."""
        return not self.done()

    def add_done_callback(self, function: Callable[[Future], object]) -> None:
        """Have `function(self)` called once it has ended, in the thread that learns of it. It may use the client."""
        self.watch(partial(self.link.connection.defer, function, self))
        self.link.connection.run_deferred()

    def __del__(self) -> None:
        if getattr(self, "state", PENDING) == REPLY:  # a signal may have come before it had a state
            self.link.discard(self.outcome)

    def __repr__(self) -> str:
        how = ("pending", "done", "failed", "done", "failed")[self.state]
        return f"<call {self.call_id} of {self.what}: {how}>"


class SafeAnswer(Answer):
    """The answer to a call that may be made again when the connection was lost."""

    __slots__ = ("frame",)


class SafeFuture(Future):
    """A call that may be made again when the connection was lost."""

    __slots__ = ("frame",)
