"""Hypothesis strategies for the values that travel, and when two of them are the same."""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from typing import Any

from hypothesis import strategies as st

ZONES = [zoneinfo.ZoneInfo(key) for key in ("Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia")]


def timezones() -> st.SearchStrategy[datetime.timezone]:
    # In whole seconds: Python's own reader takes +00:00:00.000001 for UTC.
    offsets = st.integers(-86_399, 86_399).map(lambda seconds: datetime.timedelta(seconds=seconds))
    return st.builds(datetime.timezone, offsets) | st.builds(datetime.timezone, offsets, st.text(max_size=5))


def without_idle_fold(moment: datetime.datetime) -> datetime.datetime:
    """Where a moment comes only once, or at a fixed offset, `fold` says nothing, and is not kept."""
    first = moment.replace(fold=0)
    return first if moment.tzinfo is not None and first.utcoffset() == moment.utcoffset() else moment


@functools.cache
def hashable_leaves(*, finite: bool) -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.integers(-(2**200), 2**200)
        | st.floats(allow_nan=False, allow_infinity=not finite)
        | st.text(st.characters(exclude_categories=[]))  # lone surrogates too
        | st.binary()
        | st.complex_numbers(allow_nan=False, allow_infinity=not finite)
        | st.datetimes(timezones=st.none() | timezones() | st.sampled_from(ZONES)).map(without_idle_fold)
        | st.dates()
        | st.times()
        | st.times(timezones=timezones()).map(lambda time: time.replace(fold=0))
        | st.timedeltas()
        | timezones()
        | st.sampled_from(ZONES)
        | st.decimals(allow_nan=False)
        | st.uuids()
        | st.builds(range, st.integers(), st.integers(), st.integers().filter(bool))
        | st.just(...)
    )
    return st.deferred(lambda: leaves)  # its repr would be a page


@functools.cache
def keys(*, finite: bool) -> st.SearchStrategy[Any]:
    leaves = hashable_leaves(finite=finite)
    found = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
        max_leaves=5,
    )
    return st.deferred(lambda: found)


def values(*, finite: bool, tuples: bool = True) -> st.SearchStrategy[Any]:
    """What travels and comes back as it was. `finite`: without the infinities; `tuples`: with tuples as values."""
    leaves, any_key = hashable_leaves(finite=finite), keys(finite=finite)
    slices = st.builds(slice, *[st.none() | st.integers()] * 3)

    def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.lists(inner, max_size=5)
        dicts = st.dictionaries(any_key | st.sampled_from(["py/set", "py/handle", "type"]), inner, max_size=4)
        sets = st.sets(any_key, max_size=4) | st.frozensets(any_key, max_size=4)
        found = lists | dicts | sets | lists.map(tuple) if tuples else lists | dicts | sets
        return st.deferred(lambda: found)

    return st.recursive(leaves | slices, containers, max_leaves=20)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all through (1 is not True, and not 1.0)."""
    if type(one) is not type(other):
        return False
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return len(one) == len(other) and all(
            same(key, twin) and same(one[key], other[twin]) for key, twin in zip(one, other, strict=True)
        )
    if type(one) in (set, frozenset):
        return bool(one == other) and sorted(map(_typed, one)) == sorted(map(_typed, other))
    if type(one) is float:
        return one.hex() == other.hex()
    if isinstance(one, datetime.datetime):
        return bool(one == other and one.utcoffset() == other.utcoffset() and str(one.tzinfo) == str(other.tzinfo))
    if isinstance(one, datetime.time):
        return repr(one) == repr(other)
    return bool(one == other)


def _typed(value: Any) -> str:
    """A text that two values share only if they are the same, in whatever order their sets are."""
    name = type(value).__name__
    if isinstance(value, frozenset):
        return f"{name}{sorted(map(_typed, value))}"
    return f"{name}{list(map(_typed, value))}" if isinstance(value, tuple) else f"{name} {value!r}"
