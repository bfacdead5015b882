"""A pod call's arguments: JSON text that is passed on to the worker, looked into as little as possible.

The text of an exported function's call is not decoded here: `[1,2]` becomes the payload `[[1,2]]`. Two things make the
door look:

- keywords: a last argument `{"py/kwargs": {...}}`. It can be told from the bytes alone. In valid JSON, `{"py/kwargs":`
  with a bare quote never stands inside a string, and if what follows it up to `}]` at the end of the text is one whole
  JSON value, then exactly the array is open before it. So only that value is decoded.
- the functions of the namespace `py`, which take a name or a handle first. `Arguments` decodes the first ones, each
  within a window, and hands over the rest as it is.
"""

from __future__ import annotations

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
    """The positional arguments of a call, one after the other."""

    __slots__ = ("_at", "_text")

    def __init__(self, positional: bytes) -> None:
        self._text = positional
        self._at = 0
        self._skip_space()

    @property
    def left(self) -> bool:
        """Whether there is another one."""
        return self._at < len(self._text)

    def rest(self) -> bytes:
        """All that are left, as they came."""
        return self._text[self._at :]

    def text(self, what: str) -> str:
        """The next one, which must be a text.

        Raises:
            BadArguments: It is missing, or none.
        """
        if not self.left:
            raise BadArguments(f"{what} is missing")
        value, _ = self._next(what)
        if not isinstance(value, str):
            raise BadArguments(f"{what} must be text, not {_shown(self._text)}")
        return value

    def handle(self) -> bytes:
        """The token of the next one if it is a handle, which is then taken; else empty, and nothing is taken."""
        at = self._at
        if self._text[at : at + 1] != b"{":
            return b""
        try:
            value, _ = self._next("a handle")
        except BadArguments:
            value = None
        token = value.get(_HANDLE) if isinstance(value, dict) else None
        if isinstance(token, str) and len(token) == TOKEN_LENGTH and token.isascii():
            return token.encode()
        self._at = at
        return b""

    def raw(self, what: str) -> bytes:
        """The next one as it came.

        Raises:
            BadArguments: It is missing, too large, or no JSON.
        """
        if not self.left:
            raise BadArguments(f"{what} is missing")
        _, text = self._next(what)
        return text

    def _next(self, what: str) -> tuple[Any, bytes]:
        """Decode the next argument, within the window; its value and its text."""
        from json import JSONDecoder

        window = self._text[self._at : self._at + WINDOW].decode("utf-8", "surrogateescape")
        try:
            value, length = JSONDecoder().raw_decode(window)
        except (ValueError, RecursionError):
            if len(self._text) - self._at > WINDOW:
                raise BadArguments(
                    f"{what} is longer than {WINDOW} bytes, or no JSON: make a large object in Python first "
                    "and give its handle"
                ) from None
            raise BadArguments(f"{what} is no JSON: {_shown(self._text[self._at :])}") from None
        raw = window[:length].encode("utf-8", "surrogateescape")
        self._at += len(raw)
        self._skip_space()
        if self.left:
            if self._text[self._at : self._at + 1] != b",":
                raise BadArguments(f"between arguments stands a comma, not {_shown(self._text[self._at :])}")
            self._at += 1
            self._skip_space()
        return value, raw

    def _skip_space(self) -> None:
        text = self._text
        while self._at < len(text) and text[self._at] in _SPACE:
            self._at += 1


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
