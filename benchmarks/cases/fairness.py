"""A small caller beside another's flood: nobody starves."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from benchmarks import ours, subject
from benchmarks.measure import Sample, alternate, p99
from benchmarks.peers import pools
from benchmarks.rows import AtMost, Row

_FLOOD = 10_000
_WHAT = "f(1, 2) beside a flood of 10,000, p99, ms"

Flood = Callable[[], AbstractContextManager[None]]


def measure() -> Iterator[Row]:
    """Sequential calls while somebody else keeps 10,000 outstanding; Pool serves first come, first served."""
    with ours.service(2) as (client, _), pools.pool(2) as pool:
        alone = p99(lambda: client.call(ours.F, 1, 2))
        beside = _beside(lambda: _flooding_client(str(client.path)), alone)
        compared = alternate(beside, alone, rounds=3)
        yield Row(_WHAT, compared.ours / 1e3, "without the flood", compared.peer / 1e3, compared.ratio)
        small_share = p99(lambda: pool.apply(subject.f, (1, 2)), count=20)
        beside_pool = _beside(lambda: _flooding_thread(lambda: pools.outstanding(pool, _FLOOD)), small_share)
        compared = alternate(beside, beside_pool, rounds=2)
        yield Row(_WHAT, compared.ours / 1e3, "multiprocessing.Pool", compared.peer / 1e3, compared.ratio, AtMost(0.2))


def _beside(flood: Flood, measured: Sample) -> Sample:
    def sample() -> float:
        with flood():
            return measured()

    return sample


@contextlib.contextmanager
def _flooding_client(address: str) -> Iterator[None]:
    """Another process, with a session of its own."""
    command = ours.elsewhere(keep_flooding, address)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ours.ROOT)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        process.stdout.readline()
        yield
    finally:
        process.communicate()


@contextlib.contextmanager
def _flooding_thread(flood: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def until_over() -> None:
        while not over.is_set():
            flood()

    flooding = threading.Thread(target=until_over)
    flooding.start()
    try:
        yield
    finally:
        over.set()
        flooding.join()


def keep_flooding(address: str) -> None:
    """The other process: 10,000 outstanding, again and again, until its input ends."""
    import bascule

    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with bascule.connect(address) as client:
        while not over.is_set():
            pending = [client.submit(ours.F, number, 1) for number in range(_FLOOD)]
            print("under way", flush=True)
            for call in pending:
                call.result()
