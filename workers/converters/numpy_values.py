"""numpy's scalars and arrays.

A scalar is the Python number, date or text that it equals. An array of numbers travels as itself in msgpack (see
`protocols.arrays`); elsewhere it is a thing to work on, a handle, and nested lists for who insists on a value.
"""

from __future__ import annotations

import datetime
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final


def _scalar(obj: Any, codec: str, lossy: bool) -> Any:
    kind = obj.dtype.kind
    if kind in "biu":
        return obj.item()
    if kind in "fc":
        value = complex(obj) if kind == "c" else float(obj)
        # A long double may hold more digits than a float.
        return value if lossy or obj.itemsize <= (16 if kind == "c" else 8) or value == obj else NotImplemented
    if kind in "Mm":
        return _moment(obj, lossy)
    return obj.item() if lossy else NotImplemented  # a record: a tuple


def _moment(obj: Any, lossy: bool) -> Any:
    """datetime64 and timedelta64: the date, datetime or timedelta, where those are fine and wide enough."""
    if obj != obj:  # NaT
        return None
    unit = sys.modules["numpy"].datetime_data(obj.dtype)[0]
    if obj.dtype.kind == "M":
        coarse = obj.astype("M8[D]" if unit in ("Y", "M", "W", "D") else "M8[us]")
    elif unit in ("Y", "M", "generic"):
        return str(obj) if lossy else NotImplemented  # how long is a month?
    else:
        coarse = obj.astype("m8[us]")
    value = coarse.item()
    if not isinstance(value, (datetime.date, datetime.timedelta)):  # the year 20000
        return str(obj) if lossy else NotImplemented
    return value if lossy or coarse == obj else NotImplemented


def _array(obj: Any, codec: str, lossy: bool) -> Any:
    if not lossy:
        return NotImplemented
    numpy = sys.modules["numpy"]
    dtype = obj.dtype
    if dtype.names is not None:
        return [dict(zip(dtype.names, row)) for row in obj.tolist()] if obj.ndim == 1 else obj.tolist()
    if codec == "msgpack" and type(obj) is not numpy.ndarray and not hasattr(obj, "mask") and dtype.kind in "biufcmMSU":
        return numpy.array(obj, subok=False)
    if dtype.kind in "Mm":
        return _nested(obj)
    return obj.tolist()


def _nested(obj: Any) -> Any:
    """Dates, element by element: `tolist` makes plain integers of nanoseconds."""
    return [_nested(row) for row in obj] if getattr(obj, "ndim", 0) else _moment(obj[()], True)


CONVERTERS: Final[dict[str, Callable[[Any, str, bool], Any]]] = {"generic": _scalar, "ndarray": _array}
