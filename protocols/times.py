"""Dates and times as text: the same spelling in msgpack and JSON.

ISO 8601 as `datetime.isoformat` writes it, and after it what an offset alone does not say:

    2024-03-31T02:30:00+02:00[Europe/Berlin]    a zone of the tz database (as RFC 9557 spells it)
    2024-03-31T02:30:00+02:00(CEST)             a fixed offset that has a name
    2024-10-27T02:30:00(fold)                   the second of two such moments, where neither offset nor zone tell
    +05:30    +05:30(IST)    [Asia/Kolkata]     a timezone by itself

Whoever reads the text in another language may cut it at the first `[` or `(` and has the instant. `Z` is understood.
"""

from __future__ import annotations

from datetime import datetime, time, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

_LENGTH_OF_MIDNIGHT = len("00:00:00")
_FOLD = "(fold)"


def write_datetime(value: datetime) -> str:
    """`value` as text."""
    zone = value.tzinfo
    if zone is None:
        return value.isoformat() + _FOLD if value.fold else value.isoformat()
    return value.isoformat() if zone is timezone.utc else value.isoformat() + _suffix(zone, value)


def read_datetime(text: str) -> datetime:
    """The datetime that `text` spells.

    Raises:
        ValueError: It spells none.
    """
    body, zone, name = _split(text)
    value = datetime.fromisoformat(body)
    if zone:
        return _in_zone(value, zone)
    if name == "fold" and value.tzinfo is None:
        return value.replace(fold=1)
    if name is not None:
        value = value.replace(tzinfo=_named(value.tzinfo, name))
    return value


def write_time(value: time) -> str:
    """`value` as text. A time in a zone has no offset of its own: it needs a day for that."""
    zone = value.tzinfo
    if zone is None:
        return value.isoformat() + _FOLD if value.fold else value.isoformat()
    return value.isoformat() + _suffix(zone, None)


def read_time(text: str) -> time:
    """The time that `text` spells.

    Raises:
        ValueError: It spells none.
    """
    body, zone, name = _split(text)
    value = time.fromisoformat(body)
    if zone:
        return value.replace(tzinfo=_zone(zone) or value.tzinfo)
    if name == "fold" and value.tzinfo is None:
        return value.replace(fold=1)
    if name is not None:
        value = value.replace(tzinfo=_named(value.tzinfo, name))
    return value


def write_timezone(zone: tzinfo) -> str:
    """A `timezone` or a `ZoneInfo` as text.

    Raises:
        ValueError: A zone that was read from a file: it has no name to send.
    """
    if type(zone) is not timezone and not getattr(zone, "key", None):
        raise ValueError(f"{zone!r} has no name to send")
    return time(tzinfo=zone).isoformat()[_LENGTH_OF_MIDNIGHT:] + _suffix(zone, None)


def read_timezone(text: str) -> tzinfo:
    """The timezone that `text` spells.

    Raises:
        ValueError: It spells none, or a zone that this machine's tz database does not have.
    """
    body, name, fixed = _split(text)
    zone = _zone(name) if name else _named(time.fromisoformat("00:00:00" + body).tzinfo, fixed)
    if zone is None:
        raise ValueError(f"no timezone is called {name!r} here")
    return zone


def _suffix(zone: tzinfo, moment: datetime | None) -> str:
    """What the offset does not say: a zone's key, or the name of a fixed offset."""
    if type(zone) is timezone:
        explicit = zone.__getinitargs__()[1:]  # type: ignore[attr-defined]  # tzname() makes a name up where none was given
        return f"({explicit[0]})" if explicit else ""
    key = getattr(zone, "key", None)
    if isinstance(key, str) and key:
        return f"[{key}]"
    name = zone.tzname(moment)
    return f"({name})" if name else ""


def _split(text: str) -> tuple[str, str, str | None]:
    """The ISO part, the zone's key or "", the fixed offset's name or None."""
    body, zone, name = text, "", None
    if text.endswith("]"):
        body, _, zone = text[:-1].partition("[")
    elif text.endswith(")"):
        body, _, name = text[:-1].partition("(")
    if body.endswith(("Z", "z")):  # not understood by fromisoformat before 3.11
        body = body[:-1] + "+00:00"
    return body, zone, name


def _named(zone: tzinfo | None, name: str | None) -> tzinfo:
    offset = zone.utcoffset(None) if zone is not None else None
    if offset is None:
        raise ValueError("a timezone needs an offset, such as +01:00")
    if name is None:
        return zone if zone is not None else timezone(offset)
    return timezone(offset, name)


def _zone(key: str) -> tzinfo | None:
    """The zone of that name, None when this machine does not know it (it may have no tz database at all)."""
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(key)
    except (LookupError, ValueError, OSError):
        return None


def _in_zone(value: datetime, key: str) -> datetime:
    """`value`, which has an offset, in its zone. Where the two disagree (another tz database), the offset is right."""
    zone = _zone(key)
    if zone is None:
        return value
    offset = value.utcoffset()
    for fold in (0, 1):  # an hour that comes twice is told apart by its offset
        there = value.replace(tzinfo=zone, fold=fold)
        if offset is None or there.utcoffset() == offset:
            return there
    return value
