"""Numeric arrays as bytes: what a numpy array is on the msgpack wire.

    u8 length of dtype | dtype, as numpy writes it ("<f8") | u8 dimensions | u64 each | the elements, C order

The integers are big-endian, as msgpack's own; the elements are in the order that the dtype names. Arrays of Python
objects and of records have no such form, they are not carried. numpy is never imported to write (who has an array has
numpy) and only tried to read: without it the reader gets a `NumericArray`.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_DIMENSION: Final = struct.Struct(">Q")
_MAX_DIMENSIONS: Final = 64  # numpy 2 has no more
_PLAIN_KINDS: Final = "biufcmMSU"
"""Booleans, numbers, dates, text of fixed length. `dtype.str` does not name objects, records, other packages' types."""
# fmt: off
_FORMATS: Final = {
    "b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f4": "f", "f8": "d",
}
# fmt: on
"""dtype without its byte order -> format of `memoryview.cast`."""


class NumericArray:
    """An array where there is no numpy: its parts, and a view on the elements where Python has a type for them.

    Attributes:
        dtype: The type of one element as numpy writes it, such as "<f8" or "|u1".
        shape: The length of each dimension.
        data: The elements' bytes in C order.
    """

    __slots__ = ("data", "dtype", "shape")

    def __init__(self, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NumericArray):
            return NotImplemented
        return (self.dtype, self.shape, self.data) == (other.dtype, other.shape, other.data)

    __hash__ = None  # type: ignore[assignment]  # like an array, it is compared by content and has no hash

    def __repr__(self) -> str:
        return f"<array {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}>"

    def view(self) -> memoryview:
        """The elements as a memoryview of this shape.

        Raises:
            TypeError: Python has no type for such elements in the order of this machine.
        """
        import sys

        order, kind = self.dtype[:1], self.dtype[1:]
        native = "<" if sys.byteorder == "little" else ">"
        if kind not in _FORMATS or order not in (native, "|"):
            raise TypeError(f"Python has no type for elements of {self.dtype}: install numpy, or read `data`")
        whole: Any = memoryview(self.data)
        elements: memoryview = whole.cast(_FORMATS[kind])
        return whole.cast(_FORMATS[kind], self.shape) if self.data and self.shape else elements


def write_array(array: Any) -> list[bytes | memoryview] | None:
    """An ndarray or NumericArray as pieces to join; None when its elements can't be carried as bytes."""
    if isinstance(array, NumericArray):
        return [_head(array.dtype, array.shape), array.data]
    dtype = array.dtype
    if dtype.kind not in _PLAIN_KINDS or not dtype.itemsize:
        return None
    head = _head(dtype.str, array.shape)
    if not array.flags.c_contiguous:
        return [head, array.tobytes()]
    # As plain bytes: not every element type (dates, text) has a buffer format of its own.
    return [head, memoryview(array.reshape(-1).view("u1"))] if array.size else [head]


def read_array(data: bytes) -> Any:
    """The array as a writable ndarray, or as a NumericArray where there is no numpy.

    Raises:
        ValueError: These bytes are no array.
    """
    try:
        length = data[0]
        dtype = data[1 : 1 + length].decode("ascii")
        dimensions = data[1 + length]
        if dimensions > _MAX_DIMENSIONS:
            raise ValueError(f"an array of {dimensions} dimensions is over the limit of {_MAX_DIMENSIONS}")
        start = 2 + length + 8 * dimensions
        shape = struct.unpack_from(f">{dimensions}Q", data, 2 + length)
    except (IndexError, struct.error):
        raise ValueError("an array's head is cut off") from None
    try:
        import numpy
    except ImportError:
        return NumericArray(dtype, shape, data[start:])
    return _with_numpy(numpy, dtype, shape, data, start)


def _head(dtype: str, shape: tuple[int, ...]) -> bytes:
    name = dtype.encode("ascii")
    return b"".join([bytes((len(name),)), name, bytes((len(shape),)), *map(_DIMENSION.pack, shape)])


def _with_numpy(numpy: Any, name: str, shape: tuple[int, ...], data: bytes, start: int) -> Any:
    try:
        dtype = numpy.dtype(name)
    except Exception:  # numpy has several exceptions for a bad name, and warns of some
        raise ValueError(f"no element type is called {name!r}") from None
    # Never believe a peer that names a type with pointers in it: its bytes would become addresses.
    if dtype.kind not in _PLAIN_KINDS or dtype.subdtype is not None or not dtype.itemsize:
        raise ValueError(f"elements of type {name!r} do not travel as bytes")
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of shape {shape} and type {name!r} has not {len(data) - start} bytes")
    flat = numpy.frombuffer(data, dtype, count, start) if count else numpy.empty(0, dtype)
    return flat.reshape(shape).copy()  # a view on received bytes would be read-only
