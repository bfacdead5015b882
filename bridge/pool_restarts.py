"""When a pool's dead workers are replaced, and when it gives up: pure decisions over frozen values.

Pool workers are not restarted by OTP's rule alone. Calls may kill them, and one client's segfaults must not stop the
service for all; yet a pool whose workers can't even start must not spin. So each exit is judged:

| verdict | exits | replaced |
|---|---|---|
| COUNTED | before it was ready; with no call started | at once, unless that makes more than `intensity` of them within `period` seconds: then the pool is failed |
| EXCUSED | while it ran a call; killed for a deadline, a cancelled call, a client that left, its memory, by an operator | after the place's back-off: 0, 50 ms, 100 ms ... 5 s, from the start again once a worker there lived 10 s |
| PLANNED | it was retired, or the pool stops | its successor is there already, or none is wanted |

Replacing a worker that has answered its share of calls (recycling) waits for the back-off as well: else a limit that
each worker reaches at once would do nothing but start processes.
"""  # noqa: E501 - a table row can't be wrapped

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final

from bascule.bridge.notices import KillReason

FIRST_DELAY: Final = 0.05
LAST_DELAY: Final = 5.0
LONG_LIFE: Final = 10.0  # seconds alive after which what happened before is forgiven


class Verdict(enum.Enum):
    """What an exit means for the pool."""

    COUNTED = "counted"
    EXCUSED = "excused"
    PLANNED = "planned"


_PLANNED: Final = (KillReason.RECYCLED, KillReason.STOPPED)
_EXCUSED: Final = (
    KillReason.DEADLINE,
    KillReason.CANCEL,
    KillReason.CLIENT_GONE,
    KillReason.MEMORY,
    KillReason.OPERATOR,
)


def judge(*, was_ready: bool, had_started_call: bool, reason: KillReason | None) -> Verdict:
    """The verdict on an exit.

    Args:
        was_ready: It had answered the handshake.
        had_started_call: It was running a call, or several.
        reason: Why the bridge itself ended it, None if it did not.
    """
    if reason in _PLANNED:
        return Verdict.PLANNED
    if reason in _EXCUSED:
        return Verdict.EXCUSED
    if was_ready and had_started_call:
        return Verdict.EXCUSED
    return Verdict.COUNTED


@dataclass(frozen=True, slots=True)
class BackOff:
    """How often a place lost its worker lately to what is excused."""

    losses: int = 0

    def lose(self, alive: float) -> tuple[BackOff, float]:
        """One more, that lived for `alive` seconds: the state from now on, and how long to wait."""
        losses = 0 if alive >= LONG_LIFE else self.losses
        delay = 0.0 if losses == 0 else min(FIRST_DELAY * 2 ** (losses - 1), LAST_DELAY)
        return BackOff(min(losses + 1, 10)), delay


@dataclass(frozen=True, slots=True)
class Restarts:
    """The counted exits of a pool within its period."""

    intensity: int
    period: float
    exits: tuple[float, ...] = ()

    def count(self, now: float) -> tuple[Restarts, bool]:
        """One more: the state from now on, and whether it is one too many."""
        exits = (*(at for at in self.exits if at >= now - self.period), now)
        return replace(self, exits=exits), len(exits) > self.intensity
