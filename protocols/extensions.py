"""What Python's own value types are on the msgpack wire: one extension type each, so that they come back as they were.

This module writes and reads the types that are one piece of data; `packed` does those that hold other values. Every
writer gives the bytes, or None for the rare object that has no such form (an array of Python objects).

No type's module is imported to write: who has a Decimal has imported decimal. A reader imports what it needs.
"""

from __future__ import annotations

import enum
import sys
from datetime import date, datetime, time, timedelta, timezone
from struct import Struct

from bascule.protocols import times
from bascule.protocols.errors import LocalProtocolError
from bascule.protocols.limits import MAX_BIGNUM
from bascule.protocols.tokens import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Writer = Callable[[Any], "tuple[int, bytes] | None"]


class Ext(enum.IntEnum):
    """The codes, and what an extension's bytes are. `[...]` is msgpack again."""

    HANDLE = 1  # the token, 60 ASCII characters, then the type's name
    TUPLE = 2  # [elements]
    SET = 3  # [elements]
    FROZENSET = 4  # [elements]
    INTEGER = 5  # an integer beyond 64 bits, two's complement, big-endian
    COMPLEX = 6  # two big-endian doubles
    BYTEARRAY = 7  # its bytes
    DATETIME = 8  # text, see protocols.times; in UTC it is msgpack's own timestamp, extension -1
    DATE = 9  # ISO text
    TIME = 10  # text, see protocols.times
    TIMEDELTA = 11  # i32 days, u32 seconds, u32 microseconds
    TIMEZONE = 12  # text, see protocols.times
    DECIMAL = 13  # text
    UUID = 14  # 16 bytes
    RANGE = 15  # [start, stop, step]
    SLICE = 16  # [start, stop, step]
    ELLIPSIS = 17  # no bytes
    ARRAY = 18  # see protocols.arrays


TIMESTAMP: Final = -1
_COMPLEX: Final = Struct(">dd")
_TIMEDELTA: Final = Struct(">iII")
_TIMESTAMP: Final = Struct(">Iq")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def find_writer(kind: type) -> Writer | None:
    """The writer for objects of exactly this type; None when no extension carries it."""
    writer = WRITERS.get(kind)
    if writer is None:
        place = (kind.__module__, kind.__name__)
        writer = _WRITERS_BY_NAME.get(place)
        # A class of the user's may bear the name: it must be the one that its module really has.
        if writer is None or getattr(sys.modules.get(place[0]), place[1], None) is not kind:
            return None
        WRITERS[kind] = writer
    return writer


def read(code: int, data: bytes) -> Any:
    """The value of an extension that holds no others.

    Raises:
        ValueError: Its bytes are not what its code says, or the code is not known.
    """
    reader = _READERS.get(code)
    if reader is None:
        raise ValueError(f"extension type {code} is not known here")
    try:
        return reader(data)
    except Exception as error:  # each type's own reader has its own: InvalidOperation, struct.error, OverflowError ...
        raise ValueError(f"extension type {code} ({Ext(code).name.lower()}): {error}") from None


def _write_integer(value: int) -> tuple[int, bytes]:
    length = value.bit_length() // 8 + 1
    if length > MAX_BIGNUM:
        raise LocalProtocolError(f"an integer of {length} bytes is over the limit of {MAX_BIGNUM}")
    return Ext.INTEGER, value.to_bytes(length, "big", signed=True)


def _read_integer(data: bytes) -> int:
    if len(data) > MAX_BIGNUM:
        raise ValueError(f"{len(data)} bytes are over the limit of {MAX_BIGNUM}")
    return int.from_bytes(data, "big", signed=True)


def _write_handle(handle: Handle) -> tuple[int, bytes]:
    return Ext.HANDLE, handle.token.encode("ascii") + handle.type_name.encode("utf-8", "replace")


def _write_datetime(value: datetime) -> tuple[int, bytes]:
    if value.tzinfo is timezone.utc:
        since = value - _EPOCH
        return TIMESTAMP, _TIMESTAMP.pack(since.microseconds * 1000, since.days * 86_400 + since.seconds)
    return Ext.DATETIME, times.write_datetime(value).encode()


def _read_decimal(data: bytes) -> Any:
    from decimal import Decimal

    return Decimal(data.decode("ascii"))


def _read_uuid(data: bytes) -> Any:
    from uuid import UUID

    return UUID(bytes=data)


def _read_nothing(data: bytes) -> Any:
    if data:
        raise ValueError(f"{len(data)} bytes where none belong")
    return ...


def _write_array(array: Any) -> tuple[int, bytes] | None:
    from bascule.protocols.arrays import write_array

    pieces = write_array(array)
    return None if pieces is None else (Ext.ARRAY, b"".join(pieces))


def _read_array(data: bytes) -> Any:
    from bascule.protocols.arrays import read_array

    return read_array(data)


def _write_zone(zone: Any) -> tuple[int, bytes] | None:
    # A zone that was read from a file has no name to send.
    return (Ext.TIMEZONE, times.write_timezone(zone).encode()) if zone.key else None


WRITERS: Final[dict[type, Writer]] = {
    Handle: _write_handle,
    int: _write_integer,
    complex: lambda value: (Ext.COMPLEX, _COMPLEX.pack(value.real, value.imag)),
    datetime: _write_datetime,
    date: lambda value: (Ext.DATE, value.isoformat().encode()),
    time: lambda value: (Ext.TIME, times.write_time(value).encode()),
    timedelta: lambda value: (Ext.TIMEDELTA, _TIMEDELTA.pack(value.days, value.seconds, value.microseconds)),
    timezone: lambda value: (Ext.TIMEZONE, times.write_timezone(value).encode()),
    type(...): lambda value: (Ext.ELLIPSIS, b""),
}
"""By exact type. Types of modules that may not be loaded yet are added when the first of their objects comes."""

_WRITERS_BY_NAME: Final[dict[tuple[str, str], Writer]] = {
    ("decimal", "Decimal"): lambda value: (Ext.DECIMAL, str(value).encode()),
    ("uuid", "UUID"): lambda value: (Ext.UUID, value.bytes),
    ("zoneinfo", "ZoneInfo"): _write_zone,
    ("numpy", "ndarray"): _write_array,
    ("bascule.protocols.arrays", "NumericArray"): _write_array,
}

_READERS: Final[dict[int, Callable[[bytes], Any]]] = {
    Ext.INTEGER: _read_integer,
    Ext.COMPLEX: lambda data: complex(*_COMPLEX.unpack(data)),
    Ext.BYTEARRAY: bytearray,
    Ext.DATETIME: lambda data: times.read_datetime(data.decode()),
    Ext.DATE: lambda data: date.fromisoformat(data.decode()),
    Ext.TIME: lambda data: times.read_time(data.decode()),
    Ext.TIMEDELTA: lambda data: timedelta(*_TIMEDELTA.unpack(data)),
    Ext.TIMEZONE: lambda data: times.read_timezone(data.decode()),
    Ext.DECIMAL: _read_decimal,
    Ext.UUID: _read_uuid,
    Ext.ELLIPSIS: _read_nothing,
    Ext.ARRAY: _read_array,
}
