"""What a meter counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.operations.meter import ERRORS, OTHER, SUM, Meter, calls_in, percentile, since, total

times = st.lists(st.integers(0, 2**32 - 1), min_size=1)


@given(times, st.floats(0.01, 1.0))
def test_a_percentile_is_known_within_its_bucket(micros: list[int], share: float) -> None:
    meter = Meter(10)
    for each in micros:
        meter.count(b"m:f", each, False)
    row = meter.rows[b"m:f"]
    assert calls_in(row) == len(micros)
    assert row[SUM] == sum(micros)
    at = max(0, -(-int(share * len(micros) * 1000) // 1000) - 1)
    exact = sorted(micros)[min(at, len(micros) - 1)] / 1e6
    assert percentile(row, share) >= exact / 2 - 1e-6


def test_functions_beyond_the_bound_are_told_together() -> None:
    meter = Meter(2)
    for number in range(5):
        meter.count(b"m:f%d" % number, 10, number == 4)
    assert set(meter.rows) == {b"m:f0", b"m:f1", OTHER}
    assert calls_in(meter.rows[OTHER]) == 3
    assert meter.rows[OTHER][ERRORS] == 1
    assert calls_in(total(list(meter.rows.values()))) == 5


def test_a_name_that_is_very_long_has_no_row() -> None:
    meter = Meter(2)
    meter.count(b"m:" + b"f" * 10_000, 10, False)
    assert set(meter.rows) == {OTHER}


def test_what_was_counted_since_a_copy() -> None:
    meter = Meter(2)
    meter.count(b"m:f", 5, False)
    before = meter.copy()["m:f"]
    meter.count(b"m:f", 900, False)
    assert calls_in(since(meter.rows[b"m:f"], before)) == 1
    assert percentile(since(meter.rows[b"m:f"], before), 0.5) > 0.0005
    assert percentile(since(before, before), 0.5) == 0.0
