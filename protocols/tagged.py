"""The types that text formats lack, spelled: each by a tag and a plain body. Shared by JSON, EDN and transit.

    JSON {"py/date": "2024-02-29"}      EDN #py/date "2024-02-29"      transit ["~#py/date", "2024-02-29"]

`form_of` gives a value's tag and body, `READERS` has for each tag what makes the value of a body. A body of None for
the form means: the elements. Handles are each format's own business.
"""

from __future__ import annotations

import re
import sys
from binascii import a2b_base64, b2a_base64
from datetime import date, datetime, time, timedelta, timezone

from bascule.protocols import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Optional

    Form = tuple[str, Optional[Callable[[Any], Any]]]

MAX_REPLACED: Final = 8  # times that `default` may replace a replacement
LARGE_INTEGER: Final = 1 << 13_000  # 3,914 digits; Python refuses to convert more than 4,300


def form_of(kind: type) -> Form | None:
    """The tag of a type and the function that makes the body; None for the function: the elements are the body.

    None: the type has no tag.
    """
    form = _FORMS.get(kind)
    if form is None:
        form = _FORMS_BY_NAME.get((kind.__module__, kind.__name__))
        if form is None or getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
            return None
    return form


def read_tagged(tag: str, body: Any) -> Any:
    """What a tagged body stands for.

    Raises:
        ValueError: The body does not fit the tag. A tag that is not in `READERS` is for the caller to refuse.
    """
    try:
        return READERS[tag](body)
    except Exception as error:  # each type's own reader has its own exceptions
        raise ValueError(f"{tag}: {error or type(error).__name__}") from None


def to_base64(data: bytes) -> str:
    """Bytes as base64."""
    return b2a_base64(data, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes that base64 spells.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text):
        raise ValueError("not base64")
    return a2b_base64(text)


def _read_int(text: str) -> int:
    return int(text, 16)  # linear, whatever its length; decimal text would not be


def _read_float(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError('only "nan", "inf" and "-inf" need a tag')
    return float(text)


def _read_dict(pairs: list[Any]) -> dict[Any, Any]:
    return {key: value for key, value in pairs}  # noqa: C416  # dict(pairs) would take other shapes too


def _read_decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(_text(text))


def _read_uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(_text(text))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"text is wanted, not {type(value).__name__}")
    return value


def _read_ellipsis(body: Any) -> Any:
    if body is not None:
        raise ValueError("nothing but null belongs here")
    return ...


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise ValueError(f"an array is wanted, not {type(body).__name__}")
    return body


_FORMS: Final[dict[type, Form]] = {
    bytes: ("py/bytes", to_base64),
    bytearray: ("py/bytearray", to_base64),
    set: ("py/set", None),
    frozenset: ("py/frozenset", None),
    complex: ("py/complex", lambda value: [value.real, value.imag]),
    datetime: ("py/datetime", times.write_datetime),
    date: ("py/date", date.isoformat),
    time: ("py/time", times.write_time),
    timedelta: ("py/timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    timezone: ("py/timezone", times.write_timezone),
    range: ("py/range", lambda value: [value.start, value.stop, value.step]),
    slice: ("py/slice", lambda value: [value.start, value.stop, value.step]),
    type(...): ("py/ellipsis", lambda value: None),
}
"""By exact type: the tag, and what stands under it; None: the elements."""

_FORMS_BY_NAME: Final[dict[tuple[str, str], Form]] = {
    ("decimal", "Decimal"): ("py/decimal", str),
    ("uuid", "UUID"): ("py/uuid", str),
    ("zoneinfo", "ZoneInfo"): ("py/timezone", times.write_timezone),
}
"""Types whose modules are not imported for their sake."""

READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "py/bytes": lambda body: from_base64(_text(body)),
    "py/bytearray": lambda body: bytearray(from_base64(_text(body))),
    "py/set": lambda body: set(_list(body)),
    "py/frozenset": lambda body: frozenset(_list(body)),
    "py/tuple": lambda body: tuple(_list(body)),
    "py/dict": lambda body: _read_dict(_list(body)),
    "py/int": lambda body: _read_int(_text(body)),
    "py/float": lambda body: _read_float(_text(body)),
    "py/complex": lambda body: complex(*_list(body)),
    "py/datetime": lambda body: times.read_datetime(_text(body)),
    "py/date": lambda body: date.fromisoformat(_text(body)),
    "py/time": lambda body: times.read_time(_text(body)),
    "py/timedelta": lambda body: timedelta(*_list(body)),
    "py/timezone": lambda body: times.read_timezone(_text(body)),
    "py/decimal": _read_decimal,
    "py/uuid": _read_uuid,
    "py/range": lambda body: range(*_list(body)),
    "py/slice": lambda body: slice(*_list(body)),
    "py/ellipsis": _read_ellipsis,
}
