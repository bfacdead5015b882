"""Calls through the router from a client on pipes, beside the floor and beside a bare router."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import ours
from benchmarks.measure import alternate, one_core, p50, rate
from benchmarks.peers import pipe_echo, two_hops
from benchmarks.pipes import packet
from benchmarks.rows import AtLeast, AtMost, Row

_FLOORS_MESSAGE = packet(bytes(26))  # 30 bytes in all
_TOTAL = 10_000


def sequential() -> Iterator[Row]:
    """One call after the other: the latency of the whole way."""
    for pinned in (False, True):
        with ExitStack() as stack:
            if pinned:
                stack.enter_context(one_core())
            port = stack.enter_context(ours.port(1))
            floor = stack.enter_context(pipe_echo.start())
            bare = stack.enter_context(two_hops.start(1))
            frame = ours.call_frame(1_000_000)
            mine = p50(functools.partial(port.round_trip, frame))
            to_floor = alternate(mine, p50(functools.partial(floor.round_trip, _FLOORS_MESSAGE)))
            to_bare = alternate(mine, p50(functools.partial(bare.round_trip, frame)))
        where = "one core" if pinned else "unpinned"
        what = f"f(1, 2) through a pipe, p50, {where}, us"
        yield Row(what, to_floor.ours, "raw pipe echo, one hop", to_floor.peer, to_floor.ratio, AtMost(5))
        yield Row(what, to_bare.ours, "bare epoll router, two hops", to_bare.peer, to_bare.ratio)


def outstanding() -> Iterator[Row]:
    """64 calls under way at any time, 2 workers: the throughput."""
    numbers = itertools.count(1_000_000)

    def frames() -> list[bytes]:
        return [ours.call_frame(next(numbers)) for _ in range(_TOTAL)]

    with ours.port(2) as port, two_hops.start(2) as bare:
        batches = [frames() for _ in range(6)]
        turns = itertools.cycle(batches)
        compared = alternate(
            rate(lambda: port.pipelined(next(turns), 64), _TOTAL),
            rate(lambda: bare.pipelined(batches[0], 64), _TOTAL),
            rounds=5,
        )
    what = "f(1, 2) through a pipe, 64 outstanding, 2 workers, calls/s"
    yield Row(what, compared.ours, "bare epoll router, two hops", compared.peer, compared.ratio, AtLeast(0.6))
