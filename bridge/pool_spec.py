"""What a pool is: one frozen value, read by the spawner, the pool and the router.

No trio and no pydantic here, and no dataclass: the pod and port commands build one while their client waits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from bascule.bridge.notices import PoolPolicy

SECRET = os.urandom(32)  # of this bridge and its workers: see bascule.workers.secret
MOST_WORKERS = 4096  # of one pool: slots are 16 bits of a token, and are shared by all pools


class PoolSpecError(ValueError):
    """A pool is described in a way that can't work."""


class _Fields(NamedTuple):
    """What can be said of a pool."""

    name: str = "default"
    size: int = os.cpu_count() or 1
    spares: int = 0  # ready workers that wait to take a dead one's place at once

    # What a worker is.
    executable: str = sys.executable  # any CPython from 3.9 on, of any virtual environment
    paths: Sequence[str] = ()  # put first on its sys.path
    cwd: str | None = None
    env: Mapping[str, str | None] = {}  # over the bridge's own; None removes
    preload: Sequence[str] = ()  # modules to import before it is ready
    init: str | None = None  # "module:function" to call before it is ready
    converters: str | None = None  # a module that says how the pool's own types travel
    mounts: Sequence[str] = ()  # implementations of contracts, each `[NAME=]PACKAGE:Class[@CONTRACT]`
    threads: int = 1
    handle_cap: int = 100_000  # objects that one session may hold in one worker
    handle_lease: float | None = None  # seconds after which an unused one is dropped
    memory_limit: int | None = None  # bytes of data a worker may allocate: past it user code meets MemoryError

    # When it is replaced.
    max_calls: int = 0  # after so many calls; 0: never
    max_memory: int = 0  # when it is seen to be resident with more bytes; 0: never

    # How long things may take, in seconds.
    ready_timeout: float = 30.0  # from the spawn to the handshake: preload and init included
    drain: float = 10.0  # for the calls that run when the pool stops or shrinks
    grace: float = 2.0  # from TERM to KILL, when it did not leave by itself
    handle_wait: float = 60.0  # that one which is to be replaced is kept for the sake of its handles

    # How calls are given to it.
    scheduler: str = "least_busy"
    max_queue: int = 10_000
    default_deadline: float | None = None
    cancel_grace: float = 0.5  # from the exception in a cancelled call to the kill of its worker

    # How much may go wrong: more than `intensity` counted exits within `period` seconds fail the pool.
    intensity: int | None = None  # None: all of its workers may die twice
    period: float = 30.0
    retry: float = 60.0  # a failed pool tries again after so many seconds
    significant: bool = False  # its failure is the bridge's


class PoolSpec(_Fields):
    """A named set of worker processes of one kind; see `_Fields` for what it is made of.

    Raises:
        PoolSpecError: It can't work so.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """The fields, checked."""
        self = super().__new__(cls, *args, **kwargs)
        self._check()
        return self

    def _check(self) -> None:
        def need(condition: bool, text: str) -> None:
            if not condition:
                raise PoolSpecError(f"pool {self.name!r}: {text}")

        need(bool(self.name) and "/" not in self.name, "a name is some text without a slash")
        need(1 <= self.size <= MOST_WORKERS, f"size is from 1 to {MOST_WORKERS}, not {self.size}")
        need(0 <= self.spares <= MOST_WORKERS, f"spares are from 0 to {MOST_WORKERS}, not {self.spares}")
        need(1 <= self.threads <= 1024, f"threads are from 1 to 1024, not {self.threads}")
        need(self.max_calls >= 0 and self.max_memory >= 0, "max_calls and max_memory are from 0 (never) up")
        need(self.max_queue >= 0, "max_queue is from 0 up")
        need(self.intensity is None or self.intensity >= 0, "intensity is from 0 up, or nothing")
        for name in ("ready_timeout", "period", "retry"):
            need(getattr(self, name) > 0, f"{name} is a number of seconds above 0")
        for name in ("drain", "grace", "cancel_grace", "handle_wait"):
            need(getattr(self, name) >= 0, f"{name} is a number of seconds from 0 up")
        need(self.default_deadline is None or self.default_deadline > 0, "default_deadline is seconds above 0, or none")
        need(self.init is None or ":" in self.init, f"init is written module:function, not {self.init!r}")

    def missing_paths(self) -> list[str]:
        """Those of `paths` that are not there: a worker passes over them, as Python does, and says nothing."""
        # os.path: pathlib is not imported otherwise
        return [path for path in self.paths if not os.path.exists(os.path.join(self.cwd or "", path))]  # noqa: PTH110, PTH118

    def allowed_exits(self, size: int) -> int:
        """The intensity for a pool that has `size` workers now: where none is given, all may die twice at once."""
        return 2 * (size + self.spares) if self.intensity is None else self.intensity

    def policy(self, size: int) -> PoolPolicy:
        """What the router must know, for a pool that has `size` workers now."""
        return PoolPolicy(
            name=self.name,
            size=size,
            scheduler=self.scheduler,
            max_queue=self.max_queue,
            default_deadline_ms=round((self.default_deadline or 0) * 1000),
            cancel_grace_ms=round(self.cancel_grace * 1000),
            max_calls=self.max_calls,
        )

    def configuration(self, prefix: str, slot: int, incarnation: int) -> dict[str, Any]:
        """The first message to a worker: who it is, and what to do before it is ready."""
        return {
            "op": "configure",
            "prefix": prefix,
            "secret": SECRET,
            "slot": slot,
            "incarnation": incarnation,
            "pool": self.name,
            "paths": list(self.paths),
            "preload": list(self.preload),
            "init": self.init,
            "converters": self.converters,
            "mounts": list(self.mounts),
            "threads": self.threads,
            "handle_cap": self.handle_cap,
            "handle_lease": self.handle_lease,
            "memory": self.memory_limit,
        }
