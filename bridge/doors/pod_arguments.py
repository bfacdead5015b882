"""A pod call's arguments: text that is passed on to the worker, looked into as little as possible.

The text of an exported function's call is not decoded here: `[1,2]` becomes the payload `[[1,2]]`. Two things make the
door look:

- keywords: a last argument `{"py/kwargs": {...}}`. It can be told from the bytes alone. In valid JSON, `{"py/kwargs":`
  with a bare quote never stands inside a string, and if what follows it up to `}]` at the end of the text is one whole
  JSON value, then exactly the array is open before it. So only that value is decoded.
- the functions of the namespace `py`, which take a name or a handle first. `Arguments` decodes the first ones, each
  within a window, and hands over the rest as it is. EDN and transit have their own; their keywords are for the worker.
"""

from __future__ import annotations

from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.tokens import TOKEN_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

WINDOW: Final = 1 << 16  # bytes of one argument that the door decodes; a name or a handle is much smaller
MOST_KEYWORDS: Final = 1 << 24  # bytes of keywords, which are decoded here to find their end
_SPACE: Final = b" \t\r\n"
_HANDLE: Final = "py/handle"
_KEYWORDS: Final = b'py/kwargs"'
_KEYWORDS_ESCAPED: Final = b'py\\/kwargs"'  # some writers escape the slash
_MOST_MARKS: Final = 64  # places where keywords could begin that are looked at
_NOTHING: Final = (b"", b"null", b"nil")
_EDN_SPACE: Final = b" ,\t\r\n"
_TRANSIT_NOTHING: Final = b'["~#\'",null]'


class BadArguments(ValueError):
    """What a client gave does not fit; the message is for its user."""


def split(args: bytes) -> tuple[bytes, bytes]:
    """The positional arguments, without their brackets, and the keywords as a JSON object (empty: none).

    Raises:
        BadArguments: The text is no array.
    """
    text = args.strip(_SPACE)
    if text in _NOTHING:
        return b"", b""
    if text[:1] != b"[" or text[-1:] != b"]":
        raise BadArguments(f"the arguments of a call are a JSON array (or null), not {_shown(text)}")
    positional = text[1:-1]
    if _KEYWORDS in positional or _KEYWORDS_ESCAPED in positional:
        return _split_keywords(positional)
    return positional, b""


def payload(positional: bytes, keywords: bytes) -> bytes:
    """`[args]` or `[args, kwargs]`, as a call carries them; nothing for no arguments."""
    if keywords:
        return b"[[%s],%s]" % (positional, keywords)
    return b"[[%s]]" % positional if positional else b""


def _split_keywords(text: bytes) -> tuple[bytes, bytes]:
    """Take the last argument off, if it is an object whose only key is `py/kwargs`."""
    end = text.rstrip(_SPACE)
    if end[-1:] != b"}":
        return text, b""
    at = len(text)
    for _ in range(_MOST_MARKS):  # the keywords may themselves mention it: from the last one back
        at = max(text.rfind(_KEYWORDS, 0, at), text.rfind(_KEYWORDS_ESCAPED, 0, at))
        if at < 0:
            break
        before = _before_object(text[:at])
        after = end[text.index(b'"', at) + 1 : -1].strip(_SPACE)
        if before is None or after[:1] != b":":
            continue
        if len(after) > MOST_KEYWORDS:
            raise BadArguments(
                f"py/kwargs holds {len(after)} bytes, over {MOST_KEYWORDS}: give large values by position"
            )
        keywords = _load(after[1:])
        if keywords is _BROKEN:
            continue
        if not isinstance(keywords, dict):
            raise BadArguments(f"py/kwargs must hold a map of keywords, not {_shown(after[1:])}")
        return before, _with_python_names(keywords, after[1:])
    return text, b""


def _before_object(text: bytes) -> bytes | None:
    """The arguments before the one that `text` ends within, at its first key's quote; None when it does not."""
    for opening in (b'"', b"{"):
        text = text.rstrip(_SPACE)
        if text[-1:] != opening:
            return None
        text = text[:-1]
    text = text.rstrip(_SPACE)
    return None if text and text[-1:] != b"," else text[:-1]


def _with_python_names(keywords: dict[str, Any], text: bytes) -> bytes:
    """`:sort-keys` is `sort_keys`; where nothing is to be renamed, the text as it came."""
    if not any("-" in key for key in keywords):
        return text
    import json

    return json.dumps({key.replace("-", "_"): value for key, value in keywords.items()}).encode()


class Arguments:
    """The positional arguments of a call, one after the other, in JSON. Other formats have subclasses."""

    __slots__ = ("_at", "_keywords", "_text")

    def __init__(self, args: bytes) -> None:
        self._text, self._keywords = self._take_apart(args)
        self._at = 0
        self._skip_separators()

    @property
    def left(self) -> bool:
        """Whether there is another one."""
        return self._at < len(self._text)

    def next_is_text(self) -> bool:
        """Whether the next one is a text."""
        return self._text[self._at : self._at + 1] == b'"'

    def text(self, what: str) -> str:
        """The next one, which must be a text.

        Raises:
            BadArguments: It is missing, or none.
        """
        if not self.left:
            raise BadArguments(f"{what} is missing")
        at = self._at
        value = self._as_text(self._next(what)[0])
        if value is None:
            raise BadArguments(f"{what} must be text, not {_shown(self._text[at:])}")
        return value

    def text_and_raw(self, what: str) -> tuple[str, bytes]:
        """The next one, which must be a text, and how it was written.

        Raises:
            BadArguments: It is missing, or none.
        """
        at = self._at
        text = self.text(what)
        return text, self._text[at : self._at].rstrip(b", \t\r\n")

    def number(self, what: str) -> float:
        """The next one, which must be a number.

        Raises:
            BadArguments: It is missing, or none.
        """
        at = self._at
        value = self._next(what)[0] if self.left else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadArguments(f"{what} must be a number, not {_shown(self._text[at:])}")
        return value

    def handle(self) -> bytes:
        """The token of the next one if it is a handle, which is then taken; else empty, and nothing is taken."""
        at = self._at
        if not self._text.startswith(self._handle_begins, at):
            return b""
        try:
            token = self._token(self._next("a handle")[0])
        except BadArguments:
            token = None
        if isinstance(token, str) and len(token) == TOKEN_LENGTH and token.isascii():
            return token.encode()
        self._at = at
        return b""

    def raw(self, what: str) -> bytes:
        """The next one as it came.

        Raises:
            BadArguments: It is missing, too large, or unreadable.
        """
        if not self.left:
            raise BadArguments(f"{what} is missing")
        return self._next(what)[1]

    def payload(self, first: bytes = b"") -> bytes:
        """All that are left, as a call carries them; `first`, where it is given, before them."""
        return payload(b",".join([part for part in (first, self._text[self._at :]) if part]), self._keywords)

    def tail(self) -> bytes:
        """All that are left, as a client gives them."""
        rest = self._text[self._at :]
        if self._keywords:
            rest = b",".join([part for part in (rest, b'{"py/kwargs":%b}' % self._keywords) if part])
        return b"[%b]" % rest

    # What the formats do each in their own way.

    _format = "JSON"
    _handle_begins = b"{"

    def _take_apart(self, args: bytes) -> tuple[bytes, bytes]:
        return split(args)

    def _as_text(self, value: object) -> str | None:
        return value if isinstance(value, str) else None

    def _token(self, value: Any) -> object:
        return value.get(_HANDLE) if isinstance(value, dict) else None

    def _decode(self, window: str) -> tuple[Any, int]:
        from json import JSONDecoder

        return JSONDecoder().raw_decode(window)

    def _next(self, what: str) -> tuple[Any, bytes]:
        """Decode the next argument, within the window; its value and its text."""
        window = self._text[self._at : self._at + WINDOW].decode("utf-8", "surrogateescape")
        try:
            value, length = self._decode(window)
        except (ValueError, RecursionError, RemoteProtocolError):
            if len(self._text) - self._at > WINDOW:
                raise BadArguments(
                    f"{what} is longer than {WINDOW} bytes, or no {self._format}: make a large object in Python first "
                    "and give its handle"
                ) from None
            raise BadArguments(f"{what} is no {self._format}: {_shown(self._text[self._at :])}") from None
        raw = window[:length].encode("utf-8", "surrogateescape")
        self._at += len(raw)
        self._skip_space()
        if self.left:
            self._expect_separator()
            self._skip_separators()
        return value, raw

    def _expect_separator(self) -> None:
        if self._text[self._at : self._at + 1] != b",":
            raise BadArguments(f"between arguments stands a comma, not {_shown(self._text[self._at :])}")
        self._at += 1

    def _skip_separators(self) -> None:
        self._skip_space()

    def _skip_space(self) -> None:
        text = self._text
        while self._at < len(text) and text[self._at] in _SPACE:
            self._at += 1


class EdnArguments(Arguments):
    """The same in EDN, where commas are white space and keywords are pairs at the end, which the worker takes apart."""

    __slots__ = ()
    _format = "EDN"
    _handle_begins = b"#py/handle"

    def _take_apart(self, args: bytes) -> tuple[bytes, bytes]:
        text = args.strip(_EDN_SPACE)
        if text in _NOTHING:
            return b"", b""
        if text[:1] + text[-1:] not in (b"[]", b"()"):
            raise BadArguments(f"the arguments of a call are an EDN vector or list (or nil), not {_shown(text)}")
        return text[1:-1].strip(_EDN_SPACE), b""

    def payload(self, first: bytes = b"") -> bytes:
        """All that are left, as a call carries them."""
        return b"[[%b %b]]" % (first, self._text[self._at :])

    def tail(self) -> bytes:
        """All that are left, as a client gives them."""
        return b"[%b]" % self._text[self._at :]

    def _as_text(self, value: object) -> str | None:
        return str(value) if isinstance(value, str) else None  # a keyword or a symbol will do

    def _token(self, value: Any) -> object:
        return getattr(value, "token", None)

    def _decode(self, window: str) -> tuple[Any, int]:
        from bascule.protocols.edn import read_one

        return read_one(window, 0)

    def _expect_separator(self) -> None:
        """Any delimiter will do, and what is read next begins with one, or with white space."""

    def _skip_separators(self) -> None:
        text = self._text
        while self._at < len(text) and text[self._at] in _EDN_SPACE:
            self._at += 1


class TransitArguments(Arguments):
    """The same in transit+json. Only plain texts may be taken out: all else is numbered, and referred to by number."""

    __slots__ = ("_after", "_before")
    _format = "transit+json"
    _handle_begins = b"\0"  # a handle stays where it is: the router finds its token in the payload

    def _take_apart(self, args: bytes) -> tuple[bytes, bytes]:
        text = args.strip(_SPACE)
        self._before, self._after = b"[", b"]"
        if text in _NOTHING or text.replace(b" ", b"") == _TRANSIT_NOTHING:
            return b"", b""
        begin = text.find(b"[", 1)
        if text[:9] == b'["~#list"' and text[9:begin].strip(_SPACE) == b",":
            self._before, inner, self._after = text[: begin + 1], text[begin + 1 : -1].rstrip(_SPACE)[:-1], b"]]"
            if text[-1:] == b"]" and text[:-1].rstrip(_SPACE)[-1:] == b"]":
                return inner, b""
        elif text[:1] == b"[" and text[-1:] == b"]":
            return text[1:-1], b""
        raise BadArguments(f"the arguments of a call are a transit array or list (or null), not {_shown(text)}")

    def payload(self, first: bytes = b"") -> bytes:
        """All that are left, as a call carries them."""
        rest = b",".join([part for part in (first, self._text[self._at :]) if part])
        return b"[%b%b%b]" % (self._before, rest, self._after)

    def tail(self) -> bytes:
        """All that are left, as a client gives them."""
        return b"%b%b%b" % (self._before, self._text[self._at :], self._after)

    def _as_text(self, value: object) -> str | None:
        if not isinstance(value, str) or value[:1] == "^":
            return None
        if value[:1] == "~":
            return value[1:] if value[1:2] in ("~", "^", "`") else None
        return value


_BROKEN: Final = object()


def _load(text: bytes) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _BROKEN


def _shown(text: bytes) -> str:
    short = text[:60].decode("utf-8", "replace")
    return f"{short}..." if len(text) > 60 else short
