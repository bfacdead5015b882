"""Who connects and says nothing is dropped; who has spoken, and was not heard since the service is late, is not."""

from __future__ import annotations

import socket

from bascule.bridge.doors.service import ServiceDoor
from bascule.bridge.listeners import _drop_silent
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.peers import Session


def test_only_those_are_dropped_of_whom_nothing_waits_to_be_read() -> None:
    core = RouterCore()
    session = Session(1, ServiceDoor(), "default", "")
    core.sessions[1] = session
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\0\0")  # the beginning of a hello
        _drop_silent(core, session, 10.0, ours.fileno())
        assert not session.dead
        later = core.endings.next_timer()
        assert later is not None
        ours.recv(2)  # it was read, and no more came
        core.endings.tick(later)
        assert session.dead
        assert b"no hello came within 10 s" in b"".join(bytes(piece) for piece in session.outbox)
