"""A map of 10,000 trivial calls and of 1,000 naps, beside every pool that maps; the best of them is the one to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks import ours, subject
from benchmarks.measure import alternate, seconds
from benchmarks.peers import pools
from benchmarks.rows import AtMost, Row, Target

_TOTAL = 10_000
_PAIRS = [(number, 1) for number in range(_TOTAL)]
_EXPECTED = [number + 1 for number in range(_TOTAL)]
_NAPS = [0.001] * 1000
_NAP = "benchmarks.subject:nap"
_BEST = AtMost(1)

Map = Callable[[], object]


def measure() -> Iterator[Row]:
    """Each pool in the way that suits it best; the executor also as it comes."""
    with ExitStack() as stack:
        client, _ = stack.enter_context(ours.service(2))
        pool = stack.enter_context(pools.pool(2))
        executor = stack.enter_context(pools.executor(2))
        loky = stack.enter_context(pools.loky_executor(2))
        mpire = stack.enter_context(pools.mpire_pool(2))
        firsts, ones = list(range(_TOTAL)), [1] * _TOTAL
        trivial: list[tuple[str, Map, Target, int]] = [
            ("ProcessPoolExecutor.map", lambda: list(executor.map(subject.f, firsts, ones)), AtMost(0.5), 2),
            ("ProcessPoolExecutor.map, chunks", _chunked(executor, subject.f, firsts, ones), _BEST, 9),
            ("multiprocessing.Pool.starmap", lambda: pool.starmap(subject.f, _PAIRS), _BEST, 9),
            ("loky, chunks", _chunked(loky, subject.f, firsts, ones), _BEST, 9),
            ("mpire", lambda: mpire.map(subject.f, _PAIRS), _BEST, 9),
        ]
        naps: list[tuple[str, Map]] = [
            ("ProcessPoolExecutor.map, chunks", _chunked(executor, subject.nap, _NAPS)),
            ("multiprocessing.Pool.map", lambda: pool.map(subject.nap, _NAPS)),
            ("loky, chunks", _chunked(loky, subject.nap, _NAPS)),
            ("mpire", lambda: mpire.map(subject.nap, _NAPS)),
        ]

        def map_ours() -> object:
            return list(client.map(ours.F, _PAIRS, star=True))

        for peer, theirs, target, rounds in trivial:
            yield _row("map of 10,000 trivial calls, ms", map_ours, peer, theirs, target, rounds, _EXPECTED)
        for peer, theirs in naps:
            mine = _maps(client, _NAP, _NAPS)
            yield _row("map of 1,000 naps of 1 ms, ms", mine, peer, theirs, _BEST, 5, [None] * len(_NAPS))


def _chunked(executor: Any, function: Callable[..., object], *arguments: list[Any]) -> Map:
    """In as many chunks as Pool and we make of it; their own default is one item at a time."""
    return lambda: list(executor.map(function, *arguments, chunksize=len(arguments[0]) // 8))


def _maps(client: Any, target: str, items: list[Any]) -> Map:
    return lambda: list(client.map(target, items))


def _row(what: str, mine: Map, peer: str, theirs: Map, target: Target, rounds: int, expected: list[Any]) -> Row:
    def checked(run: Map) -> Map:
        def check() -> None:
            assert run() == expected

        return check

    compared = alternate(seconds(checked(mine)), seconds(checked(theirs)), rounds=rounds)
    return Row(what, compared.ours * 1e3, peer, compared.peer * 1e3, compared.ratio, target)
