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
import struct
import threading
import time
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Final

from bascule.bridge.client.futures import Answer
from bascule.bridge.client.outbox import AT_ONCE, Outbox
from bascule.bridge.client.proxy import Proxy
from bascule.bridge.client.settling import OnOutput, Settling
from bascule.protocols.envelope import HEADER, HEADER_SIZE, Codec, FrameReader, Kind
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection
    from bascule.bridge.client.futures import Entry

_REPLY, _MSGPACK = int(Kind.REPLY), int(Codec.MSGPACK)
_unpack = HEADER.unpack_from
_CHUNK: Final = (64 << 10,)  # bytes of one read, as the argument list of recv
_LARGE_CHUNK: Final = (256 << 10,)  # the same while a large frame is under way; making room for them costs more
_NAP: Final = 1.0  # seconds after which a follower looks for itself whether it was forgotten
_AWAKE: Final = struct.pack("ll", int(_NAP), 0)
"""The longest that a read waits before it is begun again. A signal that comes between Python's last look for signals
and the system call does not interrupt it: else that Ctrl-C would wait for the next answer, which may never come."""
_SHORTLY: Final = 0.0005  # seconds between two looks at a claim that must be had
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
    """A connected, greeted socket and the calls that travel on it.

    Who reads and who writes is a claim: a dictionary with the thread's number in it, or empty. It is taken by
    `setdefault`, which is one step, and is never waited for. It is no lock because a signal's exception (Ctrl-C) may
    come right behind that step: then the claim is the thread's without its knowing, and the next time it simply has it.
    `_leading` and `_writing` tell that case from the other one in which a thread finds itself the holder already: it is
    in a function of its user's (told of output, a finalizer) that was called while it reads or writes.
    """

    def __init__(self, connection: Connection, sock: socket.socket, reader: FrameReader, on_output: OnOutput) -> None:
        super().__init__(connection, Outbox(sock, self._wait_to_write), reader, Proxy, on_output)
        self._sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _AWAKE)
        self._recv, self._send = sock.recv, sock.send
        self._inbox: deque[bytes] = deque()
        self._reads: dict[int, int] = {}
        self._writes: dict[int, int] = {}
        self._leading = False
        self._writing = False
        self._whole = True  # no frame's beginning is in the reader
        self._followers: dict[_Waiter, None] = {}
        self._read_poll = select.poll()
        self._read_poll.register(sock, select.POLLIN)

    # -- a caller alone ----------------------------------------------------------------------------------------------

    def exchange(self, call_id: int, what: str, frame: bytes) -> bytes | Answer:
        """Send a call; give its REPLY's payload if nobody else uses the link and nothing else comes, else its `Answer`.

        It does nothing that leaving the call with the link and `wait` would not do, for the usual case of a program
        with one thread, and in as little Python as it takes: other processes ran on this processor meanwhile, so each
        line here is read from memory anew.
        """
        outbox, inbox = self.outbox, self._inbox
        me = get_ident()
        if (
            (outbox.frames or outbox.batch or self.dropped or self.pending or inbox or self._frames)
            or not self._whole
            or self._reads.setdefault(0, me) != me
            or self._leading
        ):
            return self._register(call_id, what, frame)
        self._leading = True
        try:
            if self._writes.setdefault(0, me) != me or self._writing:
                return self._register(call_id, what, frame)
            self._writing = True
            try:
                outbox.sends = []
                outbox.batch = [frame]
                outbox.sends.extend(map(self._send, outbox.batch, AT_ONCE))
                if outbox.sends[0] == len(frame):
                    outbox.batch = []
            finally:
                self._writing = False
                self._writes.clear()
            if not (outbox.batch or outbox.frames):
                inbox.extend(map(self._recv, _CHUNK))
                data = inbox[0]
                if len(data) > HEADER_SIZE:
                    length, kind, codec, _, answered, _, _ = _unpack(data)
                    alone = length + HEADER_SIZE == len(data)
                    if alone and answered == call_id and kind == _REPLY and codec == _MSGPACK:
                        inbox.clear()
                        return data[HEADER_SIZE:]
            return self._register(call_id, what)
        except OSError:
            return self._register(call_id, what)  # `flush` or `wait` will meet the error again and deal with it
        finally:
            # Not before the call is registered: whoever reads next must know whose the answer in the inbox is.
            self._leading = False
            self._reads.clear()
            if self._followers:
                self._promote()

    def _register(self, call_id: int, what: str, frame: bytes = b"") -> Answer:
        answer = self.pending[call_id] = Answer(self, call_id, what)
        if frame:
            self.outbox.frames.append(frame)
        return answer

    # -- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what there is to write, or leave it to the thread that is writing."""
        if self.dropped:
            self.add_release()
        outbox = self.outbox
        me = get_ident()
        while (outbox.frames or outbox.batch) and self.broken is None:
            if self._writes.setdefault(0, me) != me or self._writing:
                return  # it looks again before it leaves
            self._writing = True
            try:
                outbox.write()
            except OSError as error:
                self._break(_reason(error))
            finally:
                self._writing = False
                self._writes.clear()
            if self.broken is not None:
                self.sweep(wait=False)

    def _wait_to_write(self) -> None:
        """Until the socket takes more. Reads meanwhile, if no other thread does."""
        me = get_ident()
        poll = select.poll()
        if self._reads.setdefault(0, me) != me:
            poll.register(self._sock, select.POLLOUT)
            poll.poll(_BLOCKED_MS)
            return
        self._refuse_the_leader()
        self._leading = True
        try:
            poll.register(self._sock, select.POLLIN | select.POLLOUT)
            if any(events & ~select.POLLOUT for _, events in poll.poll()):
                self._read()
        finally:
            self._leading = False
            self._reads.clear()
            self._promote()

    # -- reading -----------------------------------------------------------------------------------------------------

    def wait(self, entry: Entry, until: float | None) -> None:
        """Return when `entry` has news, or the connection is broken, or the clock (monotonic) says `until`."""
        in_time = True
        me = get_ident()
        while in_time and not entry.state and self.broken is None:
            if self._reads.setdefault(0, me) != me:
                in_time = self._follow(entry, until)
                continue
            self._refuse_the_leader()
            self._leading = True
            try:
                while in_time and not entry.state and self.broken is None:
                    if until is not None:
                        remaining = until - time.monotonic()
                        in_time = remaining > 0
                        if not in_time:
                            break
                        if not self._read_poll.poll(min(remaining, _NAP) * 1000):
                            continue
                    self._read()
            finally:
                self._leading = False
                self._reads.clear()
                if self._followers:
                    self._promote()

    def look(self) -> None:
        """Read what is there, without waiting, unless somebody reads anyway."""
        me = get_ident()
        if self.broken is None and self._reads.setdefault(0, me) == me and not self._leading:
            self._leading = True
            try:
                while self.broken is None and self._read_poll.poll(0):
                    self._read()
            finally:
                self._leading = False
                self._reads.clear()
                self._promote()

    def _read(self) -> None:
        """Read once, waiting for data, and settle what came. Interrupted (Ctrl-C), it can be called again."""
        inbox = self._inbox
        if not inbox and not self._frames:
            try:
                # All in C: a signal's exception comes either before anything was read, or when it is in the inbox.
                inbox.extend(map(self._recv, _CHUNK if self._whole else _LARGE_CHUNK))
            except BlockingIOError:
                return  # it said nothing for a while
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
        begins_a_frame, self._whole = self._whole, False
        try:
            self._frames = reader.receive_data(self._inbox[0])
            del self._inbox[0]
            self._whole = not reader.pending
        except RemoteProtocolError:
            raise
        except BaseException:  # interrupted: the same piece is to be cut again
            if begins_a_frame:
                self._reader = FrameReader()
                self._whole = True
            else:
                self.fail("a thread was interrupted while it put a large answer together")
            raise

    def _follow(self, entry: Entry, until: float | None) -> bool:
        """Sleep until the leader settles `entry`, or leaves. False: there is no time left."""
        waiter = _Waiter()
        self._followers[waiter] = None
        entry.watch(waiter.wake)
        try:
            if not entry.state and self.broken is None and self._reads:
                left = _NAP if until is None else min(_NAP, until - time.monotonic())
                waiter.sleep(max(0.0, left))
        finally:
            self._followers.pop(waiter, None)
            entry.unwatch(waiter.wake)
            if not self._reads:
                self._promote()  # we may have been woken to lead; if our call has ended, another must
        return until is None or time.monotonic() < until

    def _promote(self) -> None:
        """Wake one that waits, to lead."""
        for waiter in list(self._followers)[:1]:
            waiter.wake()

    def _refuse_the_leader(self) -> None:
        """The thread that reads is in a function of its user's, who wants to wait for what only it could read."""
        if self._leading:
            raise RuntimeError("the function that is told of output must not use the client that tells it")

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, reason: str) -> None:
        """The connection can't go on. The calls under way are swept now, or by the thread that is writing."""
        self._break(reason)
        self.sweep(wait=False)

    def sweep(self, *, wait: bool = True) -> None:
        """Once broken: settle or carry every call that is under way. May be called again, for calls that came late."""
        me = get_ident()
        while self._writes.setdefault(0, me) != me or self._writing:
            if not wait:
                return  # what it has not written only the writing thread can say: it sweeps when it leaves
            time.sleep(_SHORTLY)
        self._writing = True
        try:
            self.settle_or_carry()
        finally:
            self._writing = False
            self._writes.clear()
        for waiter in list(self._followers):
            waiter.wake()

    def close(self) -> None:
        """Give the descriptor back, once no thread uses it."""
        self.fail("the client was closed")
        me = get_ident()
        for claim in (self._writes, self._reads):
            while claim.setdefault(0, me) != me:
                time.sleep(_SHORTLY)
        self._sock.close()

    def abandon(self) -> None:
        """In a forked child: let go of a socket that is the parent's, without a word to the service."""
        self.broken = "the process was forked"
        self.dropped.clear()
        # Threads that are not in the child may have held these.
        self._reads, self._writes, self._decoding = {}, {}, threading.Lock()
        self._leading = self._writing = False
        self._sock.close()

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)  # who reads or writes in another thread returns


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
