"""From Python values to External Term Format, as ErlPort maps them.

One loop and a stack of iterators, no recursion. Nothing leaves that a node could not read: what Erlang has no form for
(nan, two map keys that are one, an opaque object that is no term) is refused here, with a ValueError that goes to the
caller; ErlPort would send it, and the node would close the port.
"""

from __future__ import annotations

import struct
from itertools import chain, repeat

from bascule.protocols.erlport import atoms
from bascule.protocols.erlport.terms import Atom, ExactMap, ImproperList, List, Map, OpaqueObject
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.etf_keys import MOST_OPEN_KEYS, KeyMark, Raw
from bascule.protocols.etf_runs import SHORTEST, write_code_points, write_numbers
from bascule.protocols.etf_skip import term_end
from bascule.protocols.limits import MAX_BIGNUM, MAX_DEPTH, MAX_ELEMENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

_integer = struct.Struct(">Bi").pack
_float = struct.Struct(">Bd").pack
_large = struct.Struct("<BBBQ").pack
_long = struct.Struct(">BI").pack
_short = struct.Struct(">BH").pack
_CONSTANTS: Final = {True: b"d\x00\x04true", False: b"d\x00\x05false", None: b"d\x00\x09undefined"}
_SMALL: Final = [bytes((97, number)) for number in range(256)]
_NUMBERS: Final = frozenset((int, float))
_DISTINCT: Final = frozenset((str, int, bytes))
"""Types whose unequal values are unequal in Erlang too, as long as all keys are of the one type."""
_PICKLE_PROTOCOL: Final = 2
_PYTHON: Final = Atom(b"python")
_ERLANG: Final = Atom(b"erlang")
_NIL: Final = (Raw(b"j"),)


def encode_term(value: object) -> bytes:
    """One value as a term, without the leading 131.

    Raises:
        ValueError: Erlang has no form for it.
    """
    return b"".join(encode_pieces(value))


def encode_scalar(value: object) -> bytes | None:
    """A small integer or a constant, which needs no machinery; None for anything else."""
    if type(value) is int:
        if 0 <= value < 256:
            return _SMALL[value]
        return _integer(98, value) if -0x80000000 <= value < 0x80000000 else None
    return _CONSTANTS.get(value) if value is None or type(value) is bool else None


def encode_pieces(root: object) -> list[bytes]:
    """The same as pieces to join or write: a large binary is a piece of its own, not copied."""
    parts: list[bytes] = []
    add = parts.append
    known = atoms.written
    open_keys = 0
    stack: list[Iterator[Any]] = []
    values: Iterator[Any] = iter((root,))
    while True:
        for value in values:
            kind = type(value)
            if kind is int:
                if 0 <= value < 256:
                    add(_SMALL[value])
                elif -0x80000000 <= value < 0x80000000:
                    add(_integer(98, value))
                else:
                    add(_big(value))
            elif kind is bytes:
                add(_long(109, len(value)))
                add(value)
            elif kind is Atom:
                add(known[value] if value in known else atoms.write_new(value))
            elif kind is str:
                add(write_code_points(value))
            elif kind is float:
                if value - value != 0.0:  # true of nan and the infinities alone
                    raise _not_finite(value)
                add(_float(70, value))
            elif kind is bool or value is None:
                add(_CONSTANTS[value])
            elif kind is Raw:
                add(value.encoded)
            elif (kind is list or kind is List) and not value:
                add(b"j")
            else:
                inner: Iterator[Any]
                if kind is tuple:
                    count = len(value)
                    add(bytes((104, count)) if count < 256 else _long(105, _count(value)))
                    inner = iter(value)
                elif kind is list or kind is List:
                    # A copy of what another thread might change after it was counted.
                    elements = value if kind is List else tuple(value)
                    if type(elements[0]) in _NUMBERS:
                        encoded = _numbers(elements)
                        if encoded is not None:
                            add(encoded)
                            continue
                    add(_long(108, _count(elements)))
                    inner = chain(elements, _NIL)
                elif kind is dict or kind is Map or kind is ExactMap:
                    items = list(value.items())
                    add(_long(116, _count(items)))
                    kinds = {type(key) for key, _ in items}
                    if len(items) > 1 and (len(kinds) > 1 or not kinds <= _DISTINCT) and open_keys <= MOST_OPEN_KEYS:
                        mark = KeyMark([key for key, _ in items])
                        inner = chain.from_iterable(zip(repeat(mark), mark.keys, repeat(mark), [v for _, v in items]))
                    else:
                        inner = chain.from_iterable(items)
                elif kind is KeyMark:
                    if value.begin < 0:
                        value.begin = len(parts)
                        open_keys += 1
                    else:
                        open_keys -= 1
                        value.close(parts, _shown)
                    continue
                elif kind is ImproperList:
                    add(_long(108, _count(value)))
                    inner = chain(tuple(value), (value.tail,))
                else:
                    add(_opaque(value, kind))
                    continue
                if len(stack) > MAX_DEPTH:
                    raise ValueError(f"the value is nested deeper than the limit of {MAX_DEPTH}, or contains itself")
                stack.append(values)
                values = inner
                break
        else:
            if not stack:
                return parts
            values = stack.pop()


def _big(value: int) -> bytes:
    """An integer of more than 32 bits."""
    size = (value.bit_length() + 7) >> 3
    if size <= 8:
        return _large(110, size, value < 0, abs(value))[: 3 + size]
    if size > MAX_BIGNUM:
        raise ValueError(f"an integer of {size} bytes is over the limit of {MAX_BIGNUM}")
    head = (bytes((110, size)) if size < 256 else _long(111, size)) + (b"\x01" if value < 0 else b"\x00")
    return head + abs(value).to_bytes(size, "little")


def _numbers(elements: tuple[Any, ...] | List) -> bytes | None:
    """A list of nothing but numbers in bulk; None when it is none, or has to be written one by one.

    All bytes make a string, however few they are: so Erlang's own term_to_binary writes them.
    """
    if len(elements) < SHORTEST:
        try:
            return _short(107, len(elements)) + bytes(elements) if set(map(type, elements)) == {int} else None
        except ValueError:
            return None
    if len(elements) > MAX_ELEMENTS:
        return None  # the loop says so
    try:
        return write_numbers(elements)
    except ValueError:
        raise _not_finite(next(number for number in elements if number - number != 0.0)) from None


def _count(value: Any) -> int:
    count = len(value)
    if count > MAX_ELEMENTS:
        raise ValueError(f"a {type(value).__name__} of {count} elements is over the limit of {MAX_ELEMENTS}")
    return count


def _not_finite(value: float) -> ValueError:
    return ValueError(f"Erlang has no float for {value!r}: replace it, say by None")


def _shown(key: object) -> str:
    return f"{key!r:.80}"


def _opaque(value: Any, kind: type) -> bytes:
    """What is not Erlang's: as it came, or pickled."""
    if kind is OpaqueObject:
        if value.language == _ERLANG:
            try:
                whole = term_end(value.data, 0) == len(value.data)
            except RemoteProtocolError:
                whole = False
            if not whole:
                raise ValueError("an opaque object of Erlang's is one external term, without the 131")
            return value.data  # type: ignore[no-any-return]
        language, data = value.language, value.data
    else:
        import pickle

        language = _PYTHON
        try:
            data = pickle.dumps(value, _PICKLE_PROTOCOL)
        except Exception as error:
            raise ValueError(
                f"unsupported data type: {kind}: it is none of Erlang's, and it does not pickle: {error}"
            ) from error
    marker = atoms.written[OpaqueObject.marker]
    name = atoms.written.get(language) or atoms.write_new(language)
    return b"".join((b"h\x03", marker, name, _long(109, len(data)), data))
