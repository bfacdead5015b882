"""The codec of Erlang terms: linear in the size of what it reads, and quick enough for large terms.

Measured in a process of its own that has the workers' allocator settings: fresh pages are the main cost of large terms.
Lists must take ten times as long when they are ten times as long. A binary is compared with plain copies of its bytes:
a quadratic way would cost ever more of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from bascule.protocols import etf
from bascule.protocols.calls import Style
from benchmarks import ours
from benchmarks.rows import AtMost, Row

_LINEAR = AtMost(15)  # ten times the size; half as much again for caches and the allocator
_COPIES = AtMost(8)  # joined, decoded, encoded; twice that for the allocator
_MIB = 1 << 20


def measure() -> Iterator[Row]:
    """Growth, copies, and a million integers under two seconds."""
    from bascule.bridge.supervision.starting import MALLOC

    environment = {**MALLOC, **os.environ}
    command = ours.elsewhere(measure_here)
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ours.ROOT, env=environment)
    found = json.loads(told.stdout)
    for what in ("10 k -> 100 k integers", "1 k -> 10 k rows of maps"):
        small, large = found[what]
        yield Row(f"ETF: decode + encode, {what}, ms", large * 1e3, "a tenth", small * 1e3, large / small, _LINEAR)
    for what in ("1 MiB binary", "100 MiB binary, in pieces of 64 KiB"):
        taken, copy = found[what]
        ratio = taken / copy
        yield Row(f"ETF: decode + encode, {what}, ms", taken * 1e3, "one plain copy", copy * 1e3, ratio, _COPIES)
    (taken,) = found["1 M integers"]
    yield Row("ETF: decode + encode, list of 1 M integers, s", taken, "2 seconds", 2.0, taken / 2.0, AtMost(1))


def measure_here() -> None:
    """In the process of its own: print what was measured."""
    found: dict[str, tuple[float, ...]] = {
        "10 k -> 100 k integers": _growth(lambda count: list(range(count)), 10_000),
        "1 k -> 10 k rows of maps": _growth(_rows, 1_000),
    }
    mebibyte, large = etf.dumps(bytes(_MIB)), etf.dumps(bytes(100 * _MIB))
    found["1 MiB binary"] = _best(lambda: _there_and_back(mebibyte), 9), _best(lambda: mebibyte[1:], 9)
    found["100 MiB binary, in pieces of 64 KiB"] = _best(lambda: _through_pieces(large), 3), _best(lambda: large[1:], 3)
    million = etf.dumps(list(range(1_000_000)))
    found["1 M integers"] = (_best(lambda: _there_and_back(million), 1),)
    print(json.dumps(found))


def _rows(count: int) -> list[dict[str, object]]:
    return [{"id": number, "name": f"row {number}", "price": number / 7, "tags": ["a", "b"]} for number in range(count)]


def _growth(make: Callable[[int], Any], size: int) -> tuple[float, float]:
    small, large = etf.dumps(make(size)), etf.dumps(make(10 * size))
    return _best(lambda: _there_and_back(small), 7), _best(lambda: _there_and_back(large), 5)


def _there_and_back(data: bytes) -> None:
    etf.dumps(etf.loads(data, style=Style.BINARY_AS_BYTES))


def _through_pieces(data: bytes) -> None:
    from bascule.protocols.framing import PacketReader

    reader = PacketReader(4)
    frame = memoryview(len(data).to_bytes(4, "big") + data)
    whole: list[bytes] = []
    for start in range(0, len(frame), 65536):
        whole += reader.receive_data(bytes(frame[start : start + 65536]))
    (body,) = whole
    _there_and_back(body)


def _best(step: Callable[[], object], repeats: int) -> float:
    """The quickest of some: growth is asked for here, and noise only adds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return min(taken)
