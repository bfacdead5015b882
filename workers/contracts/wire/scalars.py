"""Numbers, and the builtin types that no format has: bytes, instants, spans, UUIDs, decimal numbers, keys."""

from __future__ import annotations

import base64
import sys
from typing import Any

from .errors import Mismatch, mismatch

BITS = {"Int32": 31, "Int64": 63}
_BIGGEST = sys.float_info.max


def as_double(value: Any) -> float:
    """A number as a Double: an integer will do, a boolean or what has no end will not."""
    if type(value) is int:
        return float(value)
    if type(value) is float and -_BIGGEST <= value <= _BIGGEST:
        return value
    raise Mismatch


def read_bytes(wire: Any) -> bytes:
    """Bytes travel as base64."""
    if type(wire) is not str:
        raise Mismatch
    return base64.b64decode(wire.encode("ascii"), validate=True)


def write_bytes(value: Any) -> str:
    """Bytes as base64."""
    return base64.b64encode(value).decode("ascii")


def read_timestamp(wire: Any) -> Any:
    """An instant, in UTC: `2024-02-29T12:30:00.000001Z`.

    One form and no other, on every Python: `fromisoformat` takes more with each version. Others may write the fraction
    with more or fewer digits than six, but a part of a microsecond would be lost.
    """
    from datetime import datetime

    if type(wire) is not str or len(wire) < 20 or wire[-1] != "Z" or not wire.isascii():
        raise Mismatch
    point, fraction = wire[19:20], wire[20:-1]
    if wire[4] + wire[7] + wire[10] + wire[13] + wire[16] != "--T::" or (point == ".") != fraction.isdigit():
        raise Mismatch
    if len(fraction) > 9 or fraction[6:].strip("0"):
        raise Mismatch
    if not (wire[:4] + wire[5:7] + wire[8:10] + wire[11:13] + wire[14:16] + wire[17:19]).isdigit():
        raise Mismatch
    return datetime.fromisoformat(f"{wire[:19]}.{fraction[:6].ljust(6, '0')}+00:00")


def write_timestamp(value: Any) -> str:
    """An instant as text; it must say its zone."""
    offset = value.utcoffset()
    if offset is None:
        raise Mismatch
    text: str = (value.replace(tzinfo=None) - offset).isoformat()
    return text + "Z"


def read_duration(wire: Any) -> Any:
    """A time span travels as whole microseconds."""
    from datetime import timedelta

    if type(wire) is not int:
        raise Mismatch
    return timedelta(microseconds=wire)


def write_duration(value: Any) -> int:
    """A time span as microseconds."""
    from datetime import timedelta

    if not isinstance(value, timedelta):
        raise Mismatch
    return (int(value.days) * 86_400 + int(value.seconds)) * 1_000_000 + int(value.microseconds)


def read_uuid(wire: Any) -> Any:
    """A UUID travels as its usual text."""
    from uuid import UUID

    if type(wire) is not str:
        raise Mismatch
    value = UUID(wire)
    return value if str(value) == wire.lower() else mismatch()


def write_uuid(value: Any) -> str:
    """A UUID as text."""
    from uuid import UUID

    return str(value) if isinstance(value, UUID) else mismatch()


def read_decimal(wire: Any) -> Any:
    """A decimal number travels as text, digit by digit."""
    from decimal import Decimal, InvalidOperation

    if type(wire) is not str or not wire.isascii() or "_" in wire or wire != wire.strip():
        raise Mismatch  # what Python alone takes for a number
    try:
        value = Decimal(wire)
    except InvalidOperation:
        raise Mismatch from None
    return value if value.is_finite() else mismatch()


def write_decimal(value: Any) -> str:
    """A decimal number as text."""
    from decimal import Decimal

    return str(value) if isinstance(value, Decimal) and value.is_finite() else mismatch()


def key_to_wire(value: Any) -> str:
    """A key of a Map: text, since that is what a key is in every format."""
    return value if type(value) is str else str(value)


def int_key(wire: Any, bits: int = 0) -> int:
    """An integer key of a Map; 0 bits: of any size."""
    value = int(wire)
    if str(value) != wire or (bits and not -(1 << bits) <= value < 1 << bits):
        raise Mismatch
    return value
