"""Many numbers at once: the part of ETF that makes a list of a million integers cheap.

In a list, each number stands behind its own tag byte, so a run of numbers of one type has the tag at every second,
fifth or ninth byte. A slice with that stride shows whether a run goes on; more such slices take the tags away (or put
them in), and `struct` turns the rest into numbers in one call. Nothing here looks at single elements.
"""

from __future__ import annotations

import marshal
import struct
import sys
from math import isfinite

from bascule.protocols.errors import CutOff, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

_extend: Final = list.extend  # of lists that their users can't change, too
SHORTEST: Final = 8
"""Fewer elements than this are read one by one."""
_FIRST_WINDOW: Final = 32
_MARSHAL_HEAD: Final = 5  # a tag and the count


def _run_length(data: bytes, position: int, most: int, width: int, tag: bytes) -> int:
    """How many elements of `width` bytes follow one another from here, each beginning with `tag`.

    The window grows by four, so that a short run costs little and what is looked at in vain never exceeds three times
    what was found (plus the first window): the whole stays linear.
    """
    count, window = 0, _FIRST_WINDOW
    while count < most:
        window = min(window, most - count)
        tags = data[position : position + window * width : width]
        same = len(tags) - len(tags.lstrip(tag))
        count += same
        if same < window:
            break
        position += window * width
        window *= 4
    return count


def _read_small(data: bytes, position: int, count: int) -> bytes:
    return data[position + 1 : position + 2 * count : 2]


def _columns(data: bytes, position: int, count: int, width: int) -> bytearray:
    """The elements without their tags, back to back, in this machine's byte order: struct is quickest with that."""
    block = data[position : position + count * width]
    plain = bytearray(count * (width - 1))
    for column in range(1, width):
        plain[_place(column, width) :: width - 1] = block[column::width]
    return plain


def _place(column: int, width: int) -> int:
    """Where a column of big-endian numbers goes."""
    return width - 1 - column if sys.byteorder == "little" else column - 1


def _read_integers(data: bytes, position: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"={count}i", _columns(data, position, count, 5))


def _read_floats(data: bytes, position: int, count: int) -> tuple[float, ...]:
    floats: tuple[float, ...] = struct.unpack(f"={count}d", _columns(data, position, count, 9))
    # Only a float whose first byte is 7F or FF can be nan or infinite, and few finite ones are that large.
    first = data[position + 1 : position + 9 * count : 9]
    if (b"\x7f" in first or b"\xff" in first) and not all(map(isfinite, floats)):
        raise RemoteProtocolError("a float is infinite or not a number, which Erlang has no form for")
    return floats


_READERS: Final[dict[int, tuple[int, Callable[[bytes, int, int], Sequence[float]]]]] = {
    97: (2, _read_small),
    98: (5, _read_integers),
    70: (9, _read_floats),
}


def read_runs(data: bytes, position: int, most: int, into: list[object]) -> int:
    """Read numbers into a list for as long as they come in runs.

    Args:
        data: The whole term.
        position: Where the first element stands.
        most: How many elements the list still has.
        into: Where the numbers go.

    Returns:
        The position behind the last number read.

    Raises:
        RemoteProtocolError: The last element is cut off, or a float is not finite.
    """
    size = len(data)
    first = True
    while most >= SHORTEST and position < size:
        reader = _READERS.get(data[position])
        if reader is None:
            break
        width, read = reader
        tag = data[position : position + 1]
        # Mostly there is nothing else in the list. Once only: to look at all the rest at each run would be quadratic.
        if first and data[position : position + most * width : width] == tag * most:
            count = most
        else:
            count = _run_length(data, position, most, width, tag)
        first = False
        if count < SHORTEST:
            break
        end = position + count * width
        if end > size:
            raise CutOff("a number at the end of the term is cut off")
        _extend(into, read(data, position, count))
        position = end
        most -= count
    return position


def write_numbers(items: Sequence[object]) -> bytes | None:
    """A proper list of numbers as one piece of ETF, or None when it holds anything else (or a large integer).

    Raises:
        ValueError: A float is nan or infinite.
    """
    kind = type(items[0])
    if type(items[-1]) is not kind or type(items[len(items) // 2]) is not kind:
        return None
    if kind is int:
        return _write_integers(items)
    if kind is float and set(map(type, items)) == {float}:
        return _write_floats(items)
    return None


def _write_integers(items: Sequence[object]) -> bytes | None:
    count = len(items)
    try:
        small = bytes(items)  # type: ignore[arg-type]
    except (ValueError, TypeError):  # one of them is no byte
        small = None
    if small is None:
        plain = _marshalled(items)
        return None if plain is None else _reversed_list(plain, count)
    if set(map(type, items)) != {int}:
        return None
    if count <= 0xFFFF:
        return struct.pack(">BH", 107, count) + small
    return _list_of(b"a", small, count, 2)


def _marshalled(items: Sequence[object]) -> bytes | None:
    """The items as five bytes each, `i` and 32 bits in little-endian order; None when one of them is something else.

    `marshal` writes a list of such integers so, and in one go it checks their types, which to do apart costs as much
    as to write them. It has other tags for all else, booleans and subclasses included. The first element begins at a
    known place; where its tag is `i` it has five bytes, so the place of the second is known, and so on to the last.
    """
    count = len(items)
    try:
        written = marshal.dumps(items if type(items) is tuple else list(items), 2)
    except ValueError:  # some object that marshal does not write
        return None
    start = len(written) - count * 5
    if start != _MARSHAL_HEAD or written[start::5] != b"i" * count:
        return None
    return written[start:]


def _reversed_list(plain: bytes, count: int) -> bytes:
    """A LIST_EXT of what `_marshalled` wrote."""
    out = bytearray(plain)
    out[::5] = b"b" * count
    out[1::5], out[4::5] = plain[4::5], plain[1::5]
    out[2::5], out[3::5] = plain[3::5], plain[2::5]
    return b"".join((struct.pack(">BI", 108, count), out, b"j"))


def _write_floats(items: Sequence[object]) -> bytes:
    if not all(map(isfinite, items)):  # type: ignore[arg-type]
        raise ValueError("a float is infinite or not a number")
    return _list_of(b"F", struct.pack(f">{len(items)}d", *items), len(items), 9)


def write_code_points(text: str) -> bytes:
    """Text as a list of code points."""
    count = len(text)
    if not count:
        return b"j"
    try:
        plain = text.encode("latin-1")
    except UnicodeEncodeError:
        # A lone surrogate is a code point like any other here: only a UTF-8 binary has no room for it.
        return _list_of(b"b", text.encode("utf-32-be", "surrogatepass"), count, 5)
    if count <= 0xFFFF:
        return struct.pack(">BH", 107, count) + plain
    return _list_of(b"a", plain, count, 2)


def _list_of(tag: bytes, plain: bytes, count: int, width: int) -> bytes:
    """A LIST_EXT of `count` elements, each the tag and the next `width - 1` bytes of `plain`."""
    out = bytearray(count * width)
    out[::width] = tag * count
    for column in range(1, width):
        out[column::width] = plain[column - 1 :: width - 1]
    return b"".join((struct.pack(">BI", 108, count), out, b"j"))
