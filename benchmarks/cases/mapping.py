"""A map of 10,000 trivial calls."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import ours, subject
from benchmarks.measure import alternate, seconds
from benchmarks.peers import pools
from benchmarks.rows import AtMost, Row

_TOTAL = 10_000
_WHAT = "map of 10,000 trivial calls, ms"
_PAIRS = [(number, 1) for number in range(_TOTAL)]
_EXPECTED = [number + 1 for number in range(_TOTAL)]


def measure() -> Iterator[Row]:
    """Ours is chunked by the client, Pool's by Pool, the executor's default is one call a message."""
    with ours.service(2) as (client, _):

        def map_ours() -> None:
            assert list(client.map(ours.F, _PAIRS, star=True)) == _EXPECTED

        with pools.executor(2) as executor:

            def map_executor() -> None:
                assert list(executor.map(subject.f, range(_TOTAL), [1] * _TOTAL)) == _EXPECTED

            compared = alternate(seconds(map_ours), seconds(map_executor), rounds=3)
            ours_ms, theirs_ms = compared.ours * 1e3, compared.peer * 1e3
            yield Row(_WHAT, ours_ms, "ProcessPoolExecutor.map", theirs_ms, compared.ratio, AtMost(0.5))
        with pools.pool(2) as pool:

            def map_pool() -> None:
                assert pool.starmap(subject.f, _PAIRS) == _EXPECTED

            compared = alternate(seconds(map_ours), seconds(map_pool), rounds=7)
            ours_ms, theirs_ms = compared.ours * 1e3, compared.peer * 1e3
            yield Row(_WHAT, ours_ms, "multiprocessing.Pool.map", theirs_ms, compared.ratio, AtMost(2))
