"""From External Term Format to Python values.

One loop and a stack of its own, no recursion: a term may nest as deep as the limit allows. The loop goes by offsets and
never cuts the tail off, so its time is linear; it is written out in one function, for a call per element would double
what it costs. A list that begins with a run of numbers reads the run in bulk (`etf_runs`).

What is read past the end shows as IndexError or struct.error, and those become "cut off" in one place; only slices,
which are silently short, are checked where they are made.
"""

from __future__ import annotations

import struct
from itertools import repeat

from bascule.protocols.calls import Style
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.etf_compressed import inflate
from bascule.protocols.etf_rare import (
    ATOMS,
    BYTES,
    COMPRESSED,
    HANDLE,
    LOCAL,
    cut_off,
    decode_rare,
    new_atom,
    not_finite,
    text_or_bytes,
)
from bascule.protocols.etf_runs import SHORTEST, read_runs
from bascule.protocols.etf_tagged import DATES, DICTS, from_tagged, make_dict
from bascule.protocols.etf_terms import ImproperList, opaque
from bascule.protocols.limits import MAX_DEPTH, MAX_ELEMENTS
from bascule.protocols.tokens import TOKEN_LENGTH, Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    MakeHandle = Callable[[str, str], object]

VERSION: Final = 131
_NIL: Final = 106
_ONE_STRING: Final = b"\x83l\0\0\0\1k"
_BINARY_AS_BYTES: Final = int(Style.BINARY_AS_BYTES)

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from
_i32 = struct.Struct(">i").unpack_from
_f64 = struct.Struct(">d").unpack_from
_u64 = struct.Struct("<Q").unpack_from
_LOWEST: Final = [(1 << 8 * count) - 1 for count in range(9)]  # masks for the lowest bytes

# What the loop is filling. Some tuples may mean something: {bytes, B}, {py_handle, T, N}, {"date", {Y, M, D}}.
_TERM, _LIST, _TAIL, _PAIR, _TRIPLE, _TAGGED, _TUPLE, _MAP = range(8)
_TAGS: Final = frozenset(
    head + bytes((len(name),)) + name.encode() for name in DATES | DICTS for head in (b"k\0", b"m\0\0\0")
)
"""The texts that make a pair a date or a dict, as charlist and as binary."""

_LONGEST_TEXT: Final = 24  # bytes of a binary that is worth remembering: map keys and the like
_MOST_TEXTS: Final = 512


def loads(data: bytes, *, handle: MakeHandle | None = None, style: int = 0) -> object:
    """The value of one encoded term.

    Args:
        data: The term, from the leading 131 on.
        handle: Called with token and type name for each `{py_handle, Token, TypeName}`. Default: makes a Handle.
        style: Bits of `calls.Style`.

    Raises:
        RemoteProtocolError: It is no term, or one beyond the limits.
    """
    if type(data) is not bytes:
        data = bytes(data)
    if len(data) < 2:
        raise RemoteProtocolError(f"a term of {len(data)} bytes is cut off")
    if data[0] != VERSION:
        raise RemoteProtocolError(f"a term begins with 131, not with {data[0]}")
    start = 1
    if data[1] == COMPRESSED:
        data = inflate(data)
        start = 0
    elif data[1] == LOCAL:
        return opaque(data[1:])
    value, end = _decode(data, start, handle or Handle, as_text=not int(style) & _BINARY_AS_BYTES)
    if end != len(data):
        raise RemoteProtocolError(f"the term ends at byte {end}, but {len(data) - end} more follow")
    return value


def loader(handle: MakeHandle, style: int = 0) -> Callable[[bytes], object]:
    """`loads` as a function of the data alone, for who reads many terms, most of them lists of arguments."""

    def load(data: bytes) -> object:
        # Numbers below 256 and nothing else: Erlang writes `[[1, 2]]` as a list with one string in it.
        if data.startswith(_ONE_STRING):
            size = len(data)
            if size > 9 and size == 10 + (data[7] << 8) + data[8] and data[-1] == _NIL:
                return [list(data[9:-1])]
        return loads(data, handle=handle, style=style)

    return load


def _decode(data: bytes, position: int, handle: MakeHandle, *, as_text: bool) -> tuple[object, int]:
    """One term from `position` on, and where it ends.

    Values pile up in one list; a container that is full takes its own off the top and puts itself there. `start` is
    where those of the innermost one begin, `counter` yields once for each that is still to come.
    """
    size = len(data)
    atoms = ATOMS
    texts: dict[bytes, object] = {}
    values: list[Any] = []
    append = values.append
    stack: list[tuple[int, int, Any]] = []
    # The term itself is the single element of an outermost container.
    kind, start, counter = _TERM, 0, repeat(None, 1)
    foreign = False  # in a callback, whose exceptions are not ours
    try:
        while True:
            for _ in counter:
                tag = data[position]
                if tag < 106:
                    if tag == 97:
                        append(data[position + 1])
                        position += 2
                    elif tag == 98:
                        append(_i32(data, position + 1)[0])
                        position += 5
                    elif tag == 104 or tag == 105:
                        if tag == 104:
                            count = data[position + 1]
                            position += 2
                        else:
                            count = _u32(data, position + 1)[0]
                            position += 5
                            if count > size - position or count > MAX_ELEMENTS:
                                raise _too_many(count, "a tuple", position)
                        if not count:
                            append(())
                            continue
                        if len(stack) > MAX_DEPTH:
                            raise _too_deep()
                        stack.append((kind, start, counter))
                        start = len(values)
                        counter = repeat(None, count)
                        if count == 2:
                            kind = _PAIR
                            tag = data[position]
                            if tag == 107:
                                if data[position : position + 3 + data[position + 2]] in _TAGS:
                                    kind = _TAGGED
                            elif tag == 109 and data[position : position + 5 + data[position + 4]] in _TAGS:
                                kind = _TAGGED
                        elif count == 3:
                            kind = _TRIPLE
                        else:
                            kind = _TUPLE
                        break
                    elif tag == 100:
                        raw = data[position : position + 3 + data[position + 2]]
                        append(atoms[raw] if raw in atoms else new_atom(data, position))
                        position += 3 + _u16(data, position + 1)[0]
                    elif tag == 70:
                        number = _f64(data, position + 1)[0]
                        if number - number != 0.0:  # true of nan and the infinities alone
                            raise not_finite(position)
                        append(number)
                        position += 9
                    else:
                        value, position = decode_rare(data, position, tag, as_text=as_text)
                        append(value)
                elif tag == 109:
                    bare = not as_text or (kind == _PAIR and len(values) > start and values[-1] is BYTES)
                    # A short text is remembered with its tag and length: what is found needs no further checks.
                    if not bare and data[position + 4] <= _LONGEST_TEXT:
                        raw = data[position : position + 5 + data[position + 4]]
                        if raw in texts:
                            append(texts[raw])
                            position += len(raw)
                            continue
                    begin = position + 5
                    end = begin + _u32(data, position + 1)[0]
                    if end > size:
                        raise cut_off(position)
                    if bare:
                        append(data[begin:end])
                    else:
                        text = text_or_bytes(data[begin:end])
                        append(text)
                        if end - begin <= _LONGEST_TEXT and len(texts) < _MOST_TEXTS:
                            texts[data[position:end]] = text
                    position = end
                elif tag == 119:
                    raw = data[position : position + 2 + data[position + 1]]
                    append(atoms[raw] if raw in atoms else new_atom(data, position))
                    position += len(raw)
                elif tag == 108:
                    count = _u32(data, position + 1)[0]
                    position += 5
                    if count > size - position or count > MAX_ELEMENTS:
                        raise _too_many(count, "a list", position)
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append((kind, start, counter))
                    kind, start = _LIST, len(values)
                    if count >= SHORTEST:
                        numbers: list[object] = []
                        position = read_runs(data, position, count, numbers)
                        count -= len(numbers)
                        if not count and data[position] == 106:  # nothing but numbers
                            kind, start, counter = stack.pop()
                            append(numbers)
                            position += 1
                            continue
                        values += numbers
                    counter = repeat(None, count)
                    break
                elif tag == 116:
                    count = _u32(data, position + 1)[0]
                    position += 5
                    if count * 2 > size - position or count > MAX_ELEMENTS:
                        raise _too_many(count, "a map", position)
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append((kind, start, counter))
                    kind, start, counter = _MAP, len(values), repeat(None, count * 2)
                    break
                elif tag == 107:
                    begin = position + 3
                    position = begin + _u16(data, position + 1)[0]
                    if position > size:
                        raise cut_off(begin)
                    append(list(data[begin:position]))
                elif tag == 106:
                    append([])
                    position += 1
                elif tag == 110:
                    begin = position + 3
                    count = data[position + 1]
                    position = begin + count
                    if count <= 8 and begin + 8 <= size:  # three times as fast as int.from_bytes of a slice
                        number = _u64(data, begin)[0] & _LOWEST[count]
                    elif position > size:
                        raise cut_off(begin)
                    else:
                        number = int.from_bytes(data[begin:position], "little")
                    append(-number if data[begin - 1] else number)
                else:
                    value, position = decode_rare(data, position, tag, as_text=as_text)
                    append(value)
            else:  # the container is full: close it and go on with the one around it
                if kind == _LIST:
                    tag = data[position]
                    if tag == 106:
                        position += 1
                    elif tag == 108:  # the tail is a list again: no new level, or long chains would be quadratic
                        count = _u32(data, position + 1)[0]
                        position += 5
                        if count > size - position or count + len(values) - start > MAX_ELEMENTS:
                            raise _too_many(count, "a list", position)
                        counter = repeat(None, count)
                        continue
                    elif tag == 107:
                        begin = position + 3
                        position = begin + _u16(data, position + 1)[0]
                        if position > size:
                            raise cut_off(begin)
                        values += data[begin:position]
                    else:
                        kind, counter = _TAIL, repeat(None, 1)
                        continue
                    value = values[start:]
                elif kind == _PAIR:
                    first, value = values[start:]
                    if first is not BYTES or type(value) is not bytes:
                        value = (first, value)
                elif kind == _MAP:
                    keys = values[start::2]
                    try:
                        value = dict(zip(keys, values[start + 1 :: 2]))
                    except Exception:  # unhashable, or the object behind a handle has a __hash__ of its own
                        value = ()
                    if len(value) != len(keys):  # or keys that a dict takes for one
                        value = make_dict(keys, values[start + 1 :: 2])
                elif kind == _TUPLE:
                    value = tuple(values[start:])
                elif kind == _TRIPLE:
                    value = tuple(values[start:])
                    if value[0] is HANDLE:
                        token, type_name = _handle_parts(value)
                        foreign = True
                        value = handle(token, type_name)
                        foreign = False
                elif kind == _TAGGED:
                    value = from_tagged(*values[start:])
                elif kind == _TAIL:
                    tail = values.pop()
                    value = ImproperList(values[start:], tail) if len(values) > start else tail
                else:
                    return values[0], position
                del values[start:]
                append(value)
                kind, start, counter = stack.pop()
    except (IndexError, struct.error):
        if foreign:
            raise
        raise cut_off(position) from None


def _handle_parts(items: tuple[Any, ...]) -> tuple[str, str]:
    """Token and type name of a `{py_handle, Token, TypeName}`, each a binary or a charlist."""
    texts: list[str] = []
    for part in items[1:]:
        try:
            if isinstance(part, list):
                part = bytes(part)
            texts.append(part.decode() if isinstance(part, bytes) else "" + part)
        except (TypeError, ValueError):
            raise RemoteProtocolError("a handle is {py_handle, Token, TypeName} with two texts") from None
    if len(texts[0]) != TOKEN_LENGTH or not texts[0].isascii():
        raise RemoteProtocolError(f"a handle's token has {TOKEN_LENGTH} characters, this has {len(texts[0])}")
    return texts[0], texts[1]


def _too_many(count: int, what: str, position: int) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"{what} of {count} elements at byte {position} is longer than the term, or over the limit of {MAX_ELEMENTS}"
    )


def _too_deep() -> RemoteProtocolError:
    return RemoteProtocolError(f"a term is nested deeper than the limit of {MAX_DEPTH}")
