"""Pools of processes: the standard library's Pool and ProcessPoolExecutor, loky's executor, mpire's pool.

Their workers are spawned rather than forked, so that none inherits the descriptors of what is measured beside them.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks import subject

_SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def pool(workers: int) -> Iterator[multiprocessing.pool.Pool]:
    """A multiprocessing.Pool whose workers have all answered."""
    with _SPAWN.Pool(workers) as ready:
        ready.starmap(subject.f, [(1, 2)] * workers * 8, chunksize=1)
        yield ready


@contextmanager
def executor(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A ProcessPoolExecutor whose workers have all started."""
    with ProcessPoolExecutor(workers, mp_context=_SPAWN) as ready:
        list(ready.map(subject.f, range(workers * 8), range(workers * 8)))
        yield ready


def outstanding(ready: multiprocessing.pool.Pool, total: int) -> None:
    """Submit all calls, then collect all answers."""
    results = [ready.apply_async(subject.f, (number, 1)) for number in range(total)]
    for number, result in enumerate(results):
        assert result.get() == number + 1


@contextmanager
def loky_executor(workers: int) -> Iterator[Any]:
    """loky's executor, whose workers have all started and stay."""
    from loky import ProcessPoolExecutor as LokyExecutor

    with LokyExecutor(workers, timeout=None) as ready:
        list(ready.map(subject.f, range(workers * 8), range(workers * 8)))
        yield ready


@contextmanager
def mpire_pool(workers: int) -> Iterator[Any]:
    """mpire's WorkerPool, whose workers are kept from one map to the next."""
    from mpire.pool import WorkerPool

    with WorkerPool(n_jobs=workers, start_method="spawn", keep_alive=True) as ready:
        ready.map(subject.f, [(1, 2)] * workers * 8)
        yield ready
