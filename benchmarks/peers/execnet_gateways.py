"""execnet: popen gateways, each with a loop that answers on its channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOOP = """
for a, b in channel:
    channel.send(a + b)
"""


@contextmanager
def channels(count: int) -> Iterator[list[Any]]:
    """One channel to each of `count` processes: send (a, b), receive the sum."""
    import execnet

    group = execnet.Group()
    try:
        yield [group.makegateway("popen").remote_exec(_LOOP) for _ in range(count)]
    finally:
        group.terminate(timeout=5)


def outstanding(channels: list[Any], total: int) -> None:
    """Send all calls, then collect all answers."""
    for number in range(total):
        channels[number % len(channels)].send((number, 1))
    for number in range(total):
        assert channels[number % len(channels)].receive() == number + 1
