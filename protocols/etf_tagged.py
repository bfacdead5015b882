"""Dates and the dict family as Erlang sees them: tuples that say with a text what they are.

    {"date", {Y, Mo, D}}                            {"time", {H, Mi, S, Us, Tz}}
    {"datetime", {Y, Mo, D, H, Mi, S, Us, Tz}}      {"timedelta", {Days, Secs, Us}}
    {"dict", [{K, V}, ...]}, and so UserDict, OrderedDict, defaultdict, ChainMap and Counter under their own names

`Tz` is `undefined`, the offset from UTC in seconds (a timedelta when it is not whole seconds), or the name of a zone.
The text is a charlist on the way out, a charlist or binary on the way in. A tuple that only looks like one of these
(`{"date", {2024, 13, 1}}`) stays the tuple that it is.

No module is imported to encode: a date can only be there when `datetime` is. Hence the look-ups in `sys.modules`.
"""

from __future__ import annotations

import sys

from bascule.protocols.etf_terms import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable
    from typing import Final

DATES: Final = frozenset(("date", "datetime", "time", "timedelta"))
DICTS: Final = frozenset(("dict", "UserDict", "OrderedDict", "defaultdict", "ChainMap", "Counter"))


def dict_name(value: object) -> str | None:
    """Under which name of the dict family a value travels. A subclass that a user wrote has none."""
    kind = type(value)
    if kind is dict:
        return "dict"
    name: str = kind.__name__
    known = name in DICTS and kind is getattr(sys.modules.get("collections"), name, None)
    return name if known else None


def date_tuple(value: object) -> tuple[str, tuple[object, ...]] | None:
    """The tuple for a date, datetime, time or timedelta; None for anything else, or for an exotic tzinfo."""
    kind = type(value)
    if kind.__name__ not in DATES or kind is not getattr(sys.modules.get("datetime"), kind.__name__, None):
        return None
    name = kind.__name__
    v: datetime.datetime = value  # type: ignore[assignment]  # the fields that are read are those of its kind
    if name == "date":
        return name, (v.year, v.month, v.day)
    if name == "timedelta":
        return name, (value.days, value.seconds, value.microseconds)  # type: ignore[attr-defined]
    if v.tzinfo is None:
        zone: object = None
    else:
        zone = _zone_out(v)
        if zone is None:
            return None
    clock = (v.hour, v.minute, v.second, v.microsecond, zone)
    return (name, clock) if name == "time" else (name, (v.year, v.month, v.day, *clock))


def _zone_out(value: datetime.datetime) -> object:
    """A zone by name where it has one, else its offset. The second of two equal hours (fold) needs the offset."""
    key = getattr(value.tzinfo, "key", None)
    if isinstance(key, str) and not value.fold and type(value.tzinfo).__module__.startswith("zoneinfo"):
        return key
    offset = value.utcoffset()
    if offset is None:  # a time of day in a zone whose offset depends on the day
        return key if isinstance(key, str) else None
    return offset if offset.microseconds else offset.days * 86400 + offset.seconds


def from_tagged(tag: list[int] | str | bytes, content: object) -> object:
    """The value that a pair with one of these names stands for, or the pair itself when that is all it is."""
    name = tag if isinstance(tag, str) else bytes(tag).decode("ascii")
    value: object = None
    if name in DATES:
        if isinstance(content, tuple):
            value = _date(name, content)
    elif isinstance(content, list):
        value = _dict(name, content)
    return (tag, content) if value is None else value


def _date(name: str, content: tuple[object, ...]) -> object:
    *numbers, last = content or (None,)
    zoned = name in ("datetime", "time")
    if not zoned:
        numbers.append(last)
    if len(numbers) != {"date": 3, "timedelta": 3, "datetime": 7, "time": 4}[name]:
        return None
    if any(type(number) is not int for number in numbers):
        return None
    import datetime

    make: Callable[..., object] = getattr(datetime, name)
    try:
        return make(*numbers, _zone_in(last)) if zoned else make(*numbers)
    except (ValueError, OverflowError):
        return None


def _zone_in(zone: object) -> datetime.tzinfo | None:
    """The tzinfo that was written. Raises ValueError for what is none."""
    import datetime

    if zone is None:
        return None
    if type(zone) is int:
        zone = datetime.timedelta(seconds=zone)
    if isinstance(zone, datetime.timedelta):
        return datetime.timezone(zone) if zone else datetime.timezone.utc
    if isinstance(zone, datetime.tzinfo):  # it came as a handle
        return zone
    if isinstance(zone, list):
        zone = _as_text(zone)
    elif isinstance(zone, bytes):
        zone = zone.decode("ascii")
    if not isinstance(zone, str):
        raise ValueError("a time zone is an offset or a name")
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(zone)
    except (LookupError, OSError) as error:
        raise ValueError(f"no time zone {zone!r}") from error


def as_pair(element: object) -> tuple[object, object] | None:
    """The pair that stands in a list of pairs, also if it was taken for a value with a tag; None for anything else."""
    if type(element) is tuple:
        return element if len(element) == 2 else None
    name = dict_name(element)
    if name is not None:
        return name, list(element.items())  # type: ignore[attr-defined]
    return date_tuple(element)


def _dict(name: str, content: list[object]) -> object:
    keys, values = [], []
    for element in content:
        pair = as_pair(element)
        if pair is None:
            return None
        keys.append(pair[0])
        values.append(pair[1])
    plain = make_dict(keys, values)
    if name == "dict" or isinstance(plain, Map):
        return plain
    import collections

    if name == "defaultdict":
        return collections.defaultdict(None, plain)
    family: Callable[[dict[object, object]], object] = getattr(collections, name)
    return family(plain)


def make_dict(keys: list[object], values: list[object]) -> dict[object, object] | Map:
    """A dict, where it holds the keys apart; charlists among them become text. Else a Map of the keys as they came."""
    hashable = keys if list not in set(map(type, keys)) else [_as_key(key) for key in keys]
    plain = _try_dict(hashable, values)
    if plain is None and hashable is keys:
        plain = _try_dict([_as_key(key) for key in keys], values)
    return Map(zip(keys, values)) if plain is None else plain


def _try_dict(keys: list[object], values: list[object]) -> dict[object, object] | None:
    try:
        plain = dict(zip(keys, values))
    except Exception:  # unhashable, too deep to hash, or the object behind a handle has a __hash__ of its own
        return None
    return plain if len(plain) == len(keys) else None


def _as_key(key: object) -> object:
    """A key that hashes: text for a charlist, also in a tuple (at the first level; deeper ones make a Map)."""
    kind = type(key)
    if kind is list:
        return _as_text(key)  # type: ignore[arg-type]
    if kind is tuple:
        return tuple([_as_text(part) if type(part) is list else part for part in key])  # type: ignore[attr-defined]
    return key


def _as_text(points: list[object]) -> object:
    """The text that a charlist is; any other list as it came."""
    if not set(map(type, points)) <= {int}:
        return points
    try:
        return bytes(points).decode("latin-1")  # type: ignore[arg-type]
    except ValueError:  # one of them is no byte
        pass
    try:
        return "".join(map(chr, points))  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # nor a code point
        return points
