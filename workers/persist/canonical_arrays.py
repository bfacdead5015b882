"""Arrays and frames for keys: type, shape and elements, whatever the memory layout is.

Neither numpy nor pandas is imported unless a value of theirs is there already.
"""

from __future__ import annotations

from typing import Any


def parts(value: Any) -> tuple[bytes, Any] | None:
    """What an array, a scalar of numpy's, or an object of pandas' consists of; None for what is neither."""
    import numpy

    if isinstance(value, numpy.ma.MaskedArray):
        return b"masked", [_elements(value.filled(), numpy), _elements(numpy.ma.getmaskarray(value), numpy)]
    if isinstance(value, numpy.ndarray):
        return b"array", _elements(value, numpy)
    if isinstance(value, numpy.generic):
        return b"scalar", [value.dtype.str, value.dtype.names, value.tobytes()]
    if isinstance(value, numpy.dtype):
        return b"dtype", [str(value.descr)]
    return _frame(value)


def _elements(array: Any, numpy: Any) -> list[Any]:
    kind = f"{type(array).__module__}.{type(array).__qualname__}"
    if array.dtype.hasobject:
        return [kind, str(array.dtype), list(array.shape), array.ravel().tolist()]
    # The byte order is the machine's in all cases: >i4 and <i4 of equal numbers are equal arrays.
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return [kind, str(native.dtype.descr), list(array.shape), numpy.ascontiguousarray(native).tobytes()]


def _frame(value: Any) -> tuple[bytes, Any] | None:
    try:
        import pandas
    except ImportError:
        return None
    if isinstance(value, pandas.DataFrame):
        columns = [value.iloc[:, at] for at in range(value.shape[1])]
        return b"frame", [value.columns, value.index, *[_column(each) for each in columns]]
    if isinstance(value, pandas.Series):
        return b"series", [value.name, value.index, _column(value)]
    if isinstance(value, pandas.MultiIndex):
        return b"multiindex", [list(value.names), [value.get_level_values(at) for at in range(value.nlevels)]]
    if isinstance(value, pandas.Index):
        return b"index", [value.name, _column(value)]
    if isinstance(value, pandas.Categorical):
        return b"categorical", [value.categories, value.codes, bool(value.ordered)]
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return b"extension", [str(value.dtype), list(value)]
    return None


def _column(value: Any) -> list[Any]:
    """The elements of a series or an index, by its type."""
    import numpy

    held = value.array
    if isinstance(held.dtype, numpy.dtype):
        return [str(held.dtype), numpy.asarray(held)]
    return [str(held.dtype), held]
