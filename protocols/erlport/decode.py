"""From External Term Format to what ErlPort's users get.

One loop with a stack of its own, as in `etf_decode`: no recursion, positions instead of tails, so a term may be as deep
as the limit allows and its time is linear. Runs of numbers are read in bulk. What reads past the end shows as
IndexError or struct.error and is reported in one place, as `CutOff`.

Unpickling runs code of the user's, or of whoever made the pickle: its errors pass through as they are.
"""

from __future__ import annotations

import struct
from itertools import repeat

from bascule.protocols.erlport import atoms
from bascule.protocols.erlport.terms import Atom, ExactMap, ImproperList, List, Map, OpaqueObject
from bascule.protocols.errors import CutOff, RemoteProtocolError
from bascule.protocols.etf_runs import SHORTEST, read_runs
from bascule.protocols.etf_skip import OPAQUE, opaque_end
from bascule.protocols.limits import MAX_BIGNUM, MAX_DEPTH, MAX_ELEMENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from
_i32 = struct.Struct(">i").unpack_from
_f64 = struct.Struct(">d").unpack_from
_new_list: Final = list.__new__
_fill_list: Final = list.__init__
_new_map: Final = dict.__new__
_fill_map: Final = dict.__init__

_MARKER: Final = OpaqueObject.marker
_ERLANG: Final = Atom(b"erlang")
_TERM, _LIST, _TAIL, _TUPLE, _MAP = range(5)  # what the loop is filling


def decode_term(data: bytes, position: int) -> tuple[Any, int]:
    """The term that begins at `position` (behind the 131), and where it ends.

    Raises:
        CutOff: The data ends first.
        RemoteProtocolError: It is no term, or beyond the limits.
        Exception: Whatever unpickling raises.
    """
    size = len(data)
    known = atoms.read
    values: list[Any] = []
    value: Any
    made: Any
    append = values.append
    stack: list[tuple[int, int, Any]] = []
    # The term itself is the single element of an outermost container.
    kind, start, counter = _TERM, 0, repeat(None, 1)
    try:
        while True:
            for _ in counter:
                tag = data[position]
                if tag == 97:
                    append(data[position + 1])
                    position += 2
                elif tag == 109:
                    begin = position + 5
                    end = begin + _u32(data, position + 1)[0]
                    if end > size:
                        raise _cut_off(position)
                    append(data[begin:end])
                    position = end
                elif tag == 100:
                    raw = data[position : position + 3 + _u16(data, position + 1)[0]]
                    append(known[raw] if raw in known else atoms.read_new(data, position))
                    position += len(raw)
                elif tag == 119:
                    raw = data[position : position + 2 + data[position + 1]]
                    append(known[raw] if raw in known else atoms.read_new(data, position))
                    position += len(raw)
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
                            raise _too_many(count, "a tuple", position, size)
                    if not count:
                        append(())
                        continue
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append((kind, start, counter))
                    kind, start, counter = _TUPLE, len(values), repeat(None, count)
                    break
                elif tag == 108:
                    count = _u32(data, position + 1)[0]
                    position += 5
                    if count > size - position or count > MAX_ELEMENTS:
                        raise _too_many(count, "a list", position, size)
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append((kind, start, counter))
                    kind, start = _LIST, len(values)
                    if count >= SHORTEST:
                        made = _new_list(List)
                        position = read_runs(data, position, count, made)
                        count -= len(made)
                        if not count and data[position] == 106:  # nothing but numbers
                            kind, start, counter = stack.pop()
                            append(made)
                            position += 1
                            continue
                        values += made
                    counter = repeat(None, count)
                    break
                elif tag == 107:
                    begin = position + 3
                    position = begin + _u16(data, position + 1)[0]
                    if position > size:
                        raise _cut_off(begin)
                    made = _new_list(List)
                    _fill_list(made, data[begin:position])
                    append(made)
                elif tag == 106:
                    append(_new_list(List))
                    position += 1
                elif tag == 70:
                    number = _f64(data, position + 1)[0]
                    if number - number != 0.0:  # true of nan and the infinities alone
                        raise RemoteProtocolError(f"the float at byte {position} is infinite or not a number")
                    append(number)
                    position += 9
                elif tag == 116:
                    count = _u32(data, position + 1)[0]
                    position += 5
                    if count * 2 > size - position or count > MAX_ELEMENTS:
                        raise _too_many(count, "a map", position, size)
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append((kind, start, counter))
                    kind, start, counter = _MAP, len(values), repeat(None, count * 2)
                    break
                elif tag == 110 or tag == 111:
                    if tag == 110:
                        begin = position + 3
                        count = data[position + 1]
                    else:
                        begin = position + 6
                        count = _u32(data, position + 1)[0]
                        if count > MAX_BIGNUM:
                            raise RemoteProtocolError(f"an integer of {count} bytes is over the limit of {MAX_BIGNUM}")
                    position = begin + count
                    if position > size:
                        raise _cut_off(begin)
                    integer = int.from_bytes(data[begin:position], "little")
                    append(-integer if data[begin - 1] else integer)
                elif tag == 118 or tag == 115:
                    append(atoms.read_new(data, position))
                    position += 2 + data[position + 1] if tag == 115 else 3 + _u16(data, position + 1)[0]
                elif tag in OPAQUE:
                    end = opaque_end(data, position)
                    append(OpaqueObject(data[position:end], _ERLANG))
                    position = end
                elif tag == 77:
                    end = position + 6 + _u32(data, position + 1)[0]
                    if end > size:
                        raise _cut_off(position)
                    append(OpaqueObject(data[position:end], _ERLANG))
                    position = end
                else:
                    raise RemoteProtocolError(f"tag {tag} at byte {position} is none of the external term format")
            else:  # the container is full: close it and go on with the one around it
                if kind == _LIST:
                    tag = data[position]
                    if tag == 106:
                        position += 1
                    elif tag == 108:  # the tail is a list again: no new level, or long chains would be quadratic
                        count = _u32(data, position + 1)[0]
                        position += 5
                        if count > size - position or count + len(values) - start > MAX_ELEMENTS:
                            raise _too_many(count, "a list", position, size)
                        counter = repeat(None, count)
                        continue
                    elif tag == 107:
                        begin = position + 3
                        position = begin + _u16(data, position + 1)[0]
                        if position > size:
                            raise _cut_off(begin)
                        values += data[begin:position]
                    else:
                        kind, counter = _TAIL, repeat(None, 1)
                        continue
                    value = _new_list(List)
                    _fill_list(value, values[start:])
                elif kind == _TUPLE:
                    value = tuple(values[start:])
                    if value[0] is _MARKER and len(value) == 3:
                        value = _opaque(value[1], value[2])
                elif kind == _MAP:
                    value = _map(values[start::2], values[start + 1 :: 2])
                elif kind == _TAIL:
                    tail = values.pop()
                    value = ImproperList(values[start:], tail) if len(values) > start else tail
                else:
                    return values[0], position
                del values[start:]
                append(value)
                kind, start, counter = stack.pop()
    except (IndexError, struct.error):
        raise _cut_off(position) from None


def _opaque(language: object, data: object) -> object:
    if not (isinstance(language, Atom) and isinstance(data, bytes)):
        raise RemoteProtocolError("an opaque object is {'$erlport.opaque', Language, Binary}")
    try:
        return OpaqueObject.decode(data, language)
    except (IndexError, struct.error) as error:  # a pickle that ends too soon, not a term that does
        raise ValueError(f"a pickle is cut off: {type(error).__name__}: {error}") from error


def _map(keys: list[Any], values: list[Any]) -> Map:
    """A Map, or an ExactMap where a dict would lose some of the keys."""
    made: Any = _new_map(Map)
    try:
        _fill_map(made, zip(keys, values))
        if len(made) == len(keys):
            return made  # type: ignore[no-any-return]
    except Exception:  # unhashable, too deep to hash, or an unpickled object with a __hash__ of its own
        pass
    try:
        distinct = len(set(map(repr, keys)))
    except Exception as error:
        raise RemoteProtocolError(f"a map's keys can't be told apart: {type(error).__name__}: {error}") from None
    if distinct != len(keys):
        raise RemoteProtocolError("a map has the same key twice")
    return ExactMap(zip(keys, values))


def _cut_off(position: int) -> CutOff:
    return CutOff(f"the term is cut off: what begins at byte {position} reaches beyond its end")


def _too_many(count: int, what: str, position: int, size: int) -> RemoteProtocolError:
    if count > MAX_ELEMENTS:
        return RemoteProtocolError(f"{what} of {count} elements at byte {position} is over the limit of {MAX_ELEMENTS}")
    return CutOff(f"{what} of {count} elements at byte {position} is cut off at byte {size}")


def _too_deep() -> RemoteProtocolError:
    return RemoteProtocolError(f"a term is nested deeper than the limit of {MAX_DEPTH}")
