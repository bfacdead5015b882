"""Rounds that alternate, medians, and the choice of cores.

A wake-up across cores costs about 25 us and one on the same core about 5, so a latency has two states; where it matters
a row is measured in both, and like is compared with like.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Sample = Callable[[], float]


@dataclass(frozen=True)
class Compared:
    """Medians over the rounds, and the median of the rounds' ratios."""

    ours: float
    peer: float
    ratio: float


def alternate(ours: Sample, peer: Sample, *, rounds: int = 7) -> Compared:
    """Take a sample of each in turn, one round more for warming up; who goes first alternates as well."""
    pairs: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        if number % 2:
            theirs = peer()
            mine = ours()
        else:
            mine = ours()
            theirs = peer()
        if number:
            pairs.append((mine, theirs))
    return Compared(
        ours=statistics.median(mine for mine, _ in pairs),
        peer=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(mine / theirs for mine, theirs in pairs),
    )


def latencies(step: Callable[[], object], count: int) -> list[float]:
    """How long each of `count` steps took, in microseconds."""
    clock = time.perf_counter_ns
    taken = []
    for _ in range(count):
        start = clock()
        step()
        taken.append((clock() - start) / 1e3)
    return taken


def p50(step: Callable[[], object], *, count: int = 500) -> Sample:
    """A sample: the median of `count` steps, in microseconds."""
    return lambda: statistics.median(latencies(step, count))


def p99(step: Callable[[], object], *, count: int = 200) -> Sample:
    """A sample: the 99th percentile of `count` steps, in microseconds."""
    return lambda: statistics.quantiles(latencies(step, count), n=100)[98]


def seconds(step: Callable[[], object]) -> Sample:
    """A sample: the time of one step."""

    def sample() -> float:
        start = time.perf_counter()
        step()
        return time.perf_counter() - start

    return sample


def rate(step: Callable[[], object], amount: float) -> Sample:
    """A sample: `amount` per second of one step."""
    taken = seconds(step)
    return lambda: amount / taken()


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and whatever it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
