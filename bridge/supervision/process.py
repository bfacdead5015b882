"""What is left of a worker when it has died: its group, what left the group, and its zombie.

How it is brought to die is its pool's affair (`bascule.bridge.pool_departures`). Here the order keeps things safe.
While a worker is not reaped its pid belongs to us, and so does its group's number: so its group is killed, and what
left the group is found, *before* the zombie is taken away. The guardian forgets the group in between, for the same
reason.
"""

from __future__ import annotations

import logging
from typing import Final

import trio

from bascule.bridge.supervision import exits, orphans
from bascule.bridge.supervision.exits import ExitCause
from bascule.bridge.supervision.guardian import Guardian
from bascule.bridge.supervision.lives import grace
from bascule.bridge.supervision.orphans import Orphans
from bascule.bridge.supervision.spawn import WorkerProcess

HOUSEKEEPING: Final = 2.0  # seconds between two looks for what has ended unseen

_log = logging.getLogger(__name__)


class Undertaker:
    """Knows the bridge's worker processes from their spawn to their reaping.

    Args:
        bridge: The bridge's id (`starting.new_bridge_id`).
        guardian: Who kills them should the bridge be killed; None where there is none (a test, or no Linux).
    """

    def __init__(self, bridge: str, guardian: Guardian | None = None) -> None:
        self.bridge = bridge
        self._guardian = guardian
        self._orphans = Orphans(bridge)

    def admit(self, process: WorkerProcess) -> None:
        """A worker was spawned."""
        if self._guardian is not None:
            self._guardian.watch(process.pid)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The housekeeping, and at its end the last of the strays and the guardian. Start it before any pool."""
        with orphans.subreaper():
            try:
                self._keep_house()
                task_status.started()
                while True:
                    await trio.sleep(HOUSEKEEPING)
                    self._keep_house()
            finally:
                with grace():
                    await self._orphans.end_those_of(None)
                if self._guardian is not None:
                    self._guardian.close()

    def _keep_house(self) -> None:
        self._orphans.reap_dead()
        exits.tick_oom_watches()
        if self._guardian is not None:
            self._guardian.check()

    async def bury(self, process: WorkerProcess) -> ExitCause | None:
        """Wait for the worker's end, end what it started, reap it. Kill it first, or this may take long."""
        with trio.CancelScope(shield=True):
            await trio.lowlevel.wait_readable(process.pidfd)
            process.kill_group()
            left = await self._orphans.end_those_of(process.mark)
            if left:
                _log.info("worker %s: ended %d processes that it left behind", process.mark, left)
        if self._guardian is not None:
            self._guardian.forget(process.pid)
        return process.reap()
