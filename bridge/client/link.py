"""One connection of the blocking client, shared by any number of threads and served by none of its own.

A thread that wants an answer reads the socket itself: it is the *leader*, and settles everybody's calls until its own
is among them. Others who wait meanwhile (*followers*) sleep on a lock each; the leader wakes those whose call it
settled, and when it leaves, one more to lead on. So a lone caller pays for one write, one read, and no thread switch.

Writing is as simple: frames go into `out`, and whoever flushes writes what is there. If another thread is at it
already, that one looks again before it leaves, so nobody waits to write. A flush that finds the socket full reads as
well: the service may have stopped to listen until we do.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Final

from bascule.bridge.client.outbox import Outbox
from bascule.bridge.client.proxy import Proxy
from bascule.bridge.client.settling import OnOutput, Settling
from bascule.protocols.envelope import FrameReader
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection
    from bascule.bridge.client.futures import Entry

_CHUNK: Final = (64 << 10,)  # bytes of one read, as the argument list of recv
_BLOCKED_MS: Final = 50  # how long a writer leaves reading to another thread before it looks again


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


class Link(Settling):
    """A connected, greeted socket and the calls that travel on it."""

    def __init__(self, connection: Connection, sock: socket.socket, reader: FrameReader, on_output: OnOutput) -> None:
        super().__init__(connection, Outbox(sock, self._wait_to_write), reader, Proxy, on_output)
        self._sock = sock
        self._recv = sock.recv
        self._recv_into = sock.recv_into
        self._inbox: deque[bytes] = deque()
        self._filled: deque[int] = deque()
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
            self.add_release()
        outbox = self.outbox
        while (outbox.frames or outbox.unfinished) and self.broken is None and self._sending.acquire(False):
            try:
                outbox.write()
            except OSError as error:
                self._break(_reason(error))
            finally:
                self._sending.release()
            if self.broken is not None:
                self.sweep(wait=False)

    def _wait_to_write(self) -> None:
        """Until the socket takes more. Reads meanwhile, if no other thread does."""
        self._refuse_the_leader()
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

    def _read(self) -> None:
        """Read once, waiting for data, and settle what came. Interrupted (Ctrl-C), it can be called again."""
        inbox = self._inbox
        if not inbox and not self._frames:
            try:
                # All in C: a signal's exception comes either before anything was read, or when it is in the inbox.
                inbox.extend(map(self._recv, _CHUNK))
            except OSError as error:
                self.fail(_reason(error))
                return
        try:
            if self._frames:
                self.digest()
            while inbox:
                if not inbox[0]:
                    self.fail("the service closed the connection")
                    return
                self._parse()
                self.digest()
        except RemoteProtocolError as error:
            self.fail(f"the service sent what we can't read: {error}")

    def _parse(self) -> None:
        """Cut the first piece of the inbox into frames."""
        reader = self._reader
        begins_a_frame = not reader.pending
        try:
            self._frames = reader.receive_data(self._inbox[0])
            del self._inbox[0]
        except RemoteProtocolError:
            raise
        except BaseException:  # interrupted: the same piece is to be cut again
            if begins_a_frame:
                self._reader = FrameReader()
            else:
                self.fail("a thread was interrupted while it put a large answer together")
            raise

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
        """Sleep until the leader settles `entry`, or leaves. False: there is no time left."""
        self._refuse_the_leader()
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

    def _refuse_the_leader(self) -> None:
        """The thread that reads is in a function of its user's, who wants to wait for what only it could read."""
        if self._leader == get_ident():
            raise RuntimeError("the function that is told of output must not use the client that tells it")

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, reason: str) -> None:
        """The connection can't go on. The calls under way are swept now, or by the thread that is writing."""
        self._break(reason)
        self.sweep(wait=False)

    def sweep(self, *, wait: bool = True) -> None:
        """Once broken: settle or carry every call that is under way. May be called again, for calls that came late."""
        if not self._sending.acquire(wait):
            return  # what it has not written only the writing thread can say: it sweeps when it leaves
        try:
            self.settle_or_carry()
        finally:
            self._sending.release()
        for waiter in list(self._followers):
            waiter.wake()

    def close(self) -> None:
        """Give the descriptor back, once no thread uses it."""
        self.fail("the client was closed")
        with self._sending, self._reading:
            self._sock.close()

    def abandon(self) -> None:
        """In a forked child: let go of a socket that is the parent's, without a word to the service."""
        self.broken = "the process was forked"
        self.dropped.clear()
        # Threads that are not in the child may have held these.
        self._reading, self._sending, self._decoding = threading.Lock(), threading.Lock(), threading.Lock()
        self._sock.close()

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)  # who reads or writes in another thread returns


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
