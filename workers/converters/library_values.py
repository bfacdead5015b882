"""Values of the standard library: enums, paths, numbers, dates, where a format has no form of its own for them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    import uuid
    from collections.abc import Callable
    from typing import Any, Final


def _enum(obj: Any, codec: str, lossy: bool) -> Any:
    """A member is its value. (Members that are also ints or strs are taken for those before this is asked.)"""
    return obj.value


def _decimal(obj: Any, codec: str, lossy: bool) -> Any:
    return str(obj) if codec == "etf" else sys.modules["decimal"].Decimal(obj)


def _uuid(obj: uuid.UUID, codec: str, lossy: bool) -> Any:
    return str(obj) if codec == "etf" else sys.modules["uuid"].UUID(int=obj.int)


def _datetime(obj: datetime.datetime, codec: str, lossy: bool) -> Any:
    """A subclass, or a zone that the format does not know: the same moment at its offset."""
    module = sys.modules["datetime"]
    zone, offset = obj.tzinfo, obj.utcoffset()
    if type(obj) is module.datetime:
        zone = None if offset is None else module.timezone(offset)
    day = (obj.year, obj.month, obj.day)
    return module.datetime(*day, obj.hour, obj.minute, obj.second, obj.microsecond, zone, fold=obj.fold)


def _date(obj: datetime.date, codec: str, lossy: bool) -> Any:
    return sys.modules["datetime"].date(obj.year, obj.month, obj.day)


def _time(obj: datetime.time, codec: str, lossy: bool) -> Any:
    module = sys.modules["datetime"]
    zone, offset = obj.tzinfo, obj.utcoffset()
    if type(obj) is module.time:
        if zone is not None and offset is None:  # a zone without a day has no offset: only its clock would be left
            return obj.replace(tzinfo=None) if lossy else NotImplemented
        zone = None if offset is None else module.timezone(offset)
    return module.time(obj.hour, obj.minute, obj.second, obj.microsecond, zone, fold=obj.fold)


def _timedelta(obj: datetime.timedelta, codec: str, lossy: bool) -> Any:
    return sys.modules["datetime"].timedelta(obj.days, obj.seconds, obj.microseconds)


def _text(obj: Any, codec: str, lossy: bool) -> Any:
    return str(obj) if lossy else NotImplemented


CONVERTERS: Final[dict[str, Callable[[Any, str, bool], Any]]] = {
    "Enum": _enum,
    "Decimal": _decimal,
    "UUID": _uuid,
    "datetime": _datetime,
    "date": _date,
    "time": _time,
    "timedelta": _timedelta,
    "timezone": _text,
    "ZoneInfo": _text,
    "Fraction": _text,
    "PurePath": _text,
}
