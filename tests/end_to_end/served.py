"""What tests of the service call. Imported by workers only."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def die_with(_held: Any) -> None:
    """Run where `_held` lives, and kill that worker."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def maybe_die(dies: bool) -> str:
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return "alive"


def rest(seconds: float) -> int:
    """Take time; the worker's pid."""
    time.sleep(seconds)
    return os.getpid()


def wait_while_held() -> None:
    """As a worker's init: it starts when the file that $HOLD names is gone."""
    while Path(os.environ["HOLD"]).exists():
        time.sleep(0.02)


def colour() -> str | None:
    return os.environ.get("COLOUR")


class Box:
    """Stays in its worker."""

    def pid(self) -> int:
        return os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a box can't be copied")


def pid_of(_box: Box, _more: int = 0) -> int:
    """The process that has the box."""
    return os.getpid()


def tick(number: int) -> int:
    """Take a little."""
    time.sleep(0.004)
    return number


def behind(gate: str | None) -> str | None:
    """Wait until the file is there, if one is named."""
    while gate is not None and not Path(gate).exists():
        time.sleep(0.01)
    return gate


def dawdle(gate: str | None) -> str | None:
    """Take long while the file is not there, if one is named."""
    until = time.monotonic() + 0.3
    while gate is not None and not Path(gate).exists() and time.monotonic() < until:
        time.sleep(0.01)
    return gate


def slow_once(mark: str, seconds: float) -> str:
    """Take long, but only the first time."""
    if mark and not Path(mark).exists():
        Path(mark).touch()
        time.sleep(seconds)
    return "done"


def traceparent() -> str | None:
    """The trace context of this very call."""
    from bascule.workers.tracing import traceparent

    return traceparent()


def call_on(service: str, target: str, *args: Any) -> Any:
    """Call something in a service from in here."""
    import bascule

    with bascule.connect(service, tracing=True) as client:
        return client.call(target, *args)


def pid_beside(_held: Any) -> int:
    """Run where `_held` lives: that worker's pid."""
    return os.getpid()
