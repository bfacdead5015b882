"""Types, paths and wrong values, as people are told of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import EncodeError
from .json_text import Huge, Twice

if TYPE_CHECKING:
    from .definitions import Kind

    Path = tuple[str | int, ...]

_SHOWN = 60  # characters of a wrong value that an error shows


def name_of(kind: Kind) -> str:
    """A type as people write it."""
    if isinstance(kind, str):
        return kind.rpartition(".")[2]
    parts = [name_of(each) if isinstance(each, str) else f"({name_of(each)})" for each in kind[1:]]
    return " ".join([kind[0].partition(" ")[0], *parts])


def path_text(path: Path) -> str:
    """`("books", 3, "price")` -> `books[3].price`; the middle of a long one is left out."""
    if len(path) > 20:
        return path_text(path[:8]) + "..." + path_text(path[-4:])
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def show(value: Any) -> str:
    """A wrong value, for people: short, and on one line."""
    if isinstance(value, Huge):
        return f"a number of {value.digits} digits"
    if isinstance(value, Twice):
        return f"an object that has {json.dumps(value.key)} twice"
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        what = {dict: "an object", list: "a list"}.get(type(value), f"a {type(value).__name__}")
        return f"{what} of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shortened = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
        return json.dumps(shortened, ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, (int, float)):
        return repr(value)
    return f"a {type(value).__name__}"


def no(kind: str, value: Any) -> NoReturn:
    """Refuse a value that is to go out."""
    raise EncodeError("", f"expected {kind}, found {show(value)}")


def hint(name: Any, candidates: Any) -> str:
    """`(did you mean ...?)`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(str(name)[:_SHOWN], sorted(candidates), 1)
    return f" (did you mean {close[0]}?)" if close else ""
