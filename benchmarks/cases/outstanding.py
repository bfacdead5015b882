"""10,000 calls submitted before the first answer is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import ours, subject
from benchmarks.measure import alternate, rate
from benchmarks.peers import execnet_gateways, pools, pyro_daemon
from benchmarks.rows import AtLeast, Row

_TOTAL = 10_000
_WHAT = "10,000 calls outstanding, 2 workers, calls/s"


def measure() -> Iterator[Row]:
    """The rate, from the first submission to the last answer."""
    with ours.service(2) as (client, _):

        def submit_all() -> None:
            pending = [client.submit(ours.F, number, 1) for number in range(_TOTAL)]
            for number, call in enumerate(pending):
                assert call.result() == number + 1

        mine = rate(submit_all, _TOTAL)
        with execnet_gateways.channels(2) as channels:
            theirs = rate(lambda: execnet_gateways.outstanding(channels, _TOTAL), _TOTAL)
            compared = alternate(mine, theirs, rounds=5)
            yield Row(_WHAT, compared.ours, "execnet", compared.peer, compared.ratio, AtLeast(1.2))
        with pools.pool(2) as pool:
            theirs = rate(lambda: pools.outstanding(pool, _TOTAL), _TOTAL)
            compared = alternate(mine, theirs, rounds=5)
            yield Row(_WHAT, compared.ours, "multiprocessing.Pool", compared.peer, compared.ratio, AtLeast(2.5))
        with pools.executor(2) as executor:

            def submit_to_executor() -> None:
                for number, call in enumerate([executor.submit(subject.f, number, 1) for number in range(_TOTAL)]):
                    assert call.result() == number + 1

            compared = alternate(mine, rate(submit_to_executor, _TOTAL), rounds=2)
            yield Row(_WHAT, compared.ours, "ProcessPoolExecutor", compared.peer, compared.ratio)
        with pyro_daemon.connected() as proxy:
            theirs = rate(lambda: _one_message(proxy), _TOTAL)
            compared = alternate(mine, theirs, rounds=3)
            yield Row(_WHAT, compared.ours, "Pyro5, all in one message", compared.peer, compared.ratio)


def _one_message(proxy: Any) -> None:
    import Pyro5.api

    batch = Pyro5.api.BatchProxy(proxy)
    for number in range(_TOTAL):
        batch.f(number, 1)
    for number, result in enumerate(batch()):
        assert result == number + 1
