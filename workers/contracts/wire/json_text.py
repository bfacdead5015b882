"""Plain values as JSON, and back: strictly, with an object that has a key twice found out."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .errors import DecodeError, EncodeError, WireError

_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def write_json(plain: Any) -> bytes:
    """Plain values as JSON.

    Raises:
        EncodeError: JSON can't have it.
    """
    try:
        return _to_json(plain).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise EncodeError("", f"this is no JSON: {error}") from None


def read_json(text: str | bytes | bytearray) -> Any:
    """JSON as plain values.

    Raises:
        DecodeError: It is none, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except WireError:
        raise
    except RecursionError:
        raise DecodeError("", "this is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise DecodeError("", f"this is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise DecodeError("", f"this is no JSON: {error}") from None
    except ValueError:  # a number of more digits than Python reads
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_number)


class Huge:
    """A number of so many digits that no type has it."""

    def __init__(self, digits: int) -> None:
        self.digits = digits


def _number(text: str) -> Any:
    return int(text) if len(text) < 4000 else Huge(len(text))


def _no_constant(name: str) -> NoReturn:
    raise DecodeError("", f"this is no JSON: {name} is no number there")


class Twice:
    """An object that has a key twice; what reads it finds out where that is."""

    def __init__(self, key: str) -> None:
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen = set()
    for key, _ in pairs:
        if key in seen:
            return Twice(key)
        seen.add(key)
    return found
