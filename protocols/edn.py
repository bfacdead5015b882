r"""Values as EDN, the data that Clojure programs are made of.

| Python | EDN |
|---|---|
| None, bool, int, str | `nil`, `true`, `12`, `"text"` |
| float | `1.5`; nan and the infinities are `##NaN`, `##Inf`, `##-Inf` |
| list, tuple | vector (a list `(1 2)` is read as a list too) |
| dict | map; what was a keyword goes back as one |
| set, frozenset | set |
| Decimal, UUID | `1.5M`, `#uuid "..."` |
| datetime with an offset | `#inst "..."`, in UTC and to the millisecond, which is all that Java's Date holds |
| bytes, date, timedelta, complex ... | `#py/bytes "base64"`, `#py/date "2024-02-29"`: protocols.tagged has them all |
| a handle | `#py/handle {:token "..." :type "..."}` |

Keywords and symbols are read as text that remembers what it was (protocols.clojure). Characters are texts of one,
ratios fractions; metadata is not kept.

What is written is ASCII. A Clojure reader throws on a set or a map in which two elements are equal *to it*, and a pod's
client does not survive that: where two elements look alike as text (nan twice, two moments in one millisecond), the
whole is written as `#py/set [...]` or `#py/dict [[k v] ...]`.

Only who speaks EDN imports this module.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from bascule.protocols.clojure import Keyword, Symbol, error_term
from bascule.protocols.edn_write import MAX_DEPTH, NUMBER_LIKE, dumps, dumps_error, quote
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.packed import HandleFailed, keywords
from bascule.protocols.tagged import READERS, read_tagged
from bascule.protocols.tokens import TOKEN_LENGTH, Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Resolve = Callable[[str, str], object]

__all__ = ["MAX_DEPTH", "dumps", "dumps_error", "error_term", "keywords", "loads", "quote", "read_one"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

# White space and comments, then one token: a text, a character, a bracket, a dispatch, or what reaches to the next of
# these. No alternative can begin where another one does, so a match takes linear time.
_TOKEN: Final = re.compile(
    r"[\s,]*(?:;[^\n]*(?:\n|\Z)[\s,]*)*"
    r'("[^"\\]*(?:\\.[^"\\]*)*"'
    r"|\\(?:[A-Za-z0-9]+|.)"
    r"|[\[\](){}^]"
    r"|#(?:\{|_|##?[^\s,;\"\[\](){}\\]*|[^\s,;\"\[\](){}\\#]+)"
    r"|[^\s,;\"\[\](){}\\^#][^\s,;\"\[\](){}\\^]*"
    r"|\Z)",
    re.DOTALL,
)
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)N?")
_FLOAT: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?M?")
_RATIO: Final = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[0-7]{1,3}|.)", re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
_CHARACTERS: Final = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r", "backspace": "\b", "formfeed": "\f"}
_SPECIAL: Final = {"##NaN": float("nan"), "##Inf": float("inf"), "##-Inf": float("-inf")}
_WORDS: Final[dict[str, Any]] = {"nil": None, "true": True, "false": False}
_CLOSING: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_NOTHING: Final = object()  # what a discarded form gives


def loads(data: bytes, *, handle: Resolve | None = None, style: int = 0) -> Any:
    """The value of one EDN form in UTF-8, told as every codec's; there is no choice of style.

    Raises:
        RemoteProtocolError: `data` is malformed, or over a limit.
    """
    try:
        reader = _Reader(data.decode(), 0, handle)
        value = reader.form(0)
        reader.expect_end()
        return value
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"EDN is malformed: not UTF-8 at byte {error.start}") from None
    except HandleFailed as failed:
        raise failed.error from None
    except _Malformed as error:
        raise RemoteProtocolError(f"EDN is malformed at character {reader.at}: {error}") from None
    except RecursionError:
        raise RemoteProtocolError("EDN is malformed: nested too deep") from None


def read_one(text: str, at: int) -> tuple[Any, int]:
    """The form that begins at `at`, and where it ends.

    Raises:
        RemoteProtocolError: There is none.
    """
    reader = _Reader(text, at, None)
    try:
        return reader.form(0), reader.at
    except _Malformed as error:
        raise RemoteProtocolError(f"EDN is malformed at character {reader.at}: {error}") from None


class _Malformed(Exception):
    """Why the text can't be read."""


class _Reader:
    """Reads forms from a text, one after the other."""

    __slots__ = ("_resolve", "_text", "at")

    def __init__(self, text: str, at: int, resolve: Resolve | None) -> None:
        self._text = text
        self.at = at
        self._resolve = resolve

    def form(self, depth: int) -> Any:
        """The next one."""
        while True:
            token = self._token()
            if token in _CLOSES:
                raise _Malformed(f"{token} closes nothing")
            value = self._read(token, depth)
            if value is not _NOTHING:
                return value

    def expect_end(self) -> None:
        """Nothing but white space and discarded forms may be left."""
        while (token := self._token(at_end=True)) == "#_":
            self.form(1)
        if token:
            raise _Malformed(f"{token[:20]!r} stands after the end of the value")

    def _token(self, *, at_end: bool = False) -> str:
        match = _TOKEN.match(self._text, self.at)
        if match is None:
            raise _Malformed(f"{self._text[self.at : self.at + 20]!r} begins nothing that EDN has")
        self.at = match.end()
        token = match[1]
        if not token and not at_end:
            raise _Malformed("it ends within a value")
        return token

    def _read(self, token: str, depth: int) -> Any:
        first = token[0]
        if first == '"':
            return _text(token)
        if first in "[({":
            return self._container(token, depth + 1)
        if first == "#":
            return self._dispatch(token, depth + 1)
        if first == ":":
            if len(token) < 2 or token[1] == ":":
                raise _Malformed(f"{token} is no keyword")
            return Keyword(token[1:])
        if first == "\\":
            return _character(token[1:])
        if token in _WORDS:
            return _WORDS[token]
        if NUMBER_LIKE.match(token):
            return _number(token)
        if first == "^":  # metadata: it is not kept
            self.form(_deeper(depth + 1))
            return self.form(_deeper(depth + 1))
        if first in "'`~@":
            raise _Malformed(f"{token[:40]} is code, not data")
        return Symbol(token)

    def _container(self, opening: str, depth: int) -> Any:
        closing = _CLOSING[opening]
        elements: list[Any] = []
        _deeper(depth)
        while (token := self._token()) != closing:
            if token in _CLOSES:
                raise _Malformed(f"{token} where {closing} is awaited")
            value = self._read(token, depth)
            if value is not _NOTHING:
                elements.append(value)
        if opening == "{":
            return _dict(elements)
        return _set(elements) if opening == "#{" else elements

    def _dispatch(self, token: str, depth: int) -> Any:
        if token == "#{":
            return self._container(token, depth)
        if token == "#_":
            self.form(_deeper(depth))
            return _NOTHING
        if token in _SPECIAL:
            return _SPECIAL[token]
        tag = token[1:]
        if tag == "object":  # as Clojure prints a function, an atom, whatever has no reader
            raise _Malformed("#object stands for something in the client's program: give a function through py/calling")
        if tag[0] == "'":
            raise _Malformed(f"{token[:40]} is code, not data")
        body = self.form(_deeper(depth))
        if tag[0] == ":":
            return _in_namespace(tag[1:], body)
        if tag == "inst":
            return _moment(body)
        if tag == "py/handle":
            return self._handle(body)
        try:
            if tag in READERS:
                return read_tagged(tag, body)
            if tag == "uuid":
                return read_tagged("py/uuid", body)
        except ValueError as error:
            raise _Malformed(str(error)) from None
        raise _Malformed(f"the tag #{tag[:40]} is not known")

    def _handle(self, body: Any) -> Any:
        token = body.get("token") if type(body) is dict else None
        name = body.get("type", "") if type(body) is dict else None
        if not isinstance(token, str) or not isinstance(name, str):
            raise _Malformed('a handle is #py/handle {:token "..." :type "..."}')
        return resolve_handle(token, name, self._resolve)


def resolve_handle(token: str, name: str, resolve: Resolve | None) -> Any:
    """What a handle in a payload means.

    Raises:
        HandleFailed: Around what `resolve` raised.
    """
    if len(token) != TOKEN_LENGTH or not (token.isascii() and token.isalnum()):
        raise _Malformed(f"a token is {TOKEN_LENGTH} letters and digits")
    if resolve is None:
        return Handle(str(token), str(name))
    try:
        return resolve(str(token), str(name))
    except Exception as error:
        raise HandleFailed(error) from None


_CLOSES: Final = frozenset("])}")


def _deeper(depth: int) -> int:
    if depth > MAX_DEPTH:
        raise _Malformed(f"nested deeper than {MAX_DEPTH}")
    return depth


def _text(token: str) -> str:
    inner = token[1:-1]
    if "\\" not in inner:
        return inner
    text = _ESCAPE.sub(_unescape, inner)
    if _SURROGATE.search(text):  # Java's strings are UTF-16: two of them are one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def _unescape(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _ESCAPED:
        return _ESCAPED[escape]
    if escape[0] == "u" and len(escape) == 5:
        return chr(int(escape[1:], 16))
    if escape[0] in "01234567":
        return chr(int(escape, 8))
    raise _Malformed(f"\\{escape} is no escape in a text")


def _character(name: str) -> str:
    if len(name) == 1:
        return name
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if re.fullmatch("u[0-9a-fA-F]{4}", name):
        return chr(int(name[1:], 16))
    if re.fullmatch("o[0-3]?[0-7]{1,2}", name):
        return chr(int(name[1:], 8))
    raise _Malformed(f"\\{name[:20]} is no character")


def _number(token: str) -> Any:
    try:
        if _INTEGER.fullmatch(token):
            return int(token[:-1] if token[-1] == "N" else token)
        if _FLOAT.fullmatch(token):
            if token[-1] == "M":
                from decimal import Decimal

                return Decimal(token[:-1])
            return float(token)
        ratio = _RATIO.fullmatch(token)
        if ratio:
            from fractions import Fraction

            return Fraction(int(ratio[1]), int(ratio[2]))
    except (ValueError, ArithmeticError) as error:  # more digits than Python converts, or a ratio by zero
        raise _Malformed(f"{token[:20]}: {error}") from None
    raise _Malformed(f"{token[:40]} is no number")


def _dict(elements: list[Any]) -> dict[Any, Any]:
    if len(elements) % 2:
        raise _Malformed("a map has a key without a value")
    made: dict[Any, Any] = {}
    for at in range(0, len(elements), 2):
        key = hashable(elements[at])
        if key in made:
            raise _Malformed(f"two keys of a map are one in Python: {key!r:.40}")
        made[key] = elements[at + 1]
    return made


def _in_namespace(namespace: str, body: Any) -> dict[Any, Any]:
    """`#:ns{:a 1 :_/b 2}`, as Clojure prints a map whose keys are all of one namespace."""
    if type(body) is not dict or not namespace:
        raise _Malformed(f"#:{namespace[:40]} stands before a map")
    made: dict[Any, Any] = {}
    for key, value in body.items():
        kind = type(key)
        if kind is Keyword or kind is Symbol:
            space, slash, name = key.partition("/")
            key = kind(f"{namespace}/{key}") if not slash else kind(name) if space == "_" else key
        made[key] = value
    return made


def _set(elements: list[Any]) -> set[Any]:
    made = {hashable(each) for each in elements}
    if len(made) != len(elements):
        raise _Malformed("two elements of a set are one in Python")
    return made


def hashable(value: Any) -> Any:
    """A key or a set's element: vectors become tuples, sets frozen sets."""
    if type(value) is list:
        return tuple([hashable(each) for each in value])
    if type(value) is set:
        return frozenset(value)
    try:
        hash(value)
    except TypeError:
        raise _Malformed(f"a {type(value).__name__} can be neither a key nor in a set in Python") from None
    return value


def _moment(text: Any) -> datetime:
    """`#inst`: a date, and as much of a time as was written; without an offset it is in UTC."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _Malformed(f"#inst {text!r:.60} is no moment")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micros = int(((fraction or "") + "000000")[:6])
    zone = timezone.utc
    if offset and offset not in ("Z", "-00:00", "+00:00"):
        minutes = int(offset[1:3]) * 60 + int(offset[4:6])
        zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)) if minutes else zone
    try:
        return datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), micros, zone
        )
    except ValueError as error:
        raise _Malformed(f"#inst {text[:60]!r}: {error}") from None


_INSTANT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?(Z|[+-]\d\d:\d\d)?"
)
