"""What an object is, as plain data, cheaply: an operator looks at handles without running what they hold.

`repr` is user code and may be slow or broken; containers are shown by their first elements only, so that a list of ten
million numbers is described as fast as one of ten.
"""

from __future__ import annotations

import sys

from bascule.workers.errors import clean_text
from bascule.workers.objects import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

MAX_REPR: Final = 1000  # characters
_ELEMENTS: Final = 20  # of a container
_DEPTH: Final = 3


def describe(value: object) -> dict[str, Any]:
    """Type, module, repr, length, size and the like.

    `length` and `nbytes` are None for what has none; `size` is the object's own, without what it refers to.
    """
    cls = type(value)
    return {
        "type": clean_text(cls.__qualname__),
        "module": clean_text(cls.__module__),
        "name": type_name(value),
        "repr": short_repr(value),
        "doc": _first_line(getattr(cls, "__doc__", None)),
        "callable": callable(value),
        "iterable": hasattr(cls, "__iter__"),
        "length": _number(value, "__len__"),
        "size": _size(value),
        "nbytes": _nbytes(value),
        "attributes": _count_attributes(value),
        "id": id(value),
    }


def short_repr(value: object, limit: int = MAX_REPR) -> str:
    """`repr(value)`, bounded, and never an exception."""
    from reprlib import Repr

    shortener = Repr()
    shortener.maxlevel = _DEPTH
    for kind in ("tuple", "list", "array", "dict", "set", "frozenset", "deque"):
        setattr(shortener, "max" + kind, _ELEMENTS)
    for kind in ("string", "long", "other"):
        setattr(shortener, "max" + kind, limit)
    try:
        return clean_text(shortener.repr(value), limit)
    except Exception as error:
        return clean_text(f"<{type_name(value)} whose repr raised {type(error).__name__}>", limit)


def _first_line(doc: object) -> str | None:
    return clean_text(doc.strip().partition("\n")[0], MAX_REPR) if isinstance(doc, str) and doc.strip() else None


def _number(value: object, method: str) -> int | None:
    function = getattr(type(value), method, None)
    if function is None:
        return None
    try:
        number = function(value)
    except Exception:
        return None
    return number if type(number) is int else None


def _size(value: object) -> int | None:
    try:
        return sys.getsizeof(value)
    except Exception:
        return None


def _nbytes(value: object) -> int | None:
    """The bytes of an array, where the object says so."""
    try:
        number = getattr(value, "nbytes", None)
        return int(number) if isinstance(number, int) else None
    except Exception:
        return None


def _count_attributes(value: object) -> int | None:
    try:
        return len(dir(value))
    except Exception:
        return None
