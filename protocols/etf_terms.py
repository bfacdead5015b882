"""The Erlang terms that Python has no type of its own for.

Everything else travels as plain Python values. These are values too: they compare by content, hash where they can, and
print as the call that would make them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    Pair = tuple[object, object]


class Atom(str):
    """An atom other than `true`, `false` and `undefined`, which are True, False and None.

    It is text, and equal to the same text, so that `options["mode"] == "fast"` reads well in a function that Erlang
    calls. Only what is an Atom goes out as an atom: Bascule makes no atom of text that is not one already.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Atom({str.__repr__(self)})"


class ImproperList(list[object]):
    """A list whose end is not the empty list: `[1, 2 | 3]` is `ImproperList([1, 2], 3)`."""

    __slots__ = ("tail",)

    def __init__(self, elements: Iterable[object], tail: object) -> None:
        super().__init__(elements)
        if not self:
            raise ValueError("an improper list has at least one element before its tail")
        self.tail = tail

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImproperList) and list.__eq__(self, other) and self.tail == other.tail

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # as any list

    def __reduce__(self) -> tuple[type[ImproperList], tuple[list[object], object]]:
        return ImproperList, (list(self), self.tail)

    def __repr__(self) -> str:
        return f"ImproperList({list.__repr__(self)}, {self.tail!r})"


class BitString:
    """Bits that do not fill whole bytes: `data`, of whose last byte only the `bits` (1 to 7) highest count."""

    __slots__ = ("bits", "data")

    def __init__(self, data: bytes, bits: int) -> None:
        if not (data and 1 <= bits <= 7):
            raise ValueError(f"a bit string has a last byte with 1 to 7 bits, not {len(data)} bytes and {bits} bits")
        # What lies below the last bit is not part of the value: it must not make equal strings differ.
        self.data = data[:-1] + bytes((data[-1] & (0xFF00 >> bits) & 0xFF,))
        self.bits = bits

    def __len__(self) -> int:
        """How many bits."""
        return (len(self.data) - 1) * 8 + self.bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BitString) and (self.data, self.bits) == (other.data, other.bits)

    def __hash__(self) -> int:
        return hash((self.data, self.bits))

    def __repr__(self) -> str:
        return f"BitString({self.data!r}, {self.bits})"


_KINDS: Final = {
    88: "pid",
    103: "pid",
    90: "reference",
    101: "reference",
    114: "reference",
    89: "port",
    102: "port",
    120: "port",
    112: "fun",
    117: "fun",
    113: "export",
    121: "local",
}
_FUNS: Final = (112, 113, 117)


class Opaque:
    """A term that means something to its own node alone: a pid, port, reference or fun. It goes back byte for byte.

    Attributes:
        encoded: The term as it came, without the leading 131.
    """

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        if not encoded or encoded[0] not in _KINDS:
            raise ValueError("an opaque term is an encoded pid, port, reference, fun, export or local term")
        self.encoded = encoded

    @property
    def kind(self) -> str:
        """One of pid, reference, port, fun, export, local."""
        return _KINDS[self.encoded[0]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.encoded == self.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.encoded.hex()}>"


class Fun(Opaque):
    """A fun. It can be called where somebody knows how: in a worker, while its node listens."""

    __slots__ = ()

    apply: Callable[[Opaque, tuple[object, ...]], object] | None = None
    """Set by whoever can have the node call it."""

    def __call__(self, *arguments: object) -> object:
        """Have the node apply it."""
        if Fun.apply is None:
            raise TypeError("a fun of an Erlang node can only be called by code that runs in a Bascule worker")
        return Fun.apply(self, arguments)


def opaque(encoded: bytes) -> Opaque:
    """The value for an encoded pid, reference, port or fun."""
    return Fun(encoded) if encoded and encoded[0] in _FUNS else Opaque(encoded)


class Map:
    """A map with keys that a dict would take for one another, or could not hold at all.

    To Erlang `1`, `1.0` and `true` are three keys, and so are `a` and `<<"a">>`; to a dict they are one or two. Lists
    and maps can be keys as well. A map whose keys a dict holds apart *is* a dict; only the others are a Map, with the
    mapping methods. Two of its keys are the same when they print the same, so `m[1]` never finds `True`.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs: tuple[Pair, ...] = tuple(pairs)

    def keys(self) -> list[object]:
        """The keys in the order in which they came."""
        return [key for key, _ in self.pairs]

    def values(self) -> list[object]:
        """The values in the order of their keys."""
        return [value for _, value in self.pairs]

    def items(self) -> tuple[Pair, ...]:
        """The pairs as they came."""
        return self.pairs

    def get(self, key: object, default: object = None) -> object:
        """The value of exactly this key, or the default."""
        wanted = repr(key)
        for candidate, value in self.pairs:
            if repr(candidate) == wanted:
                return value
        return default

    def __getitem__(self, key: object) -> object:
        found = self.get(key, _MISSING)
        if found is _MISSING:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[object]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Map):
            return NotImplemented
        return sorted(map(repr, self.pairs)) == sorted(map(repr, other.pairs))

    __hash__ = None  # type: ignore[assignment]  # its keys and values may be lists

    def __repr__(self) -> str:
        return f"Map({list(self.pairs)!r})"


_MISSING: Final = object()
