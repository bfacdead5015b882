"""Signals that come before the supervision does: they are kept for it, so that the bridge ends in good order.

A pod or a port takes what its client says long before trio is imported. Ended in between by a signal's usual effect, it
would leave calls without an answer, for which some clients wait without end; over a socket, it would leave its file.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_kept: list[int] = []


def keep() -> None:
    """From now on SIGTERM and SIGINT are kept. A second one has its usual effect."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _take)


def came() -> bool:
    """Whether one has come."""
    return bool(_kept)


def _take(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)
    signal.signal(number, signal.SIG_DFL)
