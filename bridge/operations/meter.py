"""How long calls take, counted: one row of numbers for each function of a pool, and nothing else on the hot path.

A call's time (in its worker, in microseconds, as the worker says) falls into the bucket of its number of bits: below 1,
2, 4, 8 ... microseconds. So to count is to add one at an index, and percentiles are known within a factor of two, or
better where they are interpolated. The number of rows is bounded: functions beyond it share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BUCKETS: Final = 33  # a worker says 32 bits of microseconds: more than an hour
SUM: Final = BUCKETS
ERRORS: Final = BUCKETS + 1
OTHER: Final = b"other"
LONGEST: Final = 300  # bytes of a function's name that has a row: longer ones are nobody's, or not meant well
_EMPTY: Final = [0] * (BUCKETS + 2)

Row = list[int]
"""A count for each bucket, the sum of all times in microseconds, and how many calls failed."""


class Meter:
    """The rows of one pool.

    Attributes:
        most: How many functions have a row of their own; those that have one when this shrinks keep it.
    """

    __slots__ = ("most", "rows")

    def __init__(self, most: int) -> None:
        self.most = most
        self.rows: dict[bytes, Row] = {}

    def count(self, target: bytes, micros: int, failed: bool) -> None:
        """A call of this function has ended."""
        try:
            row = self.rows[target]
        except KeyError:
            row = self._new_row(target)
        row[micros.bit_length()] += 1
        row[SUM] += micros
        if failed:
            row[ERRORS] += 1

    def _new_row(self, target: bytes) -> Row:
        if len(self.rows) >= self.most or len(target) > LONGEST:
            return self.rows.setdefault(OTHER, _EMPTY.copy())
        return self.rows.setdefault(target, _EMPTY.copy())

    def copy(self) -> dict[str, Row]:
        """The rows as they are now, by the function's name."""
        return {target.decode(errors="replace"): row.copy() for target, row in self.rows.items()}


def total(rows: Sequence[Row]) -> Row:
    """Several rows as one."""
    return [sum(numbers) for numbers in zip(*rows, strict=True)] if rows else _EMPTY.copy()


def calls_in(row: Row) -> int:
    """How many calls a row has counted."""
    return sum(row[:BUCKETS])


def upper(bucket: int) -> float:
    """The seconds that no call in this bucket reached."""
    return float(1 << bucket) / 1_000_000


def percentile(row: Row, share: float) -> float:
    """The seconds within which that share of the calls ended, interpolated in its bucket; 0 when there were none."""
    wanted = share * calls_in(row)
    if not wanted:
        return 0.0
    below = 0
    for bucket in range(BUCKETS):
        if row[bucket] and below + row[bucket] >= wanted:
            low = upper(bucket - 1) if bucket else 0.0
            return low + (upper(bucket) - low) * (wanted - below) / row[bucket]
        below += row[bucket]
    return upper(BUCKETS)


def since(now: Row, before: Row | None) -> Row:
    """What was counted between two copies of a row."""
    return now if before is None else [a - b for a, b in zip(now, before, strict=True)]
