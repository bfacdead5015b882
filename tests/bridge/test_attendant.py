"""What systemd is told while the service ends."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from bascule.bridge.operations.attendant import Attendant
from bascule.bridge.operations.notify import Notifier
from bascule.bridge.tree import Tree


class Told(Notifier):
    """Keeps what would be sent, and when."""

    def __init__(self) -> None:
        super().__init__({"NOTIFY_SOCKET": "/nowhere"})
        self.notes: list[tuple[float, dict[str, str | int]]] = []

    def send(self, **fields: str | int) -> None:
        self.notes.append((trio.current_time(), fields))


class Ending:
    """A tree that takes nothing new any more, and never ends."""

    def __init__(self, drain: float) -> None:
        self.ending = trio.Event()
        self.ending.set()
        self._drain = drain

    def drain_time(self) -> float:
        return self._drain


@pytest.mark.trio
async def test_time_to_end_is_asked_for_while_calls_may_be_finished_and_not_for_ever(autojump_clock: Any) -> None:
    told = Told()
    began = trio.current_time()
    await Attendant(cast(Tree, Ending(600.0)), told).run()
    assert told.notes[0][1]["STOPPING"] == 1
    asked = [at - began for at, fields in told.notes if "EXTEND_TIMEOUT_USEC" in fields]
    assert 600.0 <= asked[-1] <= 700.0
    assert max(after - before for before, after in zip(asked, asked[1:], strict=False)) < 10.0  # before each is over


def test_a_manager_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        told = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        while not told.lost:  # the kernel keeps some of them, and has the next one wait
            told.send(STATUS="x" * 4000)
        assert deaf.recv(8192).startswith(b"STATUS=x")
        told.ready("again")
        assert told.lost == 1
