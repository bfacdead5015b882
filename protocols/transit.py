"""Values as transit+json: JSON arrays in which text that begins with `~` means more, and text seen before is `^` and a
number.

| Python | transit |
|---|---|
| None, bool, float, list, tuple | JSON's own |
| str | JSON's own; one that begins with `~`, `^` or a backquote gets a `~` before it |
| int | JSON's own up to 2^53, `~i12...` up to 2^63, beyond it `~n12...` |
| nan, the infinities | `~zNaN`, `~zINF`, `~z-INF` |
| dict | `["^ ", key, value, ...]`, with other keys than scalars `["~#cmap", [key, value, ...]]` |
| set, frozenset | `["~#set", [...]]` |
| bytes, Decimal, UUID | `~b...`, `~f1.5`, `~u...` |
| datetime with an offset | `~m...`: milliseconds, which is all that Java's Date holds |
| date, time, timedelta, complex, range ... | `["~#py/date", "2024-02-29"]`: protocols.tagged has them all |
| a handle | `["~#py/handle", {token, type}]` |

Keywords and symbols are read as text that remembers what it was (protocols.clojure). A value with metadata is the
value; `^{:py/type "tuple"} [1 2]` makes of a vector or set the Python type that was named.

The cache: keywords, symbols, tags and a map's text keys of more than three characters are written once and then
referred to by their number in the message. So a part of a message can't be understood alone, and both sides walk it in
the same order.

Only who speaks transit imports this module.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from bascule.protocols.clojure import Keyword, Symbol, error_term
from bascule.protocols.edn import hashable, resolve_handle
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.packed import HandleFailed, keywords
from bascule.protocols.tagged import READERS, from_base64, read_tagged
from bascule.protocols.transit_write import (
    AS_MAP,
    CACHED_PREFIXES,
    DIGITS,
    FIRST_DIGIT,
    MAX_DEPTH,
    MOST_CACHED,
    SHORTEST_CACHED,
    dumps,
    dumps_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Resolve = Callable[[str, str], object]

__all__ = ["MAX_DEPTH", "dumps", "dumps_error", "error_term", "keywords", "loads"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND: Final = timedelta(milliseconds=1)


def loads(data: bytes, *, handle: Resolve | None = None, style: int = 0) -> Any:
    """The value of one transit+json text in UTF-8, told as every codec's; there is no choice of style.

    Raises:
        RemoteProtocolError: `data` is malformed, or over a limit.
    """
    try:
        return _Reader(handle).value(json.loads(data), 0)
    except HandleFailed as failed:
        raise failed.error from None
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"transit is malformed: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise RemoteProtocolError(f"transit is malformed: no JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise RemoteProtocolError("transit is malformed: nested too deep") from None
    except Exception as error:  # a number, a date, a tag's body ... that is none
        raise RemoteProtocolError(f"transit is malformed: {error or type(error).__name__}") from None


class _Tag(str):
    """What stands before a tagged value."""

    __slots__ = ()


class _Reader:
    """Makes a value of what json read, in the order in which it was written."""

    __slots__ = ("_cache", "_resolve")

    def __init__(self, resolve: Resolve | None) -> None:
        self._resolve = resolve
        self._cache: list[Any] = []

    def value(self, found: Any, depth: int) -> Any:
        kind = type(found)
        if kind is str:
            return self._text(found)
        if kind is list:
            return self._array(found, _deeper(depth))
        if kind is dict:
            return self._verbose(found, _deeper(depth))
        if kind is float and found - found != 0.0:
            raise ValueError(f"{found!r} is no JSON")
        return found

    def _array(self, found: list[Any], depth: int) -> Any:
        if not found:
            return []
        if found[0] == AS_MAP:
            return self._pairs(found, 1, depth, as_key=True)
        first = self.value(found[0], depth + 1)
        if type(first) is _Tag:
            if len(found) != 2:
                raise ValueError(f"a tagged value is an array of two, {first} has {len(found)}")
            return self._tagged(first, found[1], depth + 1)
        return [first, *[self.value(each, depth + 1) for each in found[1:]]]

    def _pairs(self, found: list[Any], start: int, depth: int, *, as_key: bool) -> dict[Any, Any]:
        if (len(found) - start) % 2:
            raise ValueError("a map has a key without a value")
        made: dict[Any, Any] = {}
        for at in range(start, len(found), 2):
            key = found[at]
            key = self._text(key, as_key=as_key) if type(key) is str else self.value(key, depth + 1)
            key = hashable(key)
            if key in made:
                raise ValueError(f"two keys of a map are one in Python: {key!r:.40}")
            made[key] = self.value(found[at + 1], depth + 1)
        return made

    def _verbose(self, found: dict[str, Any], depth: int) -> Any:
        if len(found) == 1:
            ((key, body),) = found.items()
            tag = self._text(key, as_key=True)
            if type(tag) is _Tag:
                return self._tagged(tag, body, depth)
            return {tag: self.value(body, depth + 1)}
        return {self._text(key, as_key=True): self.value(each, depth + 1) for key, each in found.items()}

    def _tagged(self, tag: str, found: Any, depth: int) -> Any:
        if tag == "cmap" and type(found) is list:
            return self._pairs(found, 0, depth, as_key=False)
        body = self.value(found, depth)
        if tag == "py/handle":
            token, name = body["token"], body.get("type", "")
            if not isinstance(token, str) or not isinstance(name, str):
                raise ValueError("a handle has a token and a type, both text")
            return resolve_handle(token, name, self._resolve)
        reader = _TAGS.get(tag)
        if reader is not None:
            return reader(body)
        if tag in READERS:
            return read_tagged(tag, body)
        raise ValueError(f"the tag {tag[:40]!r} is not known")

    def _text(self, text: str, *, as_key: bool = False) -> Any:
        if text[:1] == "^" and text != AS_MAP:
            return self._seen(text)
        value = _read_text(text) if text[:1] == "~" else text
        if len(text) >= SHORTEST_CACHED and (as_key or text[:2] in CACHED_PREFIXES):
            if len(self._cache) == MOST_CACHED:
                self._cache.clear()
            self._cache.append(value)
        return value

    def _seen(self, code: str) -> Any:
        number = -1
        if len(code) == 2:
            number = ord(code[1]) - FIRST_DIGIT
        elif len(code) == 3:
            number = (ord(code[1]) - FIRST_DIGIT) * DIGITS + ord(code[2]) - FIRST_DIGIT
        if not 0 <= number < len(self._cache):
            raise ValueError(f"{code[:10]!r} refers to nothing that was said before")
        return self._cache[number]


def _deeper(depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return depth


def _read_text(text: str) -> Any:
    kind, rest = text[1:2], text[2:]
    if kind == "#":
        return _Tag(rest)
    reader = _SCALARS.get(kind)
    if reader is None:
        raise ValueError(f"{text[:20]!r} begins like nothing that transit has")
    return reader(rest)


def _integer(text: str) -> int:
    if not text.lstrip("+-").isdigit() or not text.isascii():
        raise ValueError(f"{text[:40]!r} is no integer")
    return int(text)


def _decimal(text: str) -> Any:
    return read_tagged("py/decimal", text)


def _uuid(body: Any) -> Any:
    if isinstance(body, str):
        return read_tagged("py/uuid", body)
    from uuid import UUID

    high, low = body
    return UUID(int=(high % (1 << 64)) << 64 | low % (1 << 64))


def _moment(milliseconds: Any) -> datetime:
    return _EPOCH + int(milliseconds) * _MILLISECOND


def _iso_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _ratio(body: Any) -> Any:
    from fractions import Fraction

    numerator, denominator = body
    return Fraction(numerator, denominator)


def _with_meta(body: Any) -> Any:
    value, metadata = body
    wanted = metadata.get("py/type") if type(metadata) is dict else None
    if wanted is None:
        return value
    if wanted not in _MADE_OF_ELEMENTS or type(value) not in (list, set):
        raise ValueError(
            f"metadata :py/type {wanted!r:.40}: there are {', '.join(_MADE_OF_ELEMENTS)}, for a vector or set"
        )
    return _MADE_OF_ELEMENTS[wanted](value)


def _constant(name: str) -> float:
    return {"NaN": float("nan"), "INF": float("inf"), "-INF": float("-inf")}[name]


def _boolean(text: str) -> bool:
    return {"t": True, "f": False}[text]


def _nothing(text: str) -> None:
    if text:
        raise ValueError(f"~_ stands alone, not before {text[:20]!r}")


_MADE_OF_ELEMENTS: Final[dict[str, Callable[[Any], Any]]] = {
    "tuple": tuple,
    "list": list,
    "set": set,
    "frozenset": frozenset,
}

_SCALARS: Final[dict[str, Callable[[str], Any]]] = {
    "~": lambda rest: "~" + rest,
    "^": lambda rest: "^" + rest,
    "`": lambda rest: "`" + rest,
    ":": Keyword,
    "$": Symbol,
    "i": _integer,
    "n": _integer,
    "d": float,
    "f": _decimal,
    "c": str,
    "u": _uuid,
    "r": str,
    "m": _moment,
    "t": _iso_moment,
    "b": from_base64,
    "z": _constant,
    "?": _boolean,
    "_": _nothing,
}
"""What follows `~`. A URI is its text."""

_TAGS: Final[dict[str, Callable[[Any], Any]]] = {
    "'": lambda body: body,
    "set": lambda body: {hashable(each) for each in body},
    "list": list,
    "ratio": _ratio,
    "with-meta": _with_meta,
    "link": dict,
    "u": _uuid,
    "m": _moment,
    "t": _iso_moment,
    **dict.fromkeys(("bytes", "ints", "longs", "shorts", "floats", "doubles", "chars", "bools"), list),
    "array": list,
}
