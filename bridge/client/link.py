"""One connection of the blocking client, shared by any number of threads and served by none of its own.

A thread that wants an answer reads the socket itself: it is the *leader*, and settles everybody's calls until its own
is among them. Others who wait meanwhile (*followers*) sleep on a lock each; the leader wakes those whose call it
settled, and when it leaves, one more to lead on. So a lone caller pays for one write, one read, and no thread switch.

Writing is as simple: frames go into `out`, and whoever flushes writes what is there. If another thread is at it
already, that one looks again before it leaves, so nobody waits to write. A flush that finds the socket full reads as
well: the service may have stopped to listen until we do.

When the connection breaks, `sweep` sorts the calls under way: those never written whole, and those that may be run
twice, are left in `carried` to be sent on the next connection; all others fail with `Disconnected`.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.encoding import decode_error
from bascule.bridge.client.futures import ERROR, RAISED, REPLY, VALUE, Entry
from bascule.bridge.client.outbox import Outbox
from bascule.bridge.client.proxy import Proxy
from bascule.bridge.errors import BasculeError, Disconnected, HandleLost
from bascule.protocols import packed
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection
    from bascule.protocols.envelope import Frame

_REPLY = int(Kind.REPLY)
_ITEM = int(Kind.ITEM)
_ANSWERS: Final = frozenset((_REPLY, int(Kind.ERROR)))
_OUTPUT, _CONTROL, _MSGPACK = int(Kind.OUTPUT), int(Kind.CONTROL), int(Codec.MSGPACK)
_CHUNK: Final = (64 << 10,)  # bytes of one read, as the argument list of recv
_BLOCKED_MS: Final = 50  # how long a writer leaves reading to another thread before it looks again
LOST_WITH_THE_SERVICE: Final = (
    "the object behind this handle is gone: the service restarted, or closed the connection that the handle came by"
)

OnOutput = Callable[[int, bytes, int], None]
"""Told of captured output: the call's id, the text's bytes, the frame's flags."""


class _Waiter:
    """A sleeping thread."""

    __slots__ = ("_lock", "wake")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.wake = self._wake  # bound once: watchers are told apart by identity

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # awake already
            self._lock.release()

    def sleep(self, seconds: float) -> None:
        self._lock.acquire(timeout=seconds)


class Link:
    """A connected, greeted socket and the calls that travel on it.

    Attributes:
        pending: The calls without an outcome, by id.
        outbox, out: What is to be written; `out` is its list of frames, to which any thread may append.
        loads: Decodes a payload, and makes proxies of the handles in it.
        dropped: Tokens whose proxies are gone; the garbage collector appends, at any moment.
        broken: Why the connection is no more, or None.
        carried: Calls to be sent again on the next connection, each with its frames.
    """

    def __init__(self, connection: Connection, sock: socket.socket, reader: FrameReader, on_output: OnOutput) -> None:
        self.connection = connection
        self.loads: Callable[[bytes], Any] = packed.loader(partial(Proxy, self))
        self._decoding = threading.Lock()
        self.pending: dict[int, Entry] = {}
        self.outbox = Outbox(sock, self._wait_to_write)
        self.out = self.outbox.frames
        self.dropped: deque[str] = deque()
        self.broken: str | None = None
        self.carried: list[tuple[Entry, list[bytes]]] = []
        self._sock = sock
        self._recv = sock.recv
        self._reader = reader
        self._on_output = on_output
        self._inbox: deque[bytes] = deque()
        self._reading = threading.Lock()
        self._sending = threading.Lock()
        self._leader = 0  # the thread that reads
        self._followers: dict[_Waiter, None] = {}
        self._read_poll = select.poll()
        self._read_poll.register(sock, select.POLLIN)

    # -- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what there is to write, or leave it to the thread that is writing."""
        if self.dropped:
            self._add_release()
        outbox = self.outbox
        while (outbox.frames or outbox.rest) and self.broken is None and self._sending.acquire(False):
            try:
                outbox.write()
            except OSError as error:
                outbox.interrupted = False
                self._break(_reason(error))
            finally:
                if outbox.interrupted:
                    self._break("a thread was interrupted while it wrote")
                self._sending.release()
            if self.broken is not None:
                self.sweep(wait=False)

    def decode(self, entry: Entry) -> None:
        """Turn what came for `entry` into a value or an exception: once, since each decoding makes proxies."""
        with self._decoding:
            if entry.state == REPLY:
                try:
                    entry.outcome, entry.state = self.loads(entry.outcome), VALUE
                except RemoteProtocolError as error:
                    entry.outcome, entry.state = BasculeError(f"the result can't be read: {error}"), RAISED
            elif entry.state == ERROR:
                entry.outcome, entry.state = decode_error(entry.outcome), RAISED

    def discard(self, payload: bytes) -> None:
        """A value that nobody will see: have the objects released whose handles are in it."""
        if b"bsc" in payload:
            with contextlib.suppress(RemoteProtocolError):
                self.loads(payload)  # the proxies are dropped at once

    def _add_release(self) -> None:
        """Tell the service which objects nobody here can name any more."""
        tokens = []
        with contextlib.suppress(IndexError):
            while True:
                tokens.append(self.dropped.popleft())
        if tokens:
            self.out.append(encode_frame(Kind.RELEASE, Codec.MSGPACK, 0, 0, 0, 0, "".join(tokens).encode()))

    def _wait_to_write(self) -> None:
        """Until the socket takes more. Reads meanwhile, if no other thread does."""
        if self._leader == get_ident():
            raise RuntimeError("the function that is told of output must not use the client that tells it")
        poll = select.poll()
        if not self._reading.acquire(False):
            poll.register(self._sock, select.POLLOUT)
            poll.poll(_BLOCKED_MS)
            return
        self._leader = get_ident()
        try:
            poll.register(self._sock, select.POLLIN | select.POLLOUT)
            if any(events & ~select.POLLOUT for _, events in poll.poll()):
                self._read()
        finally:
            self._stop_leading()

    # -- reading -----------------------------------------------------------------------------------------------------

    def wait(self, entry: Entry, until: float | None) -> None:
        """Return when `entry` has news, or the connection is broken, or the clock (monotonic) says `until`."""
        in_time = True
        while in_time and not entry.state and self.broken is None:
            if not self._reading.acquire(False):
                in_time = self._follow(entry, until)
                continue
            self._leader = get_ident()
            try:
                while in_time and not entry.state and self.broken is None:
                    if until is not None:
                        remaining = until - time.monotonic()
                        in_time = remaining > 0 and bool(self._read_poll.poll(remaining * 1000))
                        if not in_time:
                            break
                    self._read()
            finally:
                self._stop_leading()

    def look(self) -> None:
        """Read what is there, without waiting, unless another thread reads anyway."""
        if self.broken is None and self._reading.acquire(False):
            self._leader = get_ident()
            try:
                while self.broken is None and self._read_poll.poll(0):
                    self._read()
            finally:
                self._stop_leading()

    def _stop_leading(self) -> None:
        self._leader = 0
        self._reading.release()
        if self._followers:
            self._promote()

    def _promote(self) -> None:
        """Wake one that waits, to lead."""
        for waiter in list(self._followers)[:1]:
            waiter.wake()

    def _follow(self, entry: Entry, until: float | None) -> bool:
        """Sleep until the leader settles `entry`, or leaves."""
        if self._leader == get_ident():
            raise RuntimeError("the function that is told of output must not wait on the client that tells it")
        waiter = _Waiter()
        self._followers[waiter] = None
        entry.watch(waiter.wake)
        try:
            if not entry.state and self.broken is None and self._reading.locked():
                waiter.sleep(-1 if until is None else max(0.0, until - time.monotonic()))
        except BaseException:
            del self._followers[waiter]
            self._pass_on()
            raise
        del self._followers[waiter]
        entry.unwatch(waiter.wake)
        if entry.state:
            self._pass_on()
            return True
        return until is None or time.monotonic() < until

    def _pass_on(self) -> None:
        """We may have been woken to lead and won't: another must."""
        if self._followers and not self._reading.locked():
            self._promote()

    def _read(self) -> None:
        """Read once, waiting for data, and settle what came."""
        inbox = self._inbox
        try:
            # All in C: a signal handler that raises (Ctrl-C) runs either before anything was read, or after it is kept.
            inbox.extend(map(self._recv, _CHUNK))
        except OSError as error:
            self.fail(_reason(error))
            return
        try:
            while inbox:
                data = inbox.popleft()
                if not data:
                    self.fail("the service closed the connection")
                    return
                self._settle(self._reader.receive_data(data))
        except RemoteProtocolError as error:
            self.fail(f"the service sent what is no frame: {error}")
        except BaseException:
            self.fail("a thread was interrupted while it handled answers")
            raise

    def _settle(self, frames: list[Frame]) -> None:
        pop = self.pending.pop
        for kind, codec, flags, call_id, _session, _deadline, payload in frames:
            if kind in _ANSWERS:
                entry = pop(call_id, None)
                if entry is None:
                    if kind == _REPLY:
                        self.discard(payload)  # nobody waits for it any more
                    continue
                if codec != _MSGPACK:
                    raise RemoteProtocolError(f"an answer in codec {codec} to a call in msgpack")
                entry.outcome = payload
                entry.state = REPLY if kind == _REPLY else ERROR
                if entry.watchers is not None:
                    entry.announce()
            elif kind == _OUTPUT:
                self._on_output(call_id, payload, flags)
            else:
                self._settle_other(kind, call_id, payload)

    def _settle_other(self, kind: int, call_id: int, payload: bytes) -> None:
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

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, reason: str) -> None:
        """The connection can't go on. The calls under way are swept now, or by the thread that is writing."""
        self._break(reason)
        self.sweep(wait=False)

    def sweep(self, *, wait: bool = True) -> None:
        """Once broken: settle or carry every call that is under way. May be called again, for calls that came late."""
        if not self._sending.acquire(wait):
            return  # it will sweep when it leaves
        try:
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
        finally:
            self._sending.release()
        for waiter in list(self._followers):
            waiter.wake()

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)  # who reads or writes in another thread returns

    def _lost(self, entry: Entry) -> Disconnected:
        return Disconnected(
            f"the connection to the service was lost ({self.broken}) before call {entry.call_id}, {entry.what}, "
            "was answered; it may have run",
            call_id=entry.call_id,
        )

    def close(self) -> None:
        """Give the descriptor back, once no thread uses it."""
        self.fail("the client was closed")
        with self._sending, self._reading:
            self._sock.close()

    def abandon(self) -> None:
        """In a forked child: let go of a socket that is the parent's, without a word to the service."""
        self.broken = "the process was forked"
        self.dropped.clear()
        self._reading = threading.Lock()  # a thread that is not in the child may have held them
        self._decoding = threading.Lock()
        self._sending = threading.Lock()
        self._sock.close()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
