"""The clients' descriptors: what they say and what they are told, also to those that read slowly, half, or not at all.

A client that does not read is not read from; past a hard limit it is dropped. What was said to one whose session is
over is still written, for a while.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial

from bascule.bridge.doors.base import Door
from bascule.bridge.notices import Notice, SessionClosed
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.descriptors import GONE, IN, OUT, Descriptors, read_into, read_some
from bascule.bridge.router.peers import Grant, Session
from bascule.bridge.router.requests import SOFT_UNWRITTEN
from bascule.bridge.router.writer import Writer

LINGER = 10.0  # seconds that a client may take to read the rest once its session is over


class ClientEnds:
    """The router's ends of all clients.

    Args:
        core: Hears what they say.
        descriptors: Where theirs are waited for.
        notify: Takes the notice that a session's last byte is written.
    """

    def __init__(self, core: RouterCore, descriptors: Descriptors, notify: Callable[[Notice], None]) -> None:
        self._core = core
        self._descriptors = descriptors
        self._notify = notify
        self._fds: dict[Session, tuple[int, ...]] = {}

    def close(self) -> None:
        """All of them, at the end."""
        for session in list(self._fds):
            if session.writer is not None:
                self.disconnect(session, at_once=True)
            else:
                self._close_client(session)

    def look_after(self, session: Session, writer: Writer) -> None:
        """Not all could be written, now or the last time."""
        done = not writer.rest
        if done == writer.waiting:
            writer.waiting = not done
            self._watch(session)
        if writer.broken or session.unwritten > self._core.hard_unwritten:
            self._core.requests.close_session(session)
        elif session.unwritten > SOFT_UNWRITTEN and not session.paused:
            session.paused = True
            self._watch(session)

    def _flush(self, session: Session) -> None:
        writer = session.writer
        if writer is None or not writer.flush():
            return
        writer.waiting = False
        if session.paused:
            session.paused = False
            self._core.requests.release_credit(session)
        self._watch(session)

    def _watch(self, session: Session) -> None:
        """Wait for what it is ready for: to be written to when it has not taken all, to be read when we want it."""
        descriptors = self._descriptors
        read_fd, *others = self._fds[session]
        writing = OUT if session.writer is not None and session.writer.waiting else 0
        reading = 0 if session.input_over or session.paused else IN
        if not others:
            descriptors.change(read_fd, reading | writing)
            return
        if not reading:
            descriptors.drop(read_fd)
        elif read_fd not in descriptors.sources:
            descriptors.add(read_fd, 1, partial(self._on_client, session, read_fd))
        if others[0] in descriptors.sources:
            descriptors.change(others[0], writing)

    def attach(
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
        """A client came: its descriptors are ours. See `RouterPump.attach_client`."""
        session = self._core.requests.open_session(door, pool, identity, grant)
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._fds[session] = (read_fd,) if read_fd == write_fd else (read_fd, write_fd)
        session.writer = Writer(write_fd, session)
        self._descriptors.add(read_fd, 1, partial(self._on_client, session, read_fd))
        if write_fd != read_fd:
            with contextlib.suppress(PermissionError):  # a regular file: always writable, and never gone
                self._descriptors.add(write_fd, 3, partial(self._on_client_writable, session), 0)
        if on_attached is not None:
            on_attached(session)
        self._core.requests.client_data(session, opening)
        self._core.requests.door_requests(session)

    def _on_client(self, session: Session, fd: int, mask: int) -> None:
        if mask != IN and not self._still_to_read(session, mask):
            return
        if session.dead or session.input_over or session.requests or session.paused:
            return
        requests = self._core.requests
        if session.buffered is not None and (room := session.buffered.buffer()) is not None:
            count = read_into(fd, room)
            if count:
                requests.client_received(session, count)
            elif count == 0:
                self._end_of_input(session, mask)
            return
        data = read_some(fd)
        if data:
            requests.client_data(session, data)
        elif data is not None:
            self._end_of_input(session, mask)

    def _still_to_read(self, session: Session, mask: int) -> bool:
        """What else there is than bytes to read; False when that was all, or the end."""
        if mask & OUT:
            self._flush(session)
        if session.dead:
            return False
        held = session.input_over or session.requests or session.paused
        # The end of a socket is the end of both ways; that of a pipe only says that no more is written to it.
        if held and mask & GONE and len(self._fds[session]) == 1:
            self._core.requests.close_session(session)
            return False
        return bool(mask & ~OUT)

    def _end_of_input(self, session: Session, mask: int) -> None:
        if mask & GONE and len(self._fds[session]) == 1:
            self._core.requests.close_session(session)
        else:
            self._core.requests.client_eof(session)
            if not session.dead:
                self._watch(session)

    def _on_client_writable(self, session: Session, mask: int) -> None:
        if mask & GONE:
            self._core.requests.close_session(session)
        elif mask & OUT:
            self._flush(session)

    def disconnect(self, session: Session, *, at_once: bool = False) -> None:
        """The session is over. What was said to the client is still written, as long as it reads on."""
        writer, session.writer = session.writer, None
        assert writer is not None
        for fd in self._fds[session]:
            self._descriptors.drop(fd)
        if writer.flush() or at_once:
            self._close_client(session)
            return
        self._descriptors.add(writer.fd, 3, partial(self._on_lingering, session, writer), OUT)
        self._core.endings.set_timer(self._core.now + LINGER, partial(self._close_client, session))

    def _on_lingering(self, session: Session, writer: Writer, mask: int) -> None:
        if mask & GONE or writer.flush():
            self._close_client(session)

    def _close_client(self, session: Session) -> None:
        fds = self._fds.pop(session, None)
        if fds is None:  # it had read the rest before its time was over
            return
        for fd in fds:
            self._descriptors.drop(fd)
            with contextlib.suppress(OSError):
                os.close(fd)
        self._notify(SessionClosed(session.id))
