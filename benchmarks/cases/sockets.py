"""The blocking Python client on the service's socket, call after call, beside every peer that does the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from benchmarks import ours, subject
from benchmarks.measure import alternate, one_core, p50
from benchmarks.peers import execnet_gateways, pools, pyro_daemon, rpyc_service
from benchmarks.rows import AtMost, Row, Target

Call = Callable[[], object]


def sequential() -> Iterator[Row]:
    """The latency of one call; rpyc is the one to beat."""
    for pinned in (True, False):
        with ExitStack() as stack:
            if pinned:
                stack.enter_context(one_core())
            client, _ = stack.enter_context(ours.service(2))
            mine = p50(functools.partial(client.call, ours.F, 1, 2))
            where = "one core" if pinned else "unpinned"
            what = f"f(1, 2) over the socket, p50, {where}, us"
            for peer, call, target in _peers(stack, pinned=pinned):
                compared = alternate(mine, p50(call), rounds=5)
                yield Row(what, compared.ours, peer, compared.peer, compared.ratio, target)


def _peers(stack: ExitStack, *, pinned: bool) -> Iterator[tuple[str, Call, Target]]:
    rpyc_f = stack.enter_context(rpyc_service.connected())
    yield "rpyc", lambda: rpyc_f(1, 2), AtMost(0.6 if pinned else 1.0)
    proxy = stack.enter_context(pyro_daemon.connected())
    yield "Pyro5", lambda: proxy.f(1, 2), None
    (channel,) = stack.enter_context(execnet_gateways.channels(1))

    def through_execnet() -> object:
        channel.send((1, 2))
        return channel.receive()

    yield "execnet", through_execnet, None
    pool = stack.enter_context(pools.pool(2))
    yield "multiprocessing.Pool", lambda: pool.apply(subject.f, (1, 2)), None
    executor = stack.enter_context(pools.executor(2))
    yield "ProcessPoolExecutor", lambda: executor.submit(subject.f, 1, 2).result(), None
