"""The codec of Erlang terms: linear in the size of what it reads, and quick enough for large terms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from bascule.protocols import etf
from benchmarks.rows import AtMost, Row

_LINEAR = AtMost(15)  # ten times the size; half as much again for caches and the allocator


def measure() -> Iterator[Row]:
    """Ten times as much must take about ten times as long; a million integers under two seconds."""
    yield _grows("10 k -> 100 k integers", lambda n: list(range(n)), 10_000)
    yield _grows("1 k -> 10 k rows of maps", _rows, 1_000)
    yield _grows("1 MiB -> 10 MiB binary", bytes, 1 << 20)
    yield _grows("10 MiB -> 100 MiB binary, in pieces of 64 KiB", bytes, 10 << 20, pieces=True)
    million = etf.dumps(list(range(1_000_000)))
    taken = _best(lambda: etf.dumps(etf.loads(million)), 1)
    what = "ETF: decode + encode of a list of 1 M integers, s"
    yield Row(what, taken, "2 seconds", 2.0, taken / 2.0, AtMost(1))


def _rows(count: int) -> list[dict[str, object]]:
    return [{"id": number, "name": f"row {number}", "price": number / 7, "tags": ["a", "b"]} for number in range(count)]


def _grows(what: str, make: Callable[[int], Any], size: int, *, pieces: bool = False) -> Row:
    small, large = etf.dumps(make(size)), etf.dumps(make(10 * size))
    turn = _through_pieces if pieces else _there_and_back
    repeats = 3 if pieces else 5
    taken_small, taken_large = _best(lambda: turn(small), repeats), _best(lambda: turn(large), repeats)
    ratio = taken_large / taken_small
    return Row(
        f"ETF: decode + encode, {what}, ms", taken_large * 1e3, "a tenth of it", taken_small * 1e3, ratio, _LINEAR
    )


def _there_and_back(data: bytes) -> None:
    etf.dumps(etf.loads(data))


def _through_pieces(data: bytes) -> None:
    from bascule.protocols.framing import PacketReader

    reader = PacketReader(4)
    frame = len(data).to_bytes(4, "big") + data
    whole: list[bytes] = []
    for start in range(0, len(frame), 65536):
        whole += reader.receive_data(frame[start : start + 65536])
    (body,) = whole
    etf.dumps(etf.loads(body))


def _best(step: Callable[[], object], repeats: int) -> float:
    """The quickest of some: growth is asked for here, and noise only adds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return min(taken)
