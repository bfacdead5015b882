"""What became of workers: how many ended of which cause, and the last of them one by one."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from bascule.bridge.notices import Notice, WorkerExited, WorkerReady

MOST_KEPT = 200


class Events:
    """Listens to the router's notices, in trio's thread."""

    def __init__(self) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()  # (pool, cause)
        self.recent: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self._number = 0

    def hear(self, notice: Notice) -> None:
        """One notice."""
        if isinstance(notice, WorkerReady):
            self._keep(notice, "ready", "")
        elif isinstance(notice, WorkerExited):
            cause = cause_of(notice)
            self.ends[notice.pool, cause] += 1
            self._keep(notice, "ended", notice.cause.describe() if notice.reason is None else cause)

    def _keep(self, notice: WorkerReady | WorkerExited, what: str, why: str) -> None:
        self._number += 1
        name = f"{notice.pool}/{notice.slot}.{notice.incarnation}"
        self.recent.append({"number": self._number, "at": time.time(), "worker": name, "what": what, "why": why})


def cause_of(notice: WorkerExited) -> str:
    """Why a worker ended, in one word of a few: the bridge's reason, a signal's name, or an exit."""
    if notice.reason is not None:
        return notice.reason.value
    details = notice.cause.details()
    if details.get("out_of_memory"):
        return "out_of_memory"
    signal_name = details.get("signal")
    return str(signal_name).lower() if signal_name else "exit"
