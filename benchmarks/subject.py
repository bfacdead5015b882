"""What everybody calls: the same two functions, whoever carries them."""

from __future__ import annotations

import time


def f(a: int, b: int) -> int:
    """Next to no work, so that the way there and back is what is measured."""
    return a + b


def echo(data: bytes) -> bytes:
    """All of the work is the payload's."""
    return data


def nap(seconds: float) -> None:
    """No work, only time: what else could run meanwhile is what is measured."""
    time.sleep(seconds)
