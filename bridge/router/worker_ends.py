"""The workers' descriptors: their wires, what they print, and their deaths.

Output pipes are read before replies within a turn, so what a call printed reaches the client before its answer does. A
worker's death is learned from its pidfd, never from the end of a pipe, which a child of its own may hold open; its
reply pipe is read until it is empty before the core hears of the death.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from functools import partial

from bascule.bridge.notices import WorkerWire
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.descriptors import OUT, Descriptors, read_into, read_some
from bascule.bridge.router.peers import Effect, Worker
from bascule.bridge.router.writer import Writer
from bascule.bridge.supervision.exits import peek_exit

# Reads of a dead worker's pipes: twice what they hold. What comes after that is written by a child of its own, which is
# killed next.
MOST_LEFT = 32


class WorkerEnds:
    """The router's ends of all workers.

    Args:
        core: Hears what they say.
        descriptors: Where theirs are waited for.
        carry_out: Does at once what the core has decided.
    """

    def __init__(self, core: RouterCore, descriptors: Descriptors, carry_out: Callable[[], None]) -> None:
        self._core = core
        self._descriptors = descriptors
        self._carry_out = carry_out
        self._fds: dict[Worker, set[int]] = {}  # those that are still open

    def close(self) -> None:
        """All of them, at the end."""
        for worker in list(self._fds):
            self.close_worker(worker)

    def look_after(self, worker: Worker, writer: Writer) -> None:
        """Not all could be written, now or the last time."""
        done = not writer.rest
        if done == writer.waiting:
            writer.waiting = not done
            self._watch(worker)

    def _flush(self, worker: Worker) -> None:
        writer = worker.writer
        if writer is not None and writer.flush():
            writer.waiting = False
            self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        fd = worker.wire.write_fd
        if fd in self._descriptors.sources:
            self._descriptors.change(fd, OUT if worker.writer is not None and worker.writer.waiting else 0)

    def attach(self, wire: WorkerWire) -> None:
        """A worker was spawned: its descriptors are ours."""
        worker = self._core.attach_worker(wire)
        for fd in (wire.read_fd, wire.write_fd, wire.stdout_fd, wire.stderr_fd):
            os.set_blocking(fd, False)
        worker.writer = Writer(wire.write_fd, worker)
        self._fds[worker] = {wire.read_fd, wire.write_fd, wire.stdout_fd, wire.stderr_fd, wire.pidfd}
        self._descriptors.add(wire.stdout_fd, 0, lambda mask: self._on_output(worker, wire.stdout_fd, err=False))
        self._descriptors.add(wire.stderr_fd, 0, lambda mask: self._on_output(worker, wire.stderr_fd, err=True))
        self._descriptors.add(wire.read_fd, 1, partial(self._on_replies, worker))
        self._descriptors.add(wire.pidfd, 2, lambda mask: self._on_exit(worker))
        self._descriptors.add(wire.write_fd, 3, lambda mask: self._on_worker_writable(worker, mask), 0)

    def _on_worker_writable(self, worker: Worker, mask: int) -> None:
        if mask & OUT:
            self._flush(worker)
        else:  # the worker closed its end: nothing more can be written, its death comes by the pidfd
            self._descriptors.drop(worker.wire.write_fd)
            self._core.endings.wire_closed(worker)

    def _on_replies(self, worker: Worker, _mask: int) -> None:
        if self._read_replies(worker) == 0:  # it closed its wire, which no worker does in good order while it lives
            self._descriptors.drop(worker.wire.read_fd)
            self._core.endings.wire_closed(worker)

    def _read_replies(self, worker: Worker) -> int | None:
        """How many bytes there were; 0 at the end; None when there is nothing now."""
        room = worker.reader.buffer()
        if room is not None:
            count = read_into(worker.wire.read_fd, room)
            if count:
                self._core.answers.worker_frames(worker, worker.reader.received(count))
            return count
        data = read_some(worker.wire.read_fd)
        if data:
            self._core.answers.worker_data(worker, data)
        return None if data is None else len(data)

    def _on_output(self, worker: Worker, fd: int, *, err: bool) -> None:
        data = read_some(fd)
        if data:
            self._core.answers.worker_output(worker, data, err=err)
        elif data is not None:
            self._core.answers.worker_output(worker, b"", err=err, final=True)
            self._descriptors.drop(fd)

    def _on_exit(self, worker: Worker) -> None:
        wire = worker.wire
        try:
            cause = peek_exit(wire.pidfd)
        except BlockingIOError:
            return
        for fd, err in ((wire.stdout_fd, False), (wire.stderr_fd, True)):
            for _ in range(MOST_LEFT):
                if fd not in self._descriptors.sources or not (data := read_some(fd)):
                    break
                self._core.answers.worker_output(worker, data, err=err)
        for _ in range(MOST_LEFT):
            if wire.read_fd not in self._descriptors.sources or not self._read_replies(worker):
                break
        self._carry_out()  # the last answers, before it is known to be dead
        self._core.endings.worker_exited(worker, cause)
        self.close_worker(worker)

    def close_worker(self, worker: Worker) -> None:
        """It is gone: close what was its."""
        worker.writer = None
        for fd in list(self._fds[worker]):
            self._close_fd(worker, fd)
        del self._fds[worker]
        worker.wire.page.close()

    def _close_fd(self, worker: Worker, fd: int) -> None:
        """Close a worker's descriptor once: its number may be another's right after."""
        if fd in self._fds[worker]:
            self._fds[worker].remove(fd)
            self._descriptors.drop(fd)
            os.close(fd)

    def affect(self, worker: Worker, effect: Effect) -> None:
        """Do to a worker what the core wants done."""
        if worker not in self._fds:
            return  # it died in this turn
        if effect is Effect.CLOSE_WIRE:
            worker.writer = None
            self._close_fd(worker, worker.wire.write_fd)
            return
        number = signal.SIGURG if effect is Effect.INTERRUPT else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(worker.pidfd, number)
