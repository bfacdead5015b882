"""The only file with epoll: one thread that owns every data descriptor and turns the core.

A turn: wait for descriptors, feed the core what they hold (at most 64 KiB each, in turn, so that none starves), let it
tick, then write every peer it marked, many frames with one system call. Workers' output pipes are read before their
replies within a turn, so what a call printed reaches the client before its answer does. A worker's death is learned
from its pidfd, and its reply pipe is read until it is empty before the core hears of it.

Other threads hand in functions with `post`; notices for the supervision leave through the function given to
`subscribe`. An exception of ours in this thread is the end of the bridge: it is delivered as a `RouterFailed` notice.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from bascule.bridge.doors.base import Door
from bascule.bridge.notices import KillReason, Notice, PoolPolicy, RouterFailed, SessionClosed, WorkerWire
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.peers import Effect, Grant, Peer, Session, Worker
from bascule.bridge.router.requests import SOFT_UNWRITTEN
from bascule.bridge.router.scribe import Scribe
from bascule.bridge.router.writer import Writer
from bascule.bridge.supervision.exits import peek_exit

CHUNK = 64 << 10
MOST_EVENTS = 256  # of one turn
SWITCH_INTERVAL = 5e-5  # seconds: how long a busy trio thread may keep the interpreter from this one

# Reads of a dead worker's pipes: twice what they hold. What comes after that is written by a child of its own, which is
# killed next.
MOST_LEFT = 32

LINGER = 10.0  # seconds that a client may take to read the rest once its session is over
LAST_WORDS = 1.0  # seconds that the end may wait for output of no call to be read
LONGEST_WAIT = 3600.0  # seconds: epoll takes no more than some weeks

_IN, _OUT, _GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR
_T = TypeVar("_T")
_read, _now = os.read, time.monotonic


class _Source:
    """A registered descriptor: what to do when it can be read, or written."""

    __slots__ = ("fd", "on_event", "order")

    def __init__(self, fd: int, order: int, on_event: Callable[[int], None]) -> None:
        self.fd = fd
        self.order = order  # within a turn: output before replies, replies before exits
        self.on_event = on_event


class RouterPump:
    """The router thread, and the calls that other threads may make on it."""

    def __init__(self, core: RouterCore | None = None) -> None:
        self.core = core or RouterCore()
        self._epoll = select.epoll()
        self._sources: dict[int, _Source] = {}
        self._session_fds: dict[Session, tuple[int, ...]] = {}
        self._worker_fds: dict[Worker, set[int]] = {}  # those that are still open
        self._posted: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self.turns = 0
        self._subscriber: Callable[[Notice], None] | None = None
        self._unheard: deque[Notice] = deque()
        self.scribe = Scribe(_write_to_stderr)
        self._thread = threading.Thread(target=self._run, name="bascule-router", daemon=True)
        self._add_source(self._wake, 0, self._on_wake)

    # -- from other threads --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; descriptors are closed by it. Afterwards `post` does nothing."""
        self.post(self._stop)
        self._thread.join()
        self.scribe.close(LAST_WORDS)
        wake, self._wake = self._wake, -1
        if wake >= 0:
            os.close(wake)

    def post(self, function: Callable[[], None]) -> None:
        """Run a function in the router thread, soon."""
        self._posted.append(function)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def ask(self, function: Callable[[RouterCore], _T]) -> _T:
        """Run a function over the core in the router thread and wait for its result. Never from that thread itself."""
        done = threading.Event()
        box: list[_T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                box.append(function(self.core))
            except BaseException as error:
                errors.append(error)
            done.set()

        self.post(run)
        while not done.wait(0.5):
            if not self._thread.is_alive():
                raise RuntimeError("the router thread is gone")
        if errors:
            raise errors[0]
        return box[0]

    def subscribe(self, subscriber: Callable[[Notice], None]) -> None:
        """Deliver notices to this function, in the router thread; those that came before are delivered first."""

        def run() -> None:
            self._subscriber = subscriber
            while self._unheard:
                subscriber(self._unheard.popleft())

        if self._thread.ident is not None and not self._thread.is_alive():
            run()  # it died before anybody listened
        else:
            self.post(run)

    def set_pool(self, policy: PoolPolicy) -> None:
        """See `RouterCore.set_pool`."""
        self.post(lambda: self.core.set_pool(policy))

    def remove_pool(self, name: str) -> None:
        """See `RouterCore.remove_pool`."""
        self.post(lambda: self.core.remove_pool(name))

    def fail_pool(self, name: str, message: str) -> None:
        """See `RouterCore.fail_pool`."""
        self.post(lambda: self.core.fail_pool(name, message))

    def restore_pool(self, name: str) -> None:
        """See `RouterCore.restore_pool`."""
        self.post(lambda: self.core.restore_pool(name))

    def drain(self) -> None:
        """Take no new calls from now on."""

        def refuse() -> None:
            self.core.draining = True

        self.post(refuse)

    def attach_worker(self, wire: WorkerWire) -> None:
        """Own a spawned worker's descriptors from now on."""
        self.post(lambda: self._attach(wire))

    def close_pool(self, name: str, message: str) -> None:
        """See `RouterCore.close_pool`."""
        self.post(lambda: self.core.close_pool(name, message))

    def retire_worker(self, slot: int, incarnation: int, handle_wait: float = 0.0) -> None:
        """See `RouterCore.retire_worker`."""
        self.post(lambda: self.core.retire_worker(slot, incarnation, handle_wait))

    def kill_worker(self, slot: int, incarnation: int, reason: KillReason) -> None:
        """See `RouterCore.kill_worker`."""
        self.post(lambda: self.core.kill_worker(slot, incarnation, reason))

    def attach_client(
        self,
        read_fd: int,
        write_fd: int,
        door: Door,
        *,
        pool: str,
        identity: str = "",
        opening: bytes = b"",
        grant: Grant | None = None,
        on_attached: Callable[[Session], None] | None = None,
    ) -> None:
        """Own a client's descriptors (the same one twice for a socket) from now on.

        Args:
            read_fd, write_fd: The descriptors.
            door: Speaks with the client.
            pool: Where its calls go when it does not say.
            identity: Who it is, for the operator.
            opening: What was read from it already.
            grant: What it may do; everything where there is none.
            on_attached: Told of its session, in the router's thread, before anything is read from it.
        """

        def attach() -> None:
            self._attach_client(read_fd, write_fd, door, pool, identity, opening, grant, on_attached)

        self.post(attach)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._turn_core()
        except BaseException as error:
            self._notify(RouterFailed(error))
            raise
        finally:
            self._close_all()

    def _turn_core(self) -> None:
        """Turn after turn, until the end."""
        core, sources, posted = self.core, self._sources, self._posted
        endings, poll = core.endings, self._epoll.poll
        while not self._stopping:
            self.turns += 1
            timeout = -1.0
            if core.busy or posted:
                timeout = 0.0
            elif endings.timers and (timer := endings.next_timer()) is not None:
                timeout = min(max(0.0, timer - _now()), LONGEST_WAIT)
            events = poll(timeout, MOST_EVENTS)
            core.now = now = _now()
            if len(events) == 1:
                fd, mask = events[0]
                source = sources.get(fd)
                if source is not None:
                    source.on_event(mask)
            elif events:
                ready = [(sources[fd], mask) for fd, mask in events if fd in sources]
                ready.sort(key=_by_order)
                for source, mask in ready:
                    if sources.get(source.fd) is source:
                        source.on_event(mask)
            if core.busy:
                busy, core.busy = core.busy, []
                for session in busy:
                    if not session.dead:
                        core.requests.serve_session(session)
            if endings.timers:
                endings.tick(now)
            if core.dirty:
                self._write_dirty()
            if core.effects or core.logged or core.dropped or core.notices or core.dirty:
                self._carry_out()

    def _carry_out(self) -> None:
        """Do what the core decided in this turn."""
        core = self.core
        while core.dirty or core.effects or core.notices or core.logged or core.dropped:
            self._write_dirty()
            if core.effects:
                effects, core.effects = core.effects, []
                for worker, effect in effects:
                    self._affect(worker, effect)
            if core.logged:
                logged, core.logged = core.logged, []
                for worker, text, err in logged:
                    self.scribe.put(worker.name, text, err)
            if core.dropped:
                dropped, core.dropped = core.dropped, []
                for session in dropped:
                    self._disconnect(session)
            if core.notices:
                notices, core.notices = core.notices, []
                for notice in notices:
                    self._notify(notice)

    def _write_dirty(self) -> None:
        """Write what every peer that was marked has to hear."""
        core = self.core
        dirty, core.dirty = core.dirty, []
        for peer in dirty:
            peer.dirty = False
            if isinstance(peer, Session):
                core.requests.door_requests(peer)
            writer = peer.writer
            if writer is not None and (not writer.flush() or writer.waiting or writer.broken):
                self._look_after(writer, peer)

    def _notify(self, notice: Notice) -> None:
        if self._subscriber is None:
            self._unheard.append(notice)
        else:
            self._subscriber(notice)

    def _add_source(self, fd: int, order: int, on_event: Callable[[int], None], events: int = _IN) -> None:
        self._sources[fd] = _Source(fd, order, on_event)
        self._epoll.register(fd, events)

    def _drop_source(self, fd: int) -> None:
        if self._sources.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def _on_wake(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        posted = self._posted
        while posted:
            posted.popleft()()

    def _stop(self) -> None:
        self._stopping = True

    def _close_all(self) -> None:
        for fd in list(self._sources):
            self._drop_source(fd)
        for session in list(self._session_fds):
            if session.writer is not None:
                self._disconnect(session)
            else:
                self._close_client(session)
        for worker in list(self._worker_fds):
            self._close_worker(worker)
        self._epoll.close()  # the eventfd stays until `stop`: others may still post, to a number that is not reused

    # -- writing -------------------------------------------------------------------------------------------------

    def _look_after(self, writer: Writer, peer: Peer) -> None:
        """Not all could be written, now or the last time."""
        done = not writer.rest
        if done == writer.waiting:
            writer.waiting = not done
            self._watch(peer)
        if isinstance(peer, Session):
            if writer.broken or peer.unwritten > self.core.hard_unwritten:
                self.core.requests.close_session(peer)
            elif peer.unwritten > SOFT_UNWRITTEN and not peer.paused:
                peer.paused = True
                self._watch(peer)

    def _on_writable(self, peer: Peer) -> None:
        writer = peer.writer
        if writer is None or not writer.flush():
            return
        writer.waiting = False
        if isinstance(peer, Session) and peer.paused:
            peer.paused = False
            self.core.requests.release_credit(peer)
        self._watch(peer)

    def _watch(self, peer: Peer) -> None:
        """Wait for what a peer is ready for: to be written to when it has not taken all, to be read when we want it.

        What is not wanted is not watched, since a descriptor whose other end is closed would be reported without end.
        """
        if isinstance(peer, Worker):
            fd = peer.wire.write_fd
            if fd in self._sources:
                self._epoll.modify(fd, _OUT if peer.writer is not None and peer.writer.waiting else 0)
            return
        assert isinstance(peer, Session)
        read_fd, *others = self._session_fds[peer]
        writing = _OUT if peer.writer is not None and peer.writer.waiting else 0
        reading = 0 if peer.input_over or peer.paused else _IN
        if not others:
            self._epoll.modify(read_fd, reading | writing)
            return
        if not reading:
            self._drop_source(read_fd)
        elif read_fd not in self._sources:
            self._add_source(read_fd, 1, partial(self._on_client, peer, read_fd))
        if others[0] in self._sources:
            self._epoll.modify(others[0], writing)

    # -- workers -------------------------------------------------------------------------------------------------

    def _attach(self, wire: WorkerWire) -> None:
        worker = self.core.attach_worker(wire)
        for fd in (wire.read_fd, wire.write_fd, wire.stdout_fd, wire.stderr_fd):
            os.set_blocking(fd, False)
        worker.writer = Writer(wire.write_fd, worker)
        self._worker_fds[worker] = {wire.read_fd, wire.write_fd, wire.stdout_fd, wire.stderr_fd, wire.pidfd}
        self._add_source(wire.stdout_fd, 0, lambda mask: self._on_output(worker, wire.stdout_fd, err=False))
        self._add_source(wire.stderr_fd, 0, lambda mask: self._on_output(worker, wire.stderr_fd, err=True))
        self._add_source(wire.read_fd, 1, partial(self._on_replies, worker))
        self._add_source(wire.pidfd, 2, lambda mask: self._on_exit(worker))
        self._add_source(wire.write_fd, 3, lambda mask: self._on_worker_writable(worker, mask), 0)

    def _on_worker_writable(self, worker: Worker, mask: int) -> None:
        if mask & _OUT:
            self._on_writable(worker)
        else:  # the worker closed its end: nothing more can be written, its death comes by the pidfd
            self._drop_source(worker.wire.write_fd)
            self.core.endings.wire_closed(worker)

    def _on_replies(self, worker: Worker, _mask: int) -> None:
        if self._read_replies(worker) == 0:  # it closed its wire, which no worker does in good order while it lives
            self._drop_source(worker.wire.read_fd)
            self.core.endings.wire_closed(worker)

    def _read_replies(self, worker: Worker) -> int | None:
        """How many bytes there were; 0 at the end; None when there is nothing now."""
        room = worker.reader.buffer()
        if room is not None:
            count = self._read_into(worker.wire.read_fd, room)
            if count:
                self.core.answers.worker_frames(worker, worker.reader.received(count))
            return count
        try:
            data = _read(worker.wire.read_fd, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        if data:
            self.core.answers.worker_data(worker, data)
        return len(data)

    def _on_output(self, worker: Worker, fd: int, *, err: bool) -> None:
        data = self._read(fd, CHUNK)
        if data:
            self.core.answers.worker_output(worker, data, err=err)
        elif data is not None:
            self.core.answers.worker_output(worker, b"", err=err, final=True)
            self._drop_source(fd)

    def _on_exit(self, worker: Worker) -> None:
        wire = worker.wire
        try:
            cause = peek_exit(wire.pidfd)
        except BlockingIOError:
            return
        for fd, err in ((wire.stdout_fd, False), (wire.stderr_fd, True)):
            for _ in range(MOST_LEFT):
                if fd not in self._sources or not (data := self._read(fd, CHUNK)):
                    break
                self.core.answers.worker_output(worker, data, err=err)
        for _ in range(MOST_LEFT):
            if wire.read_fd not in self._sources or not self._read_replies(worker):
                break
        self._carry_out()  # the last answers, before it is known to be dead
        self.core.endings.worker_exited(worker, cause)
        self._close_worker(worker)

    def _close_worker(self, worker: Worker) -> None:
        worker.writer = None
        for fd in list(self._worker_fds[worker]):
            self._close_fd(worker, fd)
        del self._worker_fds[worker]
        worker.wire.page.close()

    def _close_fd(self, worker: Worker, fd: int) -> None:
        """Close a worker's descriptor once: its number may be another's right after."""
        if fd in self._worker_fds[worker]:
            self._worker_fds[worker].remove(fd)
            self._drop_source(fd)
            os.close(fd)

    def _affect(self, worker: Worker, effect: Effect) -> None:
        if worker not in self._worker_fds:
            return  # it died in this turn
        if effect is Effect.CLOSE_WIRE:
            worker.writer = None
            self._close_fd(worker, worker.wire.write_fd)
            return
        number = signal.SIGURG if effect is Effect.INTERRUPT else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(worker.pidfd, number)

    def _read(self, fd: int, size: int) -> bytes | None:
        """Bytes; empty at the end; None when there is nothing now."""
        try:
            return _read(fd, size)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _read_into(self, fd: int, room: memoryview) -> int | None:
        """How many bytes were read; 0 at the end; None when there is nothing now."""
        try:
            return os.readv(fd, [room])
        except BlockingIOError:
            return None
        except OSError:
            return 0

    # -- clients -------------------------------------------------------------------------------------------------

    def _attach_client(
        self,
        read_fd: int,
        write_fd: int,
        door: Door,
        pool: str,
        identity: str,
        opening: bytes,
        grant: Grant | None,
        on_attached: Callable[[Session], None] | None,
    ) -> None:
        session = self.core.requests.open_session(door, pool, identity, grant)
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._session_fds[session] = (read_fd,) if read_fd == write_fd else (read_fd, write_fd)
        session.writer = Writer(write_fd, session)
        self._add_source(read_fd, 1, partial(self._on_client, session, read_fd))
        if write_fd != read_fd:
            with contextlib.suppress(PermissionError):  # a regular file: always writable, and never gone
                self._add_source(write_fd, 3, partial(self._on_client_writable, session), 0)
        if on_attached is not None:
            on_attached(session)
        self.core.requests.client_data(session, opening)
        self.core.requests.door_requests(session)

    def _on_client(self, session: Session, fd: int, mask: int) -> None:
        if mask != _IN and not self._still_to_read(session, mask):
            return
        if session.dead or session.input_over or session.requests or session.paused:
            return
        requests = self.core.requests
        if session.buffered is not None and (room := session.buffered.buffer()) is not None:
            count = self._read_into(fd, room)
            if count:
                requests.client_received(session, count)
            elif count == 0:
                self._end_of_input(session, mask)
            return
        try:
            data = _read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            requests.client_data(session, data)
        else:
            self._end_of_input(session, mask)

    def _still_to_read(self, session: Session, mask: int) -> bool:
        """What else there is than bytes to read; False when that was all, or the end."""
        if mask & _OUT:
            self._on_writable(session)
        if session.dead:
            return False
        held = session.input_over or session.requests or session.paused
        # The end of a socket is the end of both ways; that of a pipe only says that no more is written to it.
        if held and mask & _GONE and len(self._session_fds[session]) == 1:
            self.core.requests.close_session(session)
            return False
        return bool(mask & ~_OUT)

    def _end_of_input(self, session: Session, mask: int) -> None:
        if mask & _GONE and len(self._session_fds[session]) == 1:
            self.core.requests.close_session(session)
        else:
            self.core.requests.client_eof(session)
            if not session.dead:
                self._watch(session)

    def _on_client_writable(self, session: Session, mask: int) -> None:
        if mask & _GONE:
            self.core.requests.close_session(session)
        elif mask & _OUT:
            self._on_writable(session)

    def _disconnect(self, session: Session) -> None:
        """The session is over. What was said to the client is still written, as long as it reads on."""
        writer, session.writer = session.writer, None
        assert writer is not None
        for fd in self._session_fds[session]:
            self._drop_source(fd)
        if writer.flush() or self._stopping:
            self._close_client(session)
            return
        self._add_source(writer.fd, 3, partial(self._on_lingering, session, writer), _OUT)
        self.core.endings.set_timer(self.core.now + LINGER, partial(self._close_client, session))

    def _on_lingering(self, session: Session, writer: Writer, mask: int) -> None:
        if mask & _GONE or writer.flush():
            self._close_client(session)

    def _close_client(self, session: Session) -> None:
        for fd in self._session_fds.pop(session, ()):
            self._drop_source(fd)
            with contextlib.suppress(OSError):
                os.close(fd)
        self._notify(SessionClosed(session.id))


def _by_order(ready: tuple[_Source, int]) -> int:
    return ready[0].order


def _write_to_stderr(worker: str, text: str, err: bool) -> None:
    """Output of no call, where nothing better is set up."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
