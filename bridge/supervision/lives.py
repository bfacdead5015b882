"""One life of a child, and the time that it has to end.

Trio has one way to ask a task to stop, cancellation, where OTP has two: `exit(Pid, shutdown)` and `exit(Pid, kill)`. So
a child that has to clean up does it inside `with grace():`, a shield against the first which yields to the second: its
deadline is the end of the child's `shutdown` time, set when the child is asked to stop.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from bascule.bridge.supervision.spec import ChildSpec, Shutdown


@dataclass(eq=False, slots=True)
class Life:
    """One life of a child."""

    spec: ChildSpec
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    graces: set[trio.CancelScope] = field(default_factory=set)
    deadline: float = math.inf  # when its grace is over
    up: bool = False
    leaving: bool = False  # we stop it: its end is expected, and not to be decided about
    error: Exception | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    def stop(self) -> None:
        """Ask it to end within its shutdown time."""
        self.leaving = True
        if self.spec.shutdown is Shutdown.BRUTAL_KILL:
            self.end_grace(-math.inf)
        elif not isinstance(self.spec.shutdown, Shutdown):
            self.end_grace(trio.current_time() + self.spec.shutdown)
        self.scope.cancel()

    def end_grace(self, deadline: float) -> None:
        """From then on it may not even clean up."""
        self.deadline = deadline
        for scope in self.graces:
            scope.deadline = deadline


_current: contextvars.ContextVar[Life | None] = contextvars.ContextVar("supervised_child", default=None)


def enter(life: Life) -> None:
    """This task, and what it starts, is the child of that life."""
    _current.set(life)


@contextmanager
def grace() -> Iterator[trio.CancelScope]:
    """A shield in which a child that is being stopped may still wait, until its `shutdown` time is over.

    Outside of a supervised child it is a plain shielded scope.
    """
    life = _current.get()
    with trio.CancelScope(shield=True) as scope:
        if life is None:
            yield scope
            return
        scope.deadline = life.deadline
        life.graces.add(scope)
        try:
            yield scope
        finally:
            life.graces.discard(scope)


class Status:
    """A child's `task_status`, which also tells its life that it is up."""

    def __init__(self, life: Life, task_status: trio.TaskStatus[Any]) -> None:
        self._life = life
        self._task_status = task_status

    def started(self, value: Any = None) -> None:
        """The child is up."""
        self._task_status.started(value)
        self._life.up = True
