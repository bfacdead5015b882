"""Values written as EDN; see `edn` for what becomes what."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from bascule.protocols.clojure import Keyword, Symbol, with_keyword_keys
from bascule.protocols.errors import LocalProtocolError
from bascule.protocols.tagged import LARGE_INTEGER, MAX_REPLACED, form_of
from bascule.protocols.tokens import Handle

try:  # JSON's escapes are EDN's
    from _json import encode_basestring_ascii as quote
except ImportError:  # not CPython
    from json.encoder import py_encode_basestring_ascii as quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Default = Callable[[Any], Any]

__all__ = ["MAX_DEPTH", "dumps", "dumps_error", "quote"]

MAX_DEPTH: Final = 200  # both ways: Clojure's own reader is recursive too

_NAME: Final = re.compile(
    r"[A-Za-z*!_?$%&=<>+.-][\w*!?$%&=<>+.'#:-]*(?:/[A-Za-z*!_?$%&=<>+.-][\w*!?$%&=<>+.'#-]*)?", re.A
)
_NOT_SYMBOLS: Final = frozenset(("nil", "true", "false"))
NUMBER_LIKE: Final = re.compile(r"[+-]?\d|[+-]?\.\d")


def dumps(value: object, *, default: Default | None = None, style: int = 0) -> bytes:
    """`value` as EDN, told as every codec's (see `protocols`); there is no choice of style.

    Raises:
        TypeError: Something is not carried, and there is no `default`.
        LocalProtocolError: Too deep, or in a circle.
    """
    return _Writer(default).text(value, 0).encode("ascii")


def dumps_error(error_map: dict[str, Any]) -> bytes:
    """An error map as EDN, its keys as keywords; it is plain data."""
    return dumps(with_keyword_keys(error_map), default=str)


class _Writer:
    """Writes one value; `default` is asked for what EDN has no form for."""

    __slots__ = ("_default",)

    def __init__(self, default: Default | None) -> None:
        self._default = default

    def text(self, value: Any, depth: int) -> str:
        kind = type(value)
        for _ in range(MAX_REPLACED):
            plain = _PLAIN.get(kind)
            if plain is not None:
                return plain(value)
            if depth > MAX_DEPTH:
                raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}, or in a circle")
            if kind is list or kind is tuple:
                return f"[{' '.join([self.text(each, depth + 1) for each in value])}]"
            if kind is dict:
                return self._map(value, depth)
            if kind is set or kind is frozenset:
                return self._set(value, depth)
            if kind is Handle:
                return f"#py/handle {{:token {quote(value.token)} :type {quote(value.type_name)}}}"
            written = self._tagged(kind, value, depth)
            if written is not None:
                return written
            if self._default is None:
                raise TypeError(f"EDN does not carry a {kind.__module__}.{kind.__qualname__}")
            value = self._default(value)
            kind = type(value)
        raise TypeError(f"what stands in for an object is not carried either: a {kind.__module__}.{kind.__qualname__}")

    def _map(self, value: dict[Any, Any], depth: int) -> str:
        keys = [self.text(key, depth + 1) for key in value]
        values = [self.text(each, depth + 1) for each in value.values()]
        if len(set(keys)) == len(keys):
            return f"{{{', '.join([f'{key} {each}' for key, each in zip(keys, values)])}}}"
        return f"#py/dict [{' '.join([f'[{key} {each}]' for key, each in zip(keys, values)])}]"

    def _set(self, value: Iterable[Any], depth: int) -> str:
        elements = [self.text(each, depth + 1) for each in value]
        if len(set(elements)) == len(elements):
            return f"#{{{' '.join(elements)}}}"
        return f"#py/set [{' '.join(elements)}]"

    def _tagged(self, kind: type, value: Any, depth: int) -> str | None:
        if kind is datetime and value.tzinfo is not None:
            return _instant(value)
        form = form_of(kind)
        if form is None:
            return None
        tag, body_of = form
        body = list(value) if body_of is None else body_of(value)
        if tag == "py/uuid":
            return f'#uuid "{body}"'
        if tag == "py/decimal" and value.is_finite():
            return f"{body}M"
        return f"#{tag} {self.text(body, depth + 1)}"


def _integer(value: int) -> str:
    return repr(value) if -LARGE_INTEGER < value < LARGE_INTEGER else f'#py/int "{value:#x}"'


def _float(value: float) -> str:
    if value - value != 0.0:  # true of nan and the infinities alone
        return "##NaN" if value != value else "##Inf" if value > 0 else "##-Inf"
    return repr(value)


def _keyword(value: Keyword) -> str:
    return f":{value}" if _NAME.fullmatch(value) else quote(str(value))


def _symbol(value: Symbol) -> str:
    fits = _NAME.fullmatch(value) and value not in _NOT_SYMBOLS and not NUMBER_LIKE.match(value)
    return str(value) if fits else quote(str(value))


def _instant(value: datetime) -> str:
    try:
        moment = value.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:  # year 1 east of Greenwich: in UTC it lies in no year that there is
        return f"#py/datetime {quote(value.isoformat())}"
    return f'#inst "{moment.isoformat(timespec="milliseconds")}-00:00"'


_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    str: quote,
    int: _integer,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "nil",
    float: _float,
    Keyword: _keyword,
    Symbol: _symbol,
}
