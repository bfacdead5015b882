"""pandas: its times are values, its tables are things to work on.

A Timestamp or Timedelta is the datetime or timedelta that it equals, NaT and NA are None. Tables and columns travel as
handles. Who insists on a value gets:

- a DataFrame in JSON and ETF as records, a list of maps; in msgpack as columns, a map of arrays and lists;
- a Series as a list, or as a map of its labels when it has labels of its own (pairs when a label comes twice);
- an Index or any other array of pandas' as a list.

What is missing (nan, NaT, NA) is None in a list or a record. An index that only numbers the rows is left out; any other
comes first, as columns.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final


def _timestamp(obj: Any, codec: str, lossy: bool) -> Any:
    return obj.to_pydatetime(warn=False) if lossy or not obj.nanosecond else NotImplemented


def _timedelta(obj: Any, codec: str, lossy: bool) -> Any:
    return obj.to_pytimedelta() if lossy or not obj.nanoseconds else NotImplemented


def _missing(obj: Any, codec: str, lossy: bool) -> Any:
    return None


def _frame(obj: Any, codec: str, lossy: bool) -> Any:
    if not lossy:
        return NotImplemented
    names = list(obj.columns)
    columns = [obj.iloc[:, number] for number in range(len(names))]
    if not _only_numbers_rows(obj.index):
        levels = [obj.index.get_level_values(level).to_series() for level in range(obj.index.nlevels)]
        columns = [*levels, *columns]
        names = [*_index_names(obj.index, names), *names]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"a data frame with two columns called {twice!r} is no map: rename one")
    if codec == "msgpack":
        return {name: _column(column) for name, column in zip(names, columns)}
    rows = zip(*map(_cells, columns)) if columns else [()] * len(obj)
    return [dict(zip(names, row)) for row in rows]


def _series(obj: Any, codec: str, lossy: bool) -> Any:
    if not lossy:
        return NotImplemented
    if _only_numbers_rows(obj.index):
        return _column(obj) if codec == "msgpack" else _cells(obj)
    labels, cells = _cells(obj.index), _cells(obj)
    return dict(zip(labels, cells)) if obj.index.is_unique else [list(pair) for pair in zip(labels, cells)]


def _index(obj: Any, codec: str, lossy: bool) -> Any:
    return obj.tolist() if lossy else NotImplemented


def _text(obj: Any, codec: str, lossy: bool) -> Any:
    return str(obj) if lossy else NotImplemented


def _only_numbers_rows(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None


def _index_names(index: Any, taken: list[Any]) -> list[Any]:
    """Names for the columns that an index becomes: its own, else `index` or `level_0` and so on, as in reset_index."""
    single = index.nlevels == 1
    names = [
        name if name is not None else "index" if single else f"level_{number}"
        for number, name in enumerate(index.names)
    ]
    return [f"{name} (index)" if name in taken else name for name in names]


def _column(series: Any) -> Any:
    """For msgpack: an array of numbers or dates as it is, anything else as a list."""
    kind = getattr(series.dtype, "kind", "O")
    is_numpy = type(series.dtype).__module__.partition(".")[0] == "numpy"
    return series.to_numpy() if is_numpy and kind in "biufcmM" else _cells(series)


def _cells(column: Any) -> list[Any]:
    """Each cell of a column or index as a Python object, None where it is missing."""
    missing = column.isna().tolist() if getattr(column, "nlevels", 1) == 1 else [False] * len(column)
    return [None if absent else cell for cell, absent in zip(column.tolist(), missing)]


CONVERTERS: Final[dict[str, Callable[[Any, str, bool], Any]]] = {
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
    "NaTType": _missing,
    "NAType": _missing,
    "DataFrame": _frame,
    "Series": _series,
    "Index": _index,
    "ExtensionArray": _index,
    "Period": _text,
    "Interval": _text,
}
