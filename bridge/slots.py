"""Who gets which slot: small numbers, unique among the bridge's living workers, each with a count of its lives.

A handle names its worker by slot and incarnation, so the pair must never come back while a bridge lives. No trio here.
"""

from __future__ import annotations

import heapq

MOST_SLOTS = 1 << 16  # a slot is four hexadecimal digits of a token
MOST_LIVES = 1 << 24  # and an incarnation six


class NoSlotLeft(Exception):
    """The bridge has as many workers as it can name."""


class Slots:
    """The slots of one bridge, shared by its pools."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._lives: list[int] = []  # by slot

    def take(self) -> tuple[int, int]:
        """The lowest free slot and its next incarnation, which begins with 1.

        Raises:
            NoSlotLeft: All are in use, or used up.
        """
        while self._free:
            slot = heapq.heappop(self._free)
            self._lives[slot] += 1
            if self._lives[slot] < MOST_LIVES:
                return slot, self._lives[slot]
        if len(self._lives) == MOST_SLOTS:
            raise NoSlotLeft(f"all {MOST_SLOTS} worker slots of this bridge are taken")
        self._lives.append(1)
        return len(self._lives) - 1, 1

    def release(self, slot: int) -> None:
        """Its worker is dead and forgotten by everybody."""
        heapq.heappush(self._free, slot)
