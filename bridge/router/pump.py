"""One thread that owns every data descriptor and turns the core.

A turn: wait for descriptors, feed the core what they hold (at most 64 KiB each, in turn, so that none starves), let it
tick, then write every peer it marked, many frames with one system call. What is particular to the two kinds of peers is
in `worker_ends` and `client_ends`.

Other threads hand in functions with `post`; notices for the supervision leave through the function given to
`subscribe`. An exception of ours in this thread is the end of the bridge: it is delivered as a `RouterFailed` notice.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from bascule.bridge.doors.base import Door
from bascule.bridge.notices import KillReason, Notice, PoolPolicy, RouterFailed, WorkerWire
from bascule.bridge.router.client_ends import ClientEnds
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.descriptors import MOST_EVENTS, Descriptors
from bascule.bridge.router.peers import Grant, Session, Worker
from bascule.bridge.router.scribe import Scribe
from bascule.bridge.router.worker_ends import WorkerEnds

SWITCH_INTERVAL = 5e-5  # seconds: how long a busy trio thread may keep the interpreter from this one
LAST_WORDS = 1.0  # seconds that the end may wait for output of no call to be read
LONGEST_WAIT = 3600.0  # seconds: epoll takes no more than some weeks

_T = TypeVar("_T")
_now = time.monotonic


class RouterPump:
    """The router thread, and the calls that other threads may make on it."""

    def __init__(self, core: RouterCore | None = None) -> None:
        self.core = core or RouterCore()
        self._descriptors = Descriptors()
        self._workers = WorkerEnds(self.core, self._descriptors, self._carry_out)
        self._clients = ClientEnds(self.core, self._descriptors, self._notify)
        self._posted: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self.turns = 0
        self._subscriber: Callable[[Notice], None] | None = None
        self._unheard: deque[Notice] = deque()
        self.scribe = Scribe(_write_to_stderr)
        # Not `_thread`: compiled it would be called `__thread`, which is a word of C.
        self._runner = threading.Thread(target=self._run, name="bascule-router", daemon=True)
        self._descriptors.add(self._wake, 0, self._on_wake)

    # -- from other threads --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._runner.start()

    def stop(self) -> None:
        """End the thread; descriptors are closed by it. Afterwards `post` does nothing."""
        self.post(self._stop)
        self._runner.join()
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
            if not self._runner.is_alive():
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

        if self._runner.ident is not None and not self._runner.is_alive():
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
            self.core.workers_changed()

        self.post(refuse)

    def attach_worker(self, wire: WorkerWire) -> None:
        """Own a spawned worker's descriptors from now on."""
        self.post(lambda: self._workers.attach(wire))

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
            self._clients.attach(read_fd, write_fd, door, pool, identity, opening, grant, on_attached)

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
        core, posted = self.core, self._posted
        endings, sources, poll = core.endings, self._descriptors.sources, self._descriptors.poll
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
                self._descriptors.dispatch(events)
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
                    self._workers.affect(worker, effect)
            if core.logged:
                logged, core.logged = core.logged, []
                for worker, text, err in logged:
                    self.scribe.put(worker.name, text, err)
            if core.dropped:
                dropped, core.dropped = core.dropped, []
                for session in dropped:
                    self._clients.disconnect(session)
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
                if isinstance(peer, Session):
                    self._clients.look_after(peer, writer)
                elif isinstance(peer, Worker):
                    self._workers.look_after(peer, writer)

    def _notify(self, notice: Notice) -> None:
        if self._subscriber is None:
            self._unheard.append(notice)
        else:
            self._subscriber(notice)

    def _on_wake(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        posted = self._posted
        while posted:
            posted.popleft()()

    def _stop(self) -> None:
        self._stopping = True

    def _close_all(self) -> None:
        self._clients.close()
        self._workers.close()
        self._descriptors.close()  # the eventfd stays until `stop`: others may still post to it


def _write_to_stderr(worker: str, text: str, err: bool) -> None:
    """Output of no call, where nothing better is set up."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
