"""Values as JSON: plain where JSON has the type, an object with one `py/...` key where it has not.

| Python | JSON |
|---|---|
| None, bool, int, float, str, list | the same; integers of over 4,000 digits are `{"py/int": hexadecimal text}` |
| tuple | array; `{"py/tuple": [...]}` where it is a key or inside a set (and accepted everywhere) |
| dict | object; `{"py/dict": [[key, value], ...]}` when a key is not text, or when it would be misread as a tag |
| bytes, bytearray | `{"py/bytes": base64}`, `{"py/bytearray": base64}` |
| set, frozenset | `{"py/set": [...]}`, `{"py/frozenset": [...]}` |
| datetime, date, time, timezone | `{"py/datetime": text}` and so on, see protocols.times |
| timedelta | `{"py/timedelta": [days, seconds, microseconds]}` |
| Decimal, UUID | `{"py/decimal": text}`, `{"py/uuid": text}` |
| complex | `{"py/complex": [real, imaginary]}` |
| range, slice | `{"py/range": [start, stop, step]}`, `{"py/slice": [start, stop, step]}` |
| ... | `{"py/ellipsis": null}` |
| a handle | `{"py/handle": token, "type": name}` |

nan and the infinities are no JSON: they are refused with the place where they stand (`{"py/float": "nan"}` is
understood on the way in). The output is ASCII, everything else escaped. A tag that is not known is refused when read:
it would otherwise be taken for data.

How it stays fast: the json module's C code writes a value that is plain all through, which type sets find out at C
speed; only what is not is rebuilt with tags first. The same on the way in: no hook runs unless a tag may be there.
Only this module imports json, and it is only imported when JSON is spoken.
"""

from __future__ import annotations

import json
import re
import sys
from json.encoder import encode_basestring_ascii as _quote

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.packed import HandleFailed, keywords
from bascule.protocols.tagged import LARGE_INTEGER, MAX_REPLACED, READERS, form_of, read_tagged
from bascule.protocols.tokens import TOKEN_LENGTH, Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Default = Callable[[Any], Any]
    Resolve = Callable[[str, str], object]

__all__ = ["dumps", "dumps_error", "keywords", "loader", "loads"]

MAX_DEPTH: Final = 400  # on the way out; well below where Python's own recursion limit would end it
_MAX_READ_DEPTH: Final = 2_000  # on the way in, where user code has raised the recursion limit

_encode = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
_SMALL: Final = 1 << 12  # bytes that are read by the scanner alone
_SHORT_INTEGER: Final = 1 << 63
_HANDLE: Final = "py/handle"
_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_TEXT: Final = frozenset((str,))
_ESCAPED: Final = bytes([*range(32), 127])  # what json's encoder escapes in ASCII, beside quotes and backslashes
_PLAIN_CONTAINERS: Final = frozenset((list, tuple, dict))


def dumps(value: object, *, default: Default | None = None, style: int = 0) -> bytes:
    """`value` as JSON, told as every codec's (see `protocols`); there is no choice of style.

    Raises:
        TypeError: Something is not carried, and there is no `default`.
        ValueError: A float that is no number of JSON's.
        LocalProtocolError: Too deep, or in a circle.
    """
    kind = type(value)
    if kind is str:
        return _quoted(value)  # type: ignore[arg-type]
    if kind is int and -_SHORT_INTEGER < value < _SHORT_INTEGER:  # type: ignore[operator]
        return b"%d" % value  # type: ignore[str-format]
    if kind in _SCALARS or ((kind is list or kind is dict) and _is_plain(value, 1)):
        try:
            text = _encode(value)
        except (ValueError, RecursionError):  # a float or an integer that needs care: find it below
            pass
        else:
            if '"py/' not in text:
                return text.encode("ascii")
    return _encode(_Writer(default).spell(value)).encode("ascii")


def loads(data: bytes, *, handle: Resolve | None = None, style: int = 0) -> Any:
    """The value of one JSON text in UTF-8, told as every codec's; there is no choice of style.

    Raises:
        RemoteProtocolError: `data` is malformed, or over a limit.
    """
    try:
        text = data.decode()
        if sys.getrecursionlimit() > _MAX_READ_DEPTH:
            _refuse_too_deep(text)
        if _may_be_tagged(text):
            return json.JSONDecoder(object_hook=_Reader(handle).object, parse_constant=_refuse_constant).decode(text)
        return _decode_plain(text)
    except HandleFailed as failed:
        raise failed.error from None
    except RecursionError:
        raise RemoteProtocolError("JSON is malformed: nested too deep") from None
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"JSON is malformed: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise RemoteProtocolError(f"JSON is malformed at character {error.pos}: {error.msg}") from None
    except Exception as error:  # an integer of too many digits, a set of lists, a date that is none ...
        raise RemoteProtocolError(f"JSON is malformed: {error or type(error).__name__}") from None


def loader(handle: Resolve, style: int = 0) -> Callable[[bytes], Any]:
    """`loads` as a function of the data alone, quick where little is said that needs no tag.

    What json's scanner in C takes as a whole is what its decoder would give; the rest is for `loads` to read or refuse.
    """

    def load(data: bytes) -> Any:
        if len(data) <= _SMALL and b"\\" not in data and b'"py/' not in data:
            try:
                text = data.decode("ascii")
                value, end = _scan(text, 0)
            except (ValueError, StopIteration, RecursionError):
                return loads(data, handle=handle)
            if end == len(text):
                return value
        return loads(data, handle=handle)

    return load


def dumps_error(error_map: dict[str, Any]) -> bytes:
    """An error map as JSON; it is plain data."""
    return dumps(error_map, default=str)


def _quoted(text: str) -> bytes:
    """A lone text. That a long one (base64, say) has nothing to escape is found out sooner than it is escaped."""
    if len(text) > _SMALL and text.isascii() and "\n" not in text and '"' not in text and "\\" not in text:
        data = text.encode()
        if len(data.translate(None, _ESCAPED)) == len(data):
            return b'"%b"' % data
    return _quote(text).encode("ascii")


def _may_be_tagged(text: str) -> bool:
    """Whether a key may begin with `py/`. An escape can spell its p, or its slash.

    To look for one character takes a twentieth of the time that it takes to look for two.
    """
    escaped = "\\" in text
    return ("/" in text and ('"py/' in text or (escaped and "\\/" in text))) or (escaped and "\\u" in text)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether the json module writes a list or dict as we would. Numbers are left for it to refuse."""
    if type(value) is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        value = value.values()
    if _SCALARS.issuperset(map(type, value)):
        return True
    if depth >= MAX_DEPTH:
        return False
    for element in value:
        kind = type(element)
        if kind in _SCALARS:
            continue
        if kind not in _PLAIN_CONTAINERS or not _is_plain(element, depth + 1):
            return False
    return True


class _Writer:
    """Rebuilds a value with tags, and knows where in it it is."""

    __slots__ = ("_default", "_path")

    def __init__(self, default: Default | None) -> None:
        self._default = default
        self._path: list[str] = []

    def spell(self, value: Any, *, hashable: bool = False) -> Any:
        """What json shall write for `value`; `hashable`: it must come back as something that can be a key."""
        kind = type(value)
        for _ in range(MAX_REPLACED):
            if kind is str or kind is bool or value is None:
                return value
            if kind is int:
                return value if -LARGE_INTEGER < value < LARGE_INTEGER else {"py/int": hex(value)}
            if kind is float:
                return self._float(value)
            if len(self._path) > MAX_DEPTH:
                raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}, or in a circle")
            if kind is list:
                return self._elements(value)
            if kind is tuple:
                return {"py/tuple": self._elements(value, hashable=True)} if hashable else self._elements(value)
            if kind is dict:
                return self._dict(value)
            spelled = self._tagged(kind, value)
            if spelled is not None:
                return spelled
            if self._default is None:
                raise TypeError(f"JSON does not carry a {_name(kind)}{self._where()}")
            value = self._default(value)
            kind = type(value)
        raise TypeError(f"what stands in for an object is not carried either: a {_name(kind)}{self._where()}")

    def _tagged(self, kind: type, value: Any) -> Any:
        if kind is Handle:
            return {_HANDLE: value.token, "type": value.type_name}
        form = form_of(kind)
        if form is None:
            return None
        name, body_of = form
        if body_of is None:
            return {name: self._elements(value, hashable=True)}
        body = body_of(value)
        return {name: self._elements(body) if isinstance(body, list) else body}

    def _float(self, value: float) -> float:
        if value - value != 0.0:  # true of nan and the infinities alone
            raise ValueError(f"JSON has no number for {value!r}{self._where()}: replace it, say by None")
        return value

    def _elements(self, elements: Iterable[Any], *, hashable: bool = False) -> list[Any]:
        path, spell = self._path, self.spell
        spelled = []
        path.append("")
        for index, element in enumerate(elements):
            path[-1] = f"[{index}]"
            spelled.append(spell(element, hashable=hashable))
        path.pop()
        return spelled

    def _dict(self, value: dict[Any, Any]) -> Any:
        path, spell = self._path, self.spell
        escaped = not _TEXT.issuperset(map(type, value)) or "py/handle" in value
        if len(value) == 1 and not escaped:
            escaped = next(iter(value)).startswith("py/")
        pairs = []
        path.append("")
        for key, element in value.items():
            path[-1] = _step(key)
            spelled_key = spell(key, hashable=True) if escaped else key
            pairs.append([spelled_key, spell(element)])
        path.pop()
        return {"py/dict": pairs} if escaped else dict(pairs)

    def _where(self) -> str:
        path = self._path
        if len(path) > 8:
            path = [*path[:4], "...", *path[-4:]]
        return f" (at {''.join(path)})" if path else ""


class _Reader:
    """Makes of tagged objects what they stand for."""

    __slots__ = ("_resolve",)

    def __init__(self, resolve: Resolve | None) -> None:
        self._resolve = resolve

    def object(self, found: dict[str, Any]) -> Any:
        """json's hook, called with each object from the inside out."""
        if "py/handle" in found:
            return self._handle(found)
        if len(found) != 1:
            return found
        ((tag, body),) = found.items()
        if not tag.startswith("py/"):
            return found
        if tag not in READERS:
            raise ValueError(
                f'the tag {tag!r:.40} is not known; an object with such a key is {{"py/dict": [[key, value]]}}'
            )
        return read_tagged(tag, body)

    def _handle(self, found: dict[str, Any]) -> Any:
        token, name = found["py/handle"], found.get("type", "")
        if len(found) > 2 or (len(found) == 2 and "type" not in found) or type(name) is not str:
            raise ValueError('a handle is {"py/handle": token, "type": name}')
        if type(token) is not str or len(token) != TOKEN_LENGTH or not (token.isascii() and token.isalnum()):
            raise ValueError(f"a token is {TOKEN_LENGTH} letters and digits")
        if self._resolve is None:
            return Handle(token, name)
        try:
            return self._resolve(token, name)
        except Exception as error:
            raise HandleFailed(error) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f'{name} is no JSON: send null, or {{"py/float": "nan"}}')


_plainly = json.JSONDecoder(parse_constant=_refuse_constant)
_decode_plain = _plainly.decode
_scan: Final[Callable[[str, int], tuple[Any, int]]] = _plainly.scan_once  # type: ignore[attr-defined]
_BRACKETS: Final = re.compile(r'"(?:[^"\\]+|\\.)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def _refuse_too_deep(text: str) -> None:
    """Bound the recursion of json's C code, which before Python 3.12 only `sys.setrecursionlimit` does."""
    if text.count("[") + text.count("{") <= _MAX_READ_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        first = match[0][0]
        if first != '"':
            depth += 1 if first in "[{" else -1
            if depth > _MAX_READ_DEPTH:
                raise ValueError(f"nested too deep at character {match.start()}")


def _step(key: object) -> str:
    written = repr(key) if type(key) in (str, int, bytes, bool, type(None)) else f"a {type(key).__name__}"
    return f"[{written if len(written) <= 40 else written[:37] + '...'}]"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
