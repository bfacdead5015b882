"""From Python values to External Term Format.

One loop and a stack of iterators, as in the decoder; the pieces are joined once, at the end. Where a container has
something before each element or behind the last, the iterator brings it along as a `Raw`: so the loop knows nothing
of closing brackets. A list of integers or of floats is written in bulk (`etf_runs`).

Nothing is checked on the way that Erlang would not miss: what it has no form for (nan, an atom of 300 characters, two
map keys that are one to Erlang) is refused with a message that says where it stands.
"""

from __future__ import annotations

import struct
from itertools import chain, repeat

from bascule.protocols.calls import Style
from bascule.protocols.etf_keys import MOST_OPEN_KEYS, KeyMark, Raw
from bascule.protocols.etf_runs import SHORTEST, write_code_points, write_numbers
from bascule.protocols.etf_tagged import date_tuple, dict_name
from bascule.protocols.etf_terms import Atom, BitString, Fun, ImproperList, Map, Opaque
from bascule.protocols.etf_where import short, where
from bascule.protocols.limits import MAX_BIGNUM, MAX_DEPTH, MAX_ELEMENTS
from bascule.protocols.tokens import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Final

    Default = Callable[[Any], object]

_STR_AS_BINARY: Final = int(Style.STR_AS_BINARY)
_DICT_AS_MAP: Final = int(Style.DICT_AS_MAP)

_integer = struct.Struct(">Bi").pack
_float = struct.Struct(">Bd").pack
_large = struct.Struct("<BBBQ").pack
_short = struct.Struct(">BH").pack
_long = struct.Struct(">BI").pack
_SMALL: Final = [bytes((97, number)) for number in range(256)]
_LONGEST_TEXT: Final = 32  # characters of a str whose bytes are worth remembering: dict keys and the like
_MOST_TEXTS: Final = 512
_LONGEST_ATOM: Final = 255
_MOST_ATOMS: Final = 4096
_atoms: dict[Atom, bytes] = {}
"""Atoms that went out before."""
_NUMBERS: Final = frozenset((int, float))
_TEXT_ONLY: Final = {str}
_DISTINCT: Final = frozenset((str, int, bytes, float, Atom))
"""Types whose unequal values are unequal in Erlang too, as long as all keys are of the one type."""
_NIL: Final = (Raw(b"j"),)
_PAIR: Final = Raw(b"h\x02")


def dumps(value: object, *, default: Default | None = None, style: int = 0) -> bytes:
    """One value as a term, the leading 131 included.

    Args:
        value: What to encode.
        default: Called for each object, at any depth, that ETF does not carry; returns something it does carry.
            Without it a subclass of a type that is carried (a named tuple, an IntEnum) travels as that type.
        style: Bits of `calls.Style`.

    Raises:
        TypeError: A type that ETF does not carry.
        ValueError: A value that ETF has no form for: nan and the infinities, too long, too deep.
    """
    if type(value) is int and -0x80000000 <= value < 0x80000000:  # most results: nothing needs to be set up
        return b"\x83" + (_SMALL[value] if 0 <= value < 256 else _integer(98, value))
    return _Encoder(default, int(style)).encode(value)


class _Encoder:
    """One run of `dumps`."""

    __slots__ = ("as_binary", "as_map", "default", "open_keys", "parts", "root")

    def __init__(self, default: Default | None, style: int) -> None:
        self.default = default
        self.as_binary = bool(style & _STR_AS_BINARY)
        self.as_map = bool(style & _DICT_AS_MAP)
        self.root: object = None
        self.parts: list[bytes] = [b"\x83"]
        self.open_keys = 0

    def encode(self, root: object) -> bytes:
        self.root = root
        as_binary, as_map = self.as_binary, self.as_map
        parts = self.parts
        add = parts.append
        texts: dict[str, bytes] = {}
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
                    elif -0x8000000000000000 <= value < 0x8000000000000000:
                        size = (value.bit_length() + 7) >> 3
                        add(_large(110, size, value < 0, abs(value))[: 3 + size])
                    else:
                        self._big(value, add)
                elif kind is str:
                    encoded = texts.get(value)
                    if encoded is None:
                        encoded = self._binary(value) if as_binary else write_code_points(value)
                        if len(value) <= _LONGEST_TEXT and len(texts) < _MOST_TEXTS:
                            texts[value] = encoded
                    add(encoded)
                elif kind is Raw:
                    add(value.encoded)
                elif kind is float:
                    if value - value != 0.0:  # true of nan and the infinities alone
                        raise self._not_finite(value)
                    add(_float(70, value))
                elif kind is bool:
                    add(b"w\x04true" if value else b"w\x05false")
                elif value is None:
                    add(b"w\x09undefined")
                elif kind is Atom:
                    add(_atoms[value] if value in _atoms else self._atom(value))
                elif kind is bytes:
                    add(_long(109, len(value)))
                    add(value)
                elif kind is list and not value:
                    add(b"j")
                else:
                    if kind is tuple:
                        count = len(value)
                        add(bytes((104, count)) if count < 256 else _long(105, self._count(value)))
                        inner = iter(value)
                    elif kind is list:
                        if len(value) >= SHORTEST and type(value[0]) in _NUMBERS:
                            encoded = self._numbers(value)
                            if encoded is not None:
                                add(encoded)
                                continue
                        # A copy: `default`, or another thread, might change the list after it was counted.
                        elements = tuple(value)
                        add(_long(108, self._count(elements)))
                        inner = chain(elements, _NIL)
                    elif kind is dict and as_map and set(map(type, value)) == _TEXT_ONLY:
                        add(_long(116, self._count(value)))
                        inner = chain.from_iterable(value.items())
                    else:
                        other = self._other(value, kind, add)
                        if other is None:
                            continue
                        inner = other
                    if len(stack) > MAX_DEPTH:
                        raise _too_deep()
                    stack.append(values)
                    values = inner
                    break
            else:
                if not stack:
                    return b"".join(parts)
                values = stack.pop()

    # Scalars

    def _binary(self, text: str) -> bytes:
        try:
            encoded = text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text with a lone surrogate (at {error.start}) has no UTF-8, so it can't go out as a binary; send it "
                f"as a charlist, or as bytes{self._where(text)}"
            ) from None
        return _long(109, len(encoded)) + encoded

    def _big(self, value: int, add: Callable[[bytes], None]) -> None:
        size = (value.bit_length() + 7) // 8
        if size > MAX_BIGNUM:
            raise ValueError(f"an integer of {size} bytes is over the limit of {MAX_BIGNUM}{self._where(value)}")
        add((bytes((110, size)) if size < 256 else _long(111, size)) + (b"\x01" if value < 0 else b"\x00"))
        add(abs(value).to_bytes(size, "little"))

    def _atom(self, atom: Atom) -> bytes:
        if len(atom) > _LONGEST_ATOM:
            raise ValueError(f"an atom has at most 255 characters, this has {len(atom)}{self._where(atom)}")
        try:
            name = atom.encode()
        except UnicodeEncodeError:
            raise ValueError(f"an atom can't contain a lone surrogate: {atom!r}{self._where(atom)}") from None
        encoded = (bytes((119, len(name))) if len(name) < 256 else _short(118, len(name))) + name
        if len(_atoms) < _MOST_ATOMS:
            _atoms[atom] = encoded
        return encoded

    def _numbers(self, value: list[Any]) -> bytes | None:
        if len(value) > MAX_ELEMENTS:
            return None  # the loop says so
        try:
            return write_numbers(value)
        except ValueError:
            raise self._not_finite(next(number for number in value if number - number != 0.0)) from None

    # Containers: the header is added, the elements are returned

    def _dict(self, name: str, value: Any, add: Callable[[bytes], None]) -> Iterator[Any]:
        """A member of the dict family."""
        count = self._count(value)
        if self.as_map:
            kinds = set(map(type, value))
            add(_long(116, count))
            if count > 1 and (len(kinds) > 1 or not kinds <= _DISTINCT):
                return self._marked(value.keys(), value.values())
            return chain.from_iterable(value.items())
        add(b"h\x02k\x00" + bytes((len(name),)) + name.encode())
        return self._pairs(value.keys(), value.values(), count, add)

    def _pairs(
        self, keys: Iterable[object], values: Iterable[object], count: int, add: Callable[[bytes], None]
    ) -> Iterator[Any]:
        """A list of `{Key, Value}`."""
        if not count:
            add(b"j")
            return iter(())
        add(_long(108, count))
        return chain(chain.from_iterable(zip(repeat(_PAIR), keys, values)), _NIL)

    def _marked(self, keys: Iterable[object], values: Iterable[object]) -> Iterator[Any]:
        """Keys and values, and marks around the keys: to a dict `"a"` and `b"a"` are two, as binaries they are one."""
        if self.open_keys > MOST_OPEN_KEYS:
            return chain.from_iterable(zip(keys, values))
        mark = KeyMark(keys)
        return chain.from_iterable(zip(repeat(mark), mark.keys, repeat(mark), values))

    def _pass_mark(self, mark: KeyMark) -> None:
        if mark.begin < 0:
            mark.begin = len(self.parts)
            self.open_keys += 1
            return
        self.open_keys -= 1
        mark.close(self.parts, short)

    # Everything else

    def _other(self, value: Any, kind: type, add: Callable[[bytes], None]) -> Iterator[Any] | None:
        """Add the value whole, or return the values to go on with."""
        if kind is KeyMark:
            self._pass_mark(value)
        elif kind is Handle:
            token, name = value.token.encode(), value.type_name.encode("utf-8", "replace")
            add(b"h\x03w\x09py_handle" + _long(109, len(token)) + token + _long(109, len(name)) + name)
        elif kind is Opaque or kind is Fun:
            if value.kind == "local" and value is not self.root:
                raise ValueError(f"a term in a node's local format can only travel alone{self._where(value)}")
            add(value.encoded)
        elif kind is BitString:
            add(_long(77, len(value.data)) + bytes((value.bits,)))
            add(value.data)
        elif kind is ImproperList:
            add(_long(108, self._count(value)))
            return chain(tuple(value), (value.tail,))
        elif kind is Map:
            if self.as_map:
                add(_long(116, self._count(value)))
                return self._marked(value.keys(), value.values())
            add(b"h\x02k\x00\x04dict")
            return self._pairs(value.keys(), value.values(), self._count(value), add)
        else:
            name = dict_name(value)
            if name is not None:
                return self._dict(name, value, add)
            tagged = date_tuple(value)
            if tagged is None:
                return self._replace(value, kind)
            add(b"h\x02" + write_code_points(tagged[0]))
            # The names of a date and of its zone are charlists in every style, as a dict's is.
            return iter((tuple([Raw(write_code_points(x)) if type(x) is str else x for x in tagged[1]]),))
        return None

    def _replace(self, value: Any, kind: type) -> Iterator[Any]:
        """What `default` makes of the value."""
        if self.default is None:
            base = next((base for base in _BASES if isinstance(value, base)), None)
            if base is None:
                raise TypeError(f"{_type_name(kind)} does not travel as an Erlang term{self._where(value)}")
            # str() of an enum's member that is a str would give its name.
            return iter((str.__str__(value) if base is str else base(value),))
        replacement = self.default(value)
        kind = type(replacement)
        if kind not in _CARRIED and dict_name(replacement) is None and date_tuple(replacement) is None:
            raise TypeError(
                f"{_type_name(type(value))} was to be replaced by {_type_name(kind)}, "
                f"which does not travel as an Erlang term either{self._where(value)}"
            )
        return iter((replacement,))

    def _count(self, value: Any) -> int:
        count = len(value)
        if count > MAX_ELEMENTS:
            raise ValueError(
                f"a {type(value).__name__} of {count} elements is over the limit of {MAX_ELEMENTS}{self._where(value)}"
            )
        return count

    def _not_finite(self, value: object) -> ValueError:  # the very object: it is looked for
        return ValueError(f"Erlang has no float for {value!r}{self._where(value)}: replace it, say by None")

    def _where(self, culprit: object) -> str:
        return where(self.root, culprit)


_BASES: Final[tuple[type, ...]] = (int, str, float, bytes, tuple, list, dict)
_CARRIED: Final = frozenset((*_BASES, bool, type(None), Atom, Handle, Opaque, Fun, BitString, ImproperList, Map))


def _too_deep() -> ValueError:
    return ValueError(f"the value is nested deeper than the limit of {MAX_DEPTH}, or contains itself")


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
