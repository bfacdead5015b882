"""The Erlang terms as ErlPort's users know them: the classes of `erlport.erlterms`.

They are values: immutable, compared by content, hashed by content. The differences from ErlPort's are where its own
break: every way to change a `List` is closed, pickles of them can be read back, and a map whose keys a dict would take
for one another (`1` and `true`, `a` and `<<"a">>`) is an `ExactMap`, a `Map` that keeps them apart.

Names of atoms are UTF-8, whatever the wire wrote them in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Final, NoReturn

    Pair = tuple[object, object]

_LONGEST_ATOM: Final = 255  # characters
_MODULE: Final = "erlport.erlterms"
"""Where user code finds these classes, and so what stands in a pickle."""


class MutationError(Exception):
    """An immutable term was to be changed."""


class IncompleteData(ValueError):
    """A term is cut off.

    Attributes:
        data: What there is of it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        super().__init__(f"incomplete data: {data!r}")


def _refuse(term: object, *_: object, **__: object) -> NoReturn:
    raise MutationError(f"mutation disallowed on {type(term).__module__}.{type(term).__name__}")


def immutable(value: object) -> object:
    """A dict as a Map, a list as a List; anything else is what it was."""
    if isinstance(value, dict):
        return value if isinstance(value, Map) else Map(value)
    if isinstance(value, list):
        return value if isinstance(value, (List, ImproperList)) else List(value)
    return value


class Atom(bytes):
    """An atom: bytes that know what they are. The same atom is one object."""

    __slots__ = ()

    _known: dict[bytes, Atom] = {}

    def __new__(cls, name: bytes) -> Atom:
        """Return the atom of that name, at most 255 characters of UTF-8."""
        if type(name) is Atom:
            return name
        known = cls._known.get(name) if isinstance(name, bytes) else None
        if known is not None:
            return known
        if not isinstance(name, bytes):
            raise TypeError(f"an atom is made of bytes, not of {type(name).__name__}: Atom(b'ok')")
        if len(name) > _LONGEST_ATOM and len(name.decode("utf-8", "replace")) > _LONGEST_ATOM:
            raise ValueError(f"an atom has at most {_LONGEST_ATOM} characters")
        return cls._known.setdefault(bytes(name), super().__new__(cls, name))

    def __repr__(self) -> str:
        return f"Atom({bytes.__repr__(self)})"


class List(list):  # type: ignore[type-arg]
    """An immutable list, which can also be read as text."""

    __slots__ = ()

    def __init__(self, elements: Iterable[object] = ()) -> None:
        if self:  # a second call, on a list that is one already
            _refuse(self)
        super().__init__([immutable(element) for element in elements])

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __setitem__ = __delitem__ = _refuse

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]  # as with a tuple: `+=` gives the name a new list
        return self + other

    def __imul__(self, times: Any) -> Any:  # type: ignore[misc]
        return self * times

    def to_string(self) -> str:
        """The text whose code points the elements are; TypeError or ValueError if they are none."""
        return "".join(map(chr, self))

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce_ex__(self, _protocol: object) -> Any:
        return List, (list(self),)

    def __repr__(self) -> str:
        return f"List({list.__repr__(self)})"


class ImproperList(list):  # type: ignore[type-arg]
    """An immutable list with an end that is not the empty list: `[1, 2 | 3]` is `ImproperList([1, 2], 3)`."""

    __slots__ = ("tail",)

    tail: object

    def __init__(self, elements: list[object], tail: object) -> None:
        if self:
            _refuse(self)
        if not isinstance(elements, list):
            raise TypeError("list object expected")
        if not elements:
            raise ValueError("empty list not allowed")
        if isinstance(tail, list):
            raise TypeError("non list object expected for tail")
        super().__init__([immutable(element) for element in elements])
        object.__setattr__(self, "tail", tail)

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = __setattr__ = __delattr__ = _refuse

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImproperList) and list.__eq__(self, other) and self.tail == other.tail

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((tuple(self), self.tail))

    def __reduce_ex__(self, _protocol: object) -> Any:
        return ImproperList, (list(self), self.tail)

    def __repr__(self) -> str:
        return f"ImproperList({list.__repr__(self)}, {self.tail!r})"


class Map(dict):  # type: ignore[type-arg]
    """An immutable dict."""

    __slots__ = ()

    def __init__(self, *pairs: Any, **named: object) -> None:
        if len(self):
            _refuse(self)
        plain = dict(*pairs, **named)
        super().__init__([(immutable(key), immutable(value)) for key, value in plain.items()])

    clear = pop = popitem = setdefault = update = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce_ex__(self, _protocol: object) -> Any:
        return Map, (dict(self),)

    def __repr__(self) -> str:
        return f"Map({dict.__repr__(self)})"


class ExactMap(Map):
    """A Map with keys that a dict would take for one another, or could not hold.

    Two keys are the same when they print the same: `m[1]` finds 1 and never True. A copy as a plain dict
    (`dict(m)`) has the keys that a dict can tell apart.
    """

    __slots__ = ("_pairs",)

    _pairs: tuple[Pair, ...]

    def __init__(self, pairs: Iterable[Pair]) -> None:
        object.__setattr__(self, "_pairs", tuple([(key, value) for key, value in pairs]))

    def keys(self) -> Any:
        """The keys, in the order in which they came."""
        return [key for key, _ in self._pairs]

    def values(self) -> Any:
        """The values, in the order of their keys."""
        return [value for _, value in self._pairs]

    def items(self) -> Any:
        """The pairs, as they came."""
        return list(self._pairs)

    def get(self, key: object, default: Any = None) -> Any:
        """The value of exactly this key, or the default."""
        wanted = repr(key)
        for candidate, value in self._pairs:
            if repr(candidate) == wanted:
                return value
        return default

    def copy(self) -> Any:
        """Itself: it can't be changed."""
        return self

    def __getitem__(self, key: object) -> object:
        found = self.get(key, _MISSING)
        if found is _MISSING:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[object]:
        return iter(self.keys())

    def __reversed__(self) -> Iterator[object]:
        yield from reversed(self.keys())

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactMap) and sorted(map(repr, self._pairs)) == sorted(map(repr, other._pairs))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(map(repr, self._pairs)))

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    __setattr__ = __delattr__ = _refuse

    def __reduce_ex__(self, _protocol: object) -> Any:
        return ExactMap, (self._pairs,)

    def __repr__(self) -> str:
        return f"ExactMap({list(self._pairs)!r})"


_MISSING: Final = object()


class OpaqueObject:
    """A term of another language, which goes back as it came.

    Attributes:
        data: From Erlang, the external term without the 131 (pid, reference, port, fun, bit string); else whatever
            that language writes.
        language: The Atom that says which.
    """

    __slots__ = ("data", "language")

    marker = Atom(b"$erlport.opaque")

    def __init__(self, data: bytes, language: Atom) -> None:
        if type(data) is not bytes:
            raise TypeError("data must be instance of bytes")
        if type(language) is not Atom:
            raise TypeError("language must be instance of Atom")
        self.data = data
        self.language = language

    @classmethod
    def decode(cls, data: bytes, language: Atom) -> object:
        """What `{'$erlport.opaque', language, data}` is here: of Python's own the object."""
        if language == b"python":
            import pickle

            return pickle.loads(data)
        return cls(data, language)

    def encode(self) -> bytes:
        """The external term, without the 131."""
        from bascule.protocols.erlport.encode import encode_term

        return encode_term(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is OpaqueObject and (other.language, other.data) == (self.language, self.data)

    def __hash__(self) -> int:
        return hash((OpaqueObject, self.language, self.data))

    def __reduce__(self) -> Any:
        return OpaqueObject, (self.data, self.language)

    def __repr__(self) -> str:
        return f"OpaqueObject({self.data!r}, {self.language!r})"


for _class in (MutationError, IncompleteData, Atom, List, ImproperList, Map, ExactMap, OpaqueObject):
    _class.__module__ = _MODULE
