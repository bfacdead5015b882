"""Calls through a pod's pipes, beside plain pods: a loop around bcoding, and the fastest that is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks import pods
from benchmarks.measure import alternate, one_core, p50, rate
from benchmarks.rows import AtLeast, AtMost, Row

_HAND, _LOOP = "fastest plain pod, by hand", "plain Python loop with bcoding"
_CALLERS = 8
_MIB = 1 << 20


def sequential() -> Iterator[Row]:
    """One call after the other."""
    message = pods.invoke("f", 1, 2)
    for pinned in (False, True):
        with ExitStack() as stack:
            if pinned:
                stack.enter_context(one_core())
            mine, hand, loop = [stack.enter_context(each()) for each in (pods.bascule, pods.by_hand, pods.plain_loop)]
            what = f"pod: add, one after the other, 2 workers, p50 us{', all on one core' if pinned else ''}"
            for peer, against, bound in ((hand, _HAND, 2.0), (loop, _LOOP, 1.0)):
                compared = alternate(
                    p50(partial(mine.round_trip, message)), p50(partial(peer.round_trip, message)), rounds=5
                )
                target = None if pinned else AtMost(bound)
                yield Row(what, compared.ours, against, compared.peer, compared.ratio, target)


def concurrent() -> Iterator[Row]:
    """Many callers whose function takes its time."""
    with pods.bascule() as mine, pods.plain_loop() as loop:
        naps = [pods.invoke("nap", 0.001, id=number) for number in range(200)]
        compared = alternate(
            rate(lambda: mine.pipelined(naps, _CALLERS), len(naps)),
            rate(lambda: loop.pipelined(naps, _CALLERS), len(naps)),
            rounds=5,
        )
        what = f"pod: {_CALLERS} callers of a function that sleeps 1 ms, 2 workers, calls/s"
        yield Row(what, compared.ours, _LOOP, compared.peer, compared.ratio, AtLeast(1.9))


def pipelined() -> Iterator[Row]:
    """100 calls at once."""
    with pods.bascule() as mine, pods.by_hand() as hand:
        calls = [pods.invoke("f", number, 1, id=number) for number in range(100)]
        compared = alternate(
            p50(lambda: mine.pipelined(calls, 100), count=50), p50(lambda: hand.pipelined(calls, 100), count=50)
        )
        yield Row("pod: 100 pipelined calls, us", compared.ours, _HAND, compared.peer, compared.ratio, AtMost(1.5))


def large() -> Iterator[Row]:
    """Much text, there and back."""
    text = "x" * _MIB
    message, answer = pods.invoke("echo", text), len(pods.answer(text))
    with pods.bascule() as mine, pods.by_hand() as hand:
        compared = alternate(
            rate(partial(_repeat, 10, mine, message, answer), 20),
            rate(partial(_repeat, 10, hand, message, answer), 20),
        )
        yield Row("pod: echo of 1 MiB text, MB/s", compared.ours, _HAND, compared.peer, compared.ratio, AtLeast(0.8))


def _repeat(times: int, pod: pods.Pod, message: bytes, answer: int) -> None:
    for _ in range(times):
        pod.large(message, answer)
