"""Erlang External Term Format, both ways: what an Erlang port's payloads are written in.

| Erlang | comes in as | goes out from |
|---|---|---|
| integer, float | int, float | int, float (nan and the infinities are refused) |
| `true`, `false`, `undefined` | True, False, None | the same |
| other atoms | Atom (a str) | Atom; text never becomes an atom |
| binary | str if it is UTF-8, else bytes; bytes always with BINARY_AS_BYTES | bytes; str with STR_AS_BINARY |
| `{bytes, Binary}` | bytes, always | |
| list, string | list | list; str (its code points; "" is []) |
| tuple | tuple | tuple |
| map | dict, or Map where a dict would confuse its keys | dict with DICT_AS_MAP |
| `{"dict", [{K, V}]}` and the rest of the dict family | dict, OrderedDict, ... | the same, by default |
| `{"date", {Y, M, D}}`, datetime, time, timedelta | the same of module datetime | the same |
| improper list, bit string | ImproperList, BitString | the same |
| pid, reference, port, fun | Opaque | Opaque, byte for byte |
| `{py_handle, Token, TypeName}` | what `handle` makes of it | tokens.Handle |

A charlist among the keys of a map or dict comes in as text. Terms are read and written without recursion, in linear
time, and within the limits; what a peer sends raises RemoteProtocolError or nothing.

The parts: `etf_terms` (the classes), `etf_decode`, `etf_encode`, `etf_runs` (numbers in bulk), `etf_skip` (where a term
ends), `etf_rare` (tags seldom met), `etf_keys` (keys that Erlang takes for one), `etf_tagged` (dates and dicts),
`etf_compressed`, `etf_where` (what could not be encoded, and where it stands).
"""

from __future__ import annotations

from bascule.protocols.calls import Style
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.etf_compressed import inflate
from bascule.protocols.etf_decode import loader, loads
from bascule.protocols.etf_encode import dumps
from bascule.protocols.etf_keys import Raw
from bascule.protocols.etf_tagged import as_pair, date_tuple, dict_name
from bascule.protocols.etf_terms import Atom, BitString, Fun, ImproperList, Map, Opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

__all__ = [
    "Atom",
    "BitString",
    "Fun",
    "ImproperList",
    "Map",
    "Opaque",
    "date_tuple",
    "dict_name",
    "dumps",
    "dumps_error",
    "error_term",
    "inflate",
    "keywords",
    "loader",
    "loads",
    "text",
]

_CONSTANTS: Final = {True: "true", False: "false", None: "undefined"}
_ERROR_STYLE: Final = int(Style.STR_AS_BINARY | Style.DICT_AS_MAP)
_ERROR_KEYS: Final = {
    name: Atom(name)
    for name in (
        "kind",
        "class",
        "module",
        "message",
        "traceback",
        "frames",
        "notes",
        "cause",
        "worker",
        "call",
        "elapsed_ms",
        "details",
        "file",
        "line",
        "function",
        "text",
        "signal",
        "exit_code",
        "offender",
        "limit",
    )
}
_KINDS: Final = {str(kind): Atom(str(kind)) for kind in ErrorKind}
_CAUSES: Final = 64
_LONGEST_INTEGER: Final = 64  # bits, in an error map


def text(term: object) -> str:
    """The text that a binary, a charlist or an atom is.

    Raises:
        RemoteProtocolError: It is none.
    """
    if isinstance(term, str):
        return str.__str__(term)
    if term is None or isinstance(term, bool):
        return _CONSTANTS[term]
    try:
        if isinstance(term, bytes):
            return term.decode()
        if type(term) is list and all(type(point) is int for point in term):
            return "".join(map(chr, term))
    except (ValueError, OverflowError):
        pass
    raise RemoteProtocolError(f"a text is a binary in UTF-8, a charlist or an atom, not {_short(term)}")


def keywords(term: object) -> dict[str, object]:
    """Keyword arguments as Erlang gives them: a proplist or a map, its keys atoms, binaries or charlists.

    A bare atom in the list stands for `{Atom, true}`.

    Raises:
        RemoteProtocolError: It is neither, or a keyword is given twice.
    """
    if isinstance(term, (dict, Map)):
        pairs = list(term.items())
    elif type(term) is list:
        pairs = [_pair(element) for element in term]
    else:
        raise RemoteProtocolError(f"keyword arguments are a proplist or a map, not {_short(term)}")
    found: dict[str, object] = {}
    for key, value in pairs:
        try:
            name = text(key)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"the keyword {_short(key)}: {error}") from None
        if name in found:
            raise RemoteProtocolError(f"the keyword {name!r} is given twice")
        found[name] = value
    return found


def _pair(element: object) -> tuple[object, object]:
    """One element of a proplist."""
    if isinstance(element, Atom):
        return element, True
    if type(element) is bytes:  # {bytes, <<...>>}
        return "bytes", element
    pair = as_pair(element)
    if pair is None:
        raise RemoteProtocolError(f"a keyword argument is {{Name, Value}}, not {_short(element)}")
    return pair


def dumps_error(error: Mapping[str, object]) -> bytes:
    """An error map as a term: its keys and kind are atoms of a fixed set, its texts binaries. It never fails.

    A key outside the set becomes a binary; a value without a form in Erlang becomes the text that `repr` has for it.
    """
    return dumps(_error_map(error), default=_shown, style=_ERROR_STYLE)


def error_term(error: Mapping[str, object]) -> Raw:
    """An error map as part of another term, written in its own style."""
    return Raw(dumps_error(error)[1:])


def _error_map(error: Mapping[str, object]) -> dict[object, object]:
    """The map with atoms for keys, and its chain of causes (as long as is sensible), from the innermost out."""
    chain = [error]
    while len(chain) < _CAUSES and isinstance(chain[-1].get("cause"), dict):
        chain.append(chain[-1]["cause"])  # type: ignore[arg-type]
    made: dict[object, object] | None = None
    for link in reversed(chain):
        outer: dict[object, object] = {}
        for key, value in link.items():
            if key == "kind":
                plain: object = _KINDS.get(str(value)) or _printable(str(value))
            elif key == "cause":
                plain = made
            else:
                plain = _error_value(value)
            outer[_ERROR_KEYS.get(key, _printable(key))] = plain
        made = outer
    return made or {}


def _error_value(value: object, depth: int = 4) -> object:
    """A value in a form that always encodes. Frames are maps in a list in the map: nothing nests deeper than this."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, float):
        return value if value - value == 0.0 else repr(value)
    if isinstance(value, int) and type(value) is not bool:
        return int(value) if value.bit_length() <= _LONGEST_INTEGER else _shown(value)
    if not depth:
        return _shown(value)
    if isinstance(value, dict):
        return {
            _ERROR_KEYS.get(key, _printable(key)) if isinstance(key, str) else _shown(key): _error_value(
                item, depth - 1
            )
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_error_value(item, depth - 1) for item in value]
    return value


def _printable(value: str) -> str:
    """The text, escaped where UTF-8 has no room for it."""
    return value.encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    try:
        return _printable(repr(value))
    except Exception:  # a __repr__ of the user's
        return f"<{type(value).__name__}>"


def _short(term: object) -> str:
    """A term for a message: its type, and itself where it is small."""
    written = repr(term) if isinstance(term, (int, float, str, bytes, Opaque)) else ""
    return f"{type(term).__name__} {written}" if 0 < len(written) <= 60 else type(term).__name__
