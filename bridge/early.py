"""The first worker of a command that somebody waits for, started before the rest of the bridge is imported."""

from __future__ import annotations

import os
import sys
from functools import partial

from bascule.bridge.supervision.starting import Started, mark_of, new_bridge_id, start_process
from bascule.workers import launch


class NotStarted(Exception):
    """The command can't serve; the message says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status  # to exit with


class EarlyWorker:
    """A process that is starting up, and the id of the bridge that it will belong to."""

    __slots__ = ("bridge", "started")

    def __init__(self, bridge: str, started: Started) -> None:
        self.bridge = bridge
        self.started = started


def start_early(python: str | None, *, ahead: str = "") -> EarlyWorker:
    """Start it. `ahead` is a module of ours that it imports while it waits for its configuration.

    Raises:
        NotStarted: That Python can't be run, or standard input or output is closed.
    """
    _check_stdio()
    executable = python or sys.executable
    bridge = new_bridge_id()
    try:
        command = partial(launch.command, ahead=ahead)
        return EarlyWorker(bridge, start_process(executable, mark_of(bridge, 0, 1), command=command))
    except OSError as error:
        raise NotStarted(f"its Python {executable} can't be run: {error.strerror}", 1) from None


def _check_stdio() -> None:
    """See that a client can be there. Asked before anything is opened.

    A closed descriptor's number would be taken by the next thing that we open, and the client's bytes go there.
    """
    for fd, name in ((0, "input"), (1, "output")):
        try:
            os.fstat(fd)
        except OSError:
            raise NotStarted(f"the standard {name} is closed; a client must be there, or /dev/null", 2) from None
    try:
        os.fstat(2)
    except OSError:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")  # it gets the free number, 2
