"""What Clojure has and Python has not: keywords and symbols; and keyword arguments as Clojure gives them.

A keyword is text to Python (`{:a 1}` is a dict that has `d["a"]`), and still a keyword when it goes back. The same
holds for symbols. Pickled, either is plain text: whoever reads the pickle need not have this module.

A call's keyword arguments come in one of two ways:

    (f 1 2 :third 3)                  pairs at the end: from the first keyword on after which only pairs follow
    (f 1 2 {:py/kwargs {:third 3}})   a last map that holds them: it wins, and makes pairs before it plain values

Names are Python's with `-` for `_`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

KEYWORDS: Final = "py/kwargs"


class Keyword(str):
    """A keyword, without its colon: `Keyword("a") == "a"`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f":{self}"

    def __reduce__(self) -> Any:
        return str, (str(self),)


class Symbol(str):
    """A symbol: `Symbol("inc") == "inc"`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> Any:
        return str, (str(self),)


def split_keywords(args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The positional arguments and the keyword arguments of a call.

    Raises:
        ValueError: A keyword comes twice, or the map of keywords is none.
    """
    last = args[-1] if args else None
    if type(last) is dict and len(last) == 1 and KEYWORDS in last:
        given = last[KEYWORDS]
        if type(given) is not dict:
            raise ValueError(f":{KEYWORDS} holds a map of keywords, not a {type(given).__name__}")
        return args[:-1], _named(list(given.items()))
    start = len(args)
    while start >= 2 and type(args[start - 2]) is Keyword:
        start -= 2
    return args[:start], _named([(args[at], args[at + 1]) for at in range(start, len(args), 2)])


def _named(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise ValueError(f"the name of a keyword argument is a keyword or text, not a {type(key).__name__}")
        name = str(key).replace("-", "_")
        if name in named:
            raise ValueError(f"the keyword argument {name} is given twice")
        named[name] = value
    return named


def error_term(error_map: dict[str, Any]) -> Any:
    """An error map as a part of a value."""
    return with_keyword_keys(error_map)


def with_keyword_keys(value: Any) -> Any:
    """Plain data with keywords for its maps' text keys, as one reads it in Clojure: `(:class (ex-data e))`."""
    if type(value) is dict:
        return {Keyword(key) if type(key) is str else key: with_keyword_keys(inner) for key, inner in value.items()}
    if type(value) is list or type(value) is tuple:
        return [with_keyword_keys(inner) for inner in value]
    return value
