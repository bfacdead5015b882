"""Values written as transit+json; see `transit` for what becomes what."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from bascule.protocols.clojure import Keyword, Symbol, with_keyword_keys
from bascule.protocols.errors import LocalProtocolError
from bascule.protocols.tagged import LARGE_INTEGER, MAX_REPLACED, form_of, to_base64
from bascule.protocols.tokens import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Default = Callable[[Any], Any]

MAX_DEPTH: Final = 200
_JSON_INTEGER: Final = 1 << 53
_LONG: Final = 1 << 63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND: Final = timedelta(milliseconds=1)

SHORTEST_CACHED: Final = 4  # characters
DIGITS: Final = 44  # of a number in the cache
FIRST_DIGIT: Final = 48
MOST_CACHED: Final = DIGITS * DIGITS  # then it begins anew
AS_MAP: Final = "^ "

_encode = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: object, *, default: Default | None = None, style: int = 0) -> bytes:
    """`value` as transit+json, told as every codec's (see `protocols`); there is no choice of style.

    Raises:
        TypeError: Something is not carried, and there is no `default`.
        LocalProtocolError: Too deep, or in a circle.
    """
    writer = _Writer(default)
    spelled = writer.spell(value, 0)
    if not isinstance(spelled, list):  # a message is an array or a map
        spelled = ["~#'", spelled]
    return _encode(spelled).encode("ascii")


def dumps_error(error_map: dict[str, Any]) -> bytes:
    """An error map as transit, its keys as keywords; it is plain data."""
    return dumps(with_keyword_keys(error_map), default=str)


class _Writer:
    """Spells one value as what json shall write, in the order in which it will be read."""

    __slots__ = ("_cache", "_default")

    def __init__(self, default: Default | None) -> None:
        self._default = default
        self._cache: dict[str, str] = {}

    def spell(self, value: Any, depth: int) -> Any:
        kind = type(value)
        for _ in range(MAX_REPLACED):
            if kind is str:
                return _escaped(value)
            if value is None or kind is bool:
                return value
            if kind is int:
                return self._integer(value)
            if kind is float:
                return value if value - value == 0.0 else _no_number(value)
            if depth > MAX_DEPTH:
                raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}, or in a circle")
            if kind is list or kind is tuple:
                return self._elements(value, depth)
            if kind is dict:
                return self._dict(value, depth)
            if kind is Keyword:
                return self._cached(f"~:{value}")
            if kind is Symbol:
                return self._cached(f"~${value}")
            if kind is set or kind is frozenset:
                return [self._cached("~#set"), self._elements(value, depth)]
            if kind is Handle:
                body = {Keyword("token"): value.token, Keyword("type"): value.type_name}
                return [self._cached("~#py/handle"), self.spell(body, depth + 1)]
            spelled = self._tagged(kind, value, depth)
            if spelled is not None:
                return spelled
            if self._default is None:
                raise TypeError(f"transit does not carry a {kind.__module__}.{kind.__qualname__}")
            value = self._default(value)
            kind = type(value)
        raise TypeError(f"what stands in for an object is not carried either: a {kind.__module__}.{kind.__qualname__}")

    def _elements(self, elements: Iterable[Any], depth: int) -> list[Any]:
        return [self.spell(each, depth + 1) for each in elements]

    def _dict(self, value: dict[Any, Any], depth: int) -> list[Any]:
        spelled: list[Any] = []
        if all(type(key) in _SCALAR_KEYS for key in value):
            spelled.append(AS_MAP)
            for key, each in value.items():
                spelled.append(self._cached(_key(key), as_key=True))
                spelled.append(self.spell(each, depth + 1))
            return spelled
        tag = self._cached("~#cmap")
        for key, each in value.items():
            spelled.append(self.spell(key, depth + 1))
            spelled.append(self.spell(each, depth + 1))
        return [tag, spelled]

    def _integer(self, value: int) -> Any:
        if -_JSON_INTEGER <= value <= _JSON_INTEGER:
            return value
        if -_LONG <= value < _LONG:
            return f"~i{value}"
        if -LARGE_INTEGER < value < LARGE_INTEGER:
            return f"~n{value}"
        return [self._cached("~#py/int"), hex(value)]

    def _tagged(self, kind: type, value: Any, depth: int) -> Any:
        if kind is bytes:
            return f"~b{to_base64(value)}"
        if kind is datetime and value.tzinfo is not None:
            return f"~m{(value - _EPOCH) // _MILLISECOND}"
        form = form_of(kind)
        if form is None:
            return None
        tag, body_of = form
        if tag == "py/uuid":
            return f"~u{value}"
        if tag == "py/decimal" and value.is_finite():
            return f"~f{value}"
        body = list(value) if body_of is None else body_of(value)
        return [self._cached(f"~#{tag}"), self.spell(body, depth + 1)]

    def _cached(self, text: str, *, as_key: bool = False) -> str:
        if len(text) < SHORTEST_CACHED or not (as_key or text[:2] in CACHED_PREFIXES):
            return text
        found = self._cache.get(text)
        if found is None:
            if len(self._cache) == MOST_CACHED:
                self._cache.clear()
            self._cache[text] = _code(len(self._cache))
            return text
        return found


CACHED_PREFIXES: Final = frozenset(("~:", "~$", "~#"))
_SCALAR_KEYS: Final = frozenset((str, int, bool, type(None), float, Keyword, Symbol))


def _code(number: int) -> str:
    high, low = divmod(number, DIGITS)
    first = chr(high + FIRST_DIGIT) if high else ""
    return f"^{first}{chr(low + FIRST_DIGIT)}"


def _escaped(text: str) -> str:
    return f"~{text}" if text[:1] in ("~", "^", "`") and text else text


def _no_number(value: float) -> str:
    return "~zNaN" if value != value else "~zINF" if value > 0 else "~z-INF"


def _key(key: Any) -> str:
    kind = type(key)
    if kind is str:
        return _escaped(key)
    if kind is Keyword:
        return f"~:{key}"
    if kind is Symbol:
        return f"~${key}"
    if key is None:
        return "~_"
    if kind is bool:
        return "~?t" if key else "~?f"
    if kind is int:
        return f"~i{key}" if -_LONG <= key < _LONG else f"~n{key}"
    return f"~d{key!r}" if key - key == 0.0 else _no_number(key)
