"""Values in their plain form: the maps, lists, texts and numbers that every format has.

Generated types read and write that form in straight lines of code that only knows whether all is well. When it is not,
`located` goes through the value again, slowly, beside the description of its type, and finds what is wrong and where:

    books[3].price: expected Double, found "x"

A description is data, and part of the contract between two programs (see `comparing`):

    {"Shop.Book": {"record": [["id", "Int32"], ["tags", ["List", "String"]]]}, "Shop.Color": {"enum": ["RED"]}}

The same text is the run time of modern generated code, where this module is a copy: it imports nothing of ours.
"""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar

MOST_NESTED = 300
"""Levels of a value: what is deeper is refused before the interpreter's own limit is met."""
_SHOWN = 60  # characters of a wrong value that an error shows
_BITS = {"Int32": 31, "Int64": 63}
_BIGGEST = sys.float_info.max
_ABSENT = object()

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    Kind = str | list[Any]
    Description = dict[str, dict[str, Any]]
    Path = tuple[str | int, ...]


class WireError(ValueError):
    """A value is not what its type says.

    Attributes:
        path: The way to it, as text: `books[3].price`; empty for the value as a whole.
        reason: What is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


class DecodeError(WireError):
    """What came over the wire is not what its type says."""


class EncodeError(WireError):
    """What should go over the wire is not what its type says."""


class Mismatch(Exception):
    """Something is wrong; `located` finds out what."""


class Raised(Exception):
    """An error that a function's definition names: `raise Raised(Missing("x"))`, on either side.

    Attributes:
        raised: The record that says what is wrong.
    """

    def __init__(self, raised: Any) -> None:
        super().__init__(f"{type(raised).__name__}: {raised}")
        self.raised = raised


FAILURES = (Mismatch, WireError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What straight-line code may raise for a value that does not fit."""


def mismatch() -> NoReturn:
    """Give up, within an expression."""
    raise Mismatch


# ---- Descriptions and converters, by name

_known: Description = {}
_classes: dict[str, type] = {}  # of records, by their kinds
_converters: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {}
_CONVERTERS_FAIL_WITH = (Exception,)  # they are their users'


def describe(description: Description) -> None:
    """Let the errors of these definitions be located; each generated module says so of its own."""
    _known.update(description)


def register_converter(target: str, to_wire: Callable[[Any], Any], from_wire: Callable[[Any], Any]) -> None:
    """Say how a foreign type travels.

    Args:
        target: Its Python name, as the FOREIGN pragma has it.
        to_wire: A value of it -> what every format has.
        from_wire: The other way; whatever it raises means that the value does not fit.
    """
    _converters[target] = (to_wire, from_wire)


def converter(target: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How a foreign type travels.

    Raises:
        LookupError: Nobody said.
    """
    found = _converters.get(target) or _builtin_converter(target)
    if found is None:
        raise LookupError(f"nothing is known of how {target} travels: tell it with register_converter({target!r}, ...)")
    return found


def foreign_to_wire(target: str, value: Any) -> Any:
    """A foreign value in its plain form."""
    to_wire = converter(target)[0]
    try:
        return to_wire(value)
    except _CONVERTERS_FAIL_WITH as error:
        raise Mismatch(str(error)) from error


def foreign_from_wire(target: str, wire: Any) -> Any:
    """A foreign value of its plain form."""
    from_wire = converter(target)[1]
    try:
        return from_wire(wire)
    except _CONVERTERS_FAIL_WITH as error:
        raise Mismatch(str(error)) from error


def _builtin_converter(target: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]] | None:
    if target == "datetime.datetime":
        register_converter(target, _datetime_to_wire, _datetime_from_wire)
    elif target == "datetime.date":
        register_converter(target, _date_to_wire, _date_from_wire)
    elif target == "uuid.UUID":
        register_converter(target, str, read_uuid)
    elif target == "decimal.Decimal":
        register_converter(target, write_decimal, read_decimal)
    return _converters.get(target)


_SECONDS = "%Y-%m-%dT%H:%M:%S"


def _datetime_to_wire(value: Any) -> str:
    return f"{value.year:04}-{value.strftime('%m-%dT%H:%M:%S')}"  # a year before 1000 has four digits too


def _datetime_from_wire(wire: Any) -> Any:
    from datetime import datetime

    return datetime.strptime(wire, _SECONDS)


def _date_to_wire(value: Any) -> str:
    text: str = value.isoformat()
    return text


def _date_from_wire(wire: Any) -> Any:
    from datetime import date

    return date.fromisoformat(wire)


# ---- The builtin types of extended files


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
    """An instant, in UTC: `2024-02-29T12:30:00.000001Z`."""
    from datetime import datetime

    if type(wire) is not str or not wire.endswith("Z"):
        raise Mismatch
    return datetime.fromisoformat(f"{wire[:-1]}+00:00")


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
    return (int(value.days) * 86_400 + int(value.seconds)) * 1_000_000 + int(value.microseconds)


def read_uuid(wire: Any) -> Any:
    """A UUID travels as its usual text."""
    from uuid import UUID

    if type(wire) is not str or len(wire) != 36:
        raise Mismatch
    return UUID(wire)


def write_uuid(value: Any) -> str:
    """A UUID as text."""
    from uuid import UUID

    return str(value) if isinstance(value, UUID) else mismatch()


def read_decimal(wire: Any) -> Any:
    """A decimal number travels as text, digit by digit."""
    from decimal import Decimal, InvalidOperation

    if type(wire) is not str:
        raise Mismatch
    try:
        value = Decimal(wire)
    except InvalidOperation:
        raise Mismatch from None
    return value if value.is_finite() else mismatch()


def write_decimal(value: Any) -> str:
    """A decimal number as text."""
    return str(value) if value.is_finite() else mismatch()


def key_to_wire(value: Any) -> str:
    """A key of a Map: text, since that is what a key is in every format."""
    return value if type(value) is str else str(value)


def int_key(wire: Any, bits: int = 0) -> int:
    """An integer key of a Map; 0 bits: of any size."""
    value = int(wire)
    if str(value) != wire or (bits and not -(1 << bits) <= value < 1 << bits):
        raise Mismatch
    return value


# ---- JSON

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


class _Huge:
    """A number of so many digits that no type has it."""

    def __init__(self, digits: int) -> None:
        self.digits = digits


def _number(text: str) -> Any:
    return int(text) if len(text) < 4000 else _Huge(len(text))


def _no_constant(name: str) -> NoReturn:
    raise DecodeError("", f"this is no JSON: {name} is no number there")


class _Twice:
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
            return _Twice(key)
        seen.add(key)
    return found


# ---- What generated types inherit

T = TypeVar("T")
U = TypeVar("U")


class Wired:
    """A generated type: its values go out as plain ones and as JSON, and come back."""

    __slots__ = ()
    WIRE_KIND: ClassVar[str]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        kind = cls.__dict__.get("WIRE_KIND")
        if kind is not None:
            _classes[kind] = cls

    def _write(self) -> Any:
        """The plain form; raises one of `FAILURES`."""

    @classmethod
    def _read(cls, wire: Any) -> Self:
        """A value of its plain form; raises one of `FAILURES`."""
        raise Mismatch

    def to_wire(self) -> Any:
        """This value in its plain form: maps, lists, texts, numbers.

        Raises:
            EncodeError: It is not what its type says; the path tells where.
        """
        try:
            return self._write()
        except FAILURES as failure:
            raise located_value(self.WIRE_KIND, self, failure) from None

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """A value of its plain form.

        Raises:
            DecodeError: The form is wrong; the path tells where.
        """
        try:
            return cls._read(wire)
        except FAILURES as failure:
            raise located(cls.WIRE_KIND, wire, failure) from None

    def to_json(self) -> bytes:
        """This value as JSON.

        Raises:
            EncodeError: It is not what its type says.
        """
        write = _writer_of(type(self))
        text = None if write is None else write(self)
        if text is not None:
            return text
        plain = self.to_wire()
        return write_json(plain) if _write_fast is None else _write_fast(plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A value of JSON.

        Raises:
            DecodeError: It is no JSON, or not of this type.
        """
        read = _reader_of(cls)
        found: Self | None = None if read is None else read(text)
        return cls.from_wire(read_json(text)) if found is None else found


class SumCodec:
    """How the values of a sum travel; the values themselves are those of its cases."""

    WIRE_KIND: ClassVar[str]

    @classmethod
    def _read(cls, wire: Any) -> Any:
        """A value of its plain form; raises one of `FAILURES`."""

    @classmethod
    def from_wire(cls, wire: object) -> Any:
        """A value of its plain form.

        Raises:
            DecodeError: The form is wrong; the path tells where.
        """
        try:
            return cls._read(wire)
        except FAILURES as failure:
            raise located(cls.WIRE_KIND, wire, failure) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Any:
        """A value of JSON.

        Raises:
            DecodeError: It is no JSON, or not of this type.
        """
        return cls.from_wire(read_json(text))


@dataclass(frozen=True)
class Just(Generic[T]):
    """What is there, where what is there may itself be nothing: `Maybe (Maybe a)`."""

    value: T


def read_unit(wire: Any) -> object:
    """Unit is an empty object; nothing at all will do too."""
    return None if wire is None or wire == {} else mismatch()


def just(wire: Any) -> Just[Any]:
    """A wrapped Maybe that holds something, of its plain form."""
    if type(wire) is not dict or len(wire) != 1:
        raise Mismatch
    return Just(wire["just"])


def held(holder: Just[T], convert: Callable[[T], U]) -> U:
    """What a wrapped Maybe holds, converted."""
    return convert(holder.value)


def unique(items: list[T]) -> set[T]:
    """The elements of a set, each of which may be there once."""
    found = set(items)
    if len(found) != len(items):
        raise Mismatch
    return found


try:
    from . import fast
except ImportError:  # no msgspec here
    _make_reader = _make_writer = _write_fast = None
else:
    _make_reader, _make_writer, _write_fast = fast.reader, fast.writer, fast.write
_readers: dict[type, Callable[[str | bytes], Any] | None] = {}


def _reader_of(cls: type) -> Callable[[str | bytes], Any] | None:
    """What reads a type's JSON with msgspec, where that is installed; it gives None for what it does not take."""
    try:
        return _readers[cls]
    except KeyError:
        found = None if _make_reader is None else _make_reader(cls, _known)
        _readers[cls] = found
        return found


_writers: dict[type, Callable[[Any], bytes | None] | None] = {}


def _writer_of(cls: type) -> Callable[[Any], bytes | None] | None:
    """What writes a type's JSON with msgspec, where that is installed; it gives None for what it does not take."""
    try:
        return _writers[cls]
    except KeyError:
        found = None if _make_writer is None else _make_writer(cls, _known, _classes)
        _writers[cls] = found
        return found


# ---- What is wrong, and where


def located(kind: Kind, wire: Any, failure: BaseException | None = None) -> DecodeError:
    """The error of a plain value that is not of this kind."""
    return DecodeError(*(_find(kind, wire, _FromWire()) or ("", _unexplained(kind, failure))))


def located_value(kind: Kind, value: Any, failure: BaseException | None = None) -> EncodeError:
    """The error of a Python value that is not of this kind."""
    return EncodeError(*(_find(kind, value, _FromValue()) or ("", _unexplained(kind, failure))))


def _unexplained(kind: Kind, failure: BaseException | None) -> str:
    told = f": {failure}" if failure is not None and str(failure) else ""
    return f"expected {name_of(kind)}{told}"


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
    if isinstance(value, _Huge):
        return f"a number of {value.digits} digits"
    if isinstance(value, _Twice):
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


class _FromWire:
    """How a plain value is looked into."""

    def check_foreign(self, target: str, value: Any) -> str | None:
        try:
            foreign_from_wire(target, value)
        except LookupError as error:
            return str(error.args[0]) if error.args else None
        except _CONVERTERS_FAIL_WITH as error:
            told = f" ({error})" if str(error) else ""
            return f"expected {target}, found {show(value)}{told}"
        return None

    def scalar(self, kind: str, value: Any) -> bool:
        if kind in _READERS:
            try:
                _READERS[kind](value)
            except _CONVERTERS_FAIL_WITH:
                return False
            return True
        return _is_scalar(kind, value)

    def fields(self, described: list[Any], value: Any) -> str | list[tuple[str, Kind, Any]]:
        if isinstance(value, _Twice):
            return f"{value.key}: the field is there twice"
        if type(value) is not dict:
            return ""
        found = []
        for each in described:
            name, kind = each[0], each[1]
            if name in value:
                found.append((name, kind, value[name]))
            elif len(each) < 3:
                return f"the field {name} is missing"
        names = {each[0] for each in described}
        for name in value:
            if name not in names:
                return f"unknown field {show(name)}{hint(name, names)}"
        return found

    def member(self, members: list[str], value: Any) -> str | None:
        if isinstance(value, str) and value in members:
            return None
        return f"found {show(value)}{hint(value, members) if isinstance(value, str) else ''}"

    def case(self, cases: list[Any], value: Any) -> tuple[str, list[Any], Any]:
        if isinstance(value, str):
            for name, described in cases:
                if name == value and not described:
                    return name, [], {}
        elif type(value) is dict and len(value) == 1:
            ((tag, payload),) = value.items()
            for name, described in cases:
                if name == tag and described:
                    return name, described, payload
        return "", [], None

    def just(self, value: Any) -> Any:
        return value["just"] if type(value) is dict and list(value) == ["just"] else _ABSENT

    def pairs(self, value: Any) -> list[tuple[Any, Any]] | None:
        return list(value.items()) if type(value) is dict else None

    def items(self, value: Any, of_set: bool) -> list[Any] | None:
        return value if type(value) is list else None

    def key(self, kind: Kind, value: Any) -> bool:
        if kind in ("Int32", "Int64", "Integer"):
            try:
                int_key(value, _BITS.get(kind, 0))
            except _CONVERTERS_FAIL_WITH:
                return False
            return True
        return isinstance(kind, str) and _find(kind, value, self) is None


class _FromValue(_FromWire):
    """How a Python value is looked into."""

    def check_foreign(self, target: str, value: Any) -> str | None:
        try:
            foreign_to_wire(target, value)
        except LookupError as error:
            return str(error.args[0]) if error.args else None
        except _CONVERTERS_FAIL_WITH as error:
            told = f" ({error})" if str(error) else ""
            return f"expected {target}, found {show(value)}{told}"
        return None

    def scalar(self, kind: str, value: Any) -> bool:
        if kind in _WRITERS:
            try:
                _WRITERS[kind](value)
            except _CONVERTERS_FAIL_WITH:
                return False
            return True
        return kind == "Unit" or _is_scalar(kind, value)

    def fields(self, described: list[Any], value: Any) -> str | list[tuple[str, Kind, Any]]:
        try:
            names = [each.name for each in fields(value)]
        except TypeError:
            return ""
        if len(names) != len(described):
            return ""
        return [(name, each[1], getattr(value, name)) for name, each in zip(names, described)]

    def member(self, members: list[str], value: Any) -> str | None:
        fits = hasattr(value, "to_wire") and type(value).__members__ and 0 <= value < len(members)
        return None if fits else f"found {show(value)}"

    def case(self, cases: list[Any], value: Any) -> tuple[str, list[Any], Any]:
        tag = getattr(value, "WIRE_TAG", None)
        for name, described in cases:
            if name == tag:
                return name, described, value
        return "", [], None

    def just(self, value: Any) -> Any:
        return getattr(value, "value", _ABSENT)

    def items(self, value: Any, of_set: bool) -> list[Any] | None:
        if of_set:
            return list(value) if isinstance(value, (set, frozenset)) else None
        return value if type(value) is list else None

    def key(self, kind: Kind, value: Any) -> bool:
        return _find(kind, value, self) is None


_READERS: dict[str, Callable[[Any], Any]] = {
    "Double": as_double,
    "Bytes": read_bytes,
    "Timestamp": read_timestamp,
    "Duration": read_duration,
    "Uuid": read_uuid,
    "Decimal": read_decimal,
}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "Double": as_double,
    "Bytes": write_bytes,
    "Timestamp": write_timestamp,
    "Duration": write_duration,
    "Uuid": write_uuid,
    "Decimal": write_decimal,
}


def _is_scalar(kind: str, value: Any) -> bool:
    if kind == "String":
        return type(value) is str
    if kind == "Bool":
        return type(value) is bool
    if kind == "Unit":
        return value is None or value == {}
    if kind == "Integer":
        return type(value) is int
    bits = _BITS.get(kind)
    return bits is not None and type(value) is int and -(1 << bits) <= value < 1 << bits


def _find(kind: Kind, value: Any, view: _FromWire) -> tuple[str, str] | None:
    """The first thing that is wrong, in the order of the value: its path and what it is."""
    waiting: list[tuple[Path, Kind, Any]] = [((), kind, value)]
    while waiting:
        path, kind, value = waiting.pop()
        if len(path) > MOST_NESTED:
            return path_text(path), f"this is nested deeper than {MOST_NESTED}"
        more: list[tuple[Path, Kind, Any]] = []
        wrong = _look(path, kind, value, view, more)
        if wrong is not None:
            return path_text(path), wrong
        waiting.extend(reversed(more))
    return None


def _look(path: Path, kind: Kind, value: Any, view: _FromWire, more: list[tuple[Path, Kind, Any]]) -> str | None:
    """What is wrong with one value; what is inside it is added to `more`."""
    if isinstance(kind, str):
        if kind in _known:
            return _look_at_definition(path, kind, value, view, more)
        fits = "." not in kind and view.scalar(kind, value)
        return None if fits else f"expected {name_of(kind)}, found {show(value)}"
    head = kind[0]
    if head == "Maybe":
        if value is not None:
            if not isinstance(kind[1], str) and kind[1][0] == "Maybe":
                return NESTED_MAYBE
            more.append((path, kind[1], value))
        return None
    if head == "Wrapped":
        inner = _ABSENT if value is None else view.just(value)
        if value is not None and inner is _ABSENT:
            return f'expected {{"just": ...}} or nothing, found {show(value)}'
        if value is not None:
            more.append((path, kind[1], inner))
        return None
    if head == "Map":
        pairs = view.pairs(value)
        if pairs is None:
            return f"expected {name_of(kind)}, found {show(value)}"
        for key, inner in pairs:
            if not view.key(kind[1], key):
                return f"expected a key that is {name_of(kind[1])}, found {show(key)}"
            more.append(((*path, str(key)), kind[2], inner))
        return None
    items = view.items(value, head == "Set")
    if items is None:
        return f"expected {name_of(kind)}, found {show(value)}"
    more.extend(((*path, index), kind[1], each) for index, each in enumerate(items))
    if head == "Set" and type(value) is list and len({json.dumps(each, default=repr) for each in items}) != len(items):
        return "an element of the set is there twice"
    return None


NESTED_MAYBE = (
    "a Maybe within a Maybe can't be told from one alone here: the pragma EXTENDED gives it a form of its own"
)


def _look_at_definition(
    path: Path, name: str, value: Any, view: _FromWire, more: list[tuple[Path, Kind, Any]]
) -> str | None:
    definition = _known[name]
    short = name_of(name)
    if "foreign" in definition:
        return view.check_foreign(definition["foreign"], value)
    if "enum" in definition:
        wrong = view.member(definition["enum"], value)
        return None if wrong is None else f"expected {short}, {wrong}"
    described = definition.get("record")
    if described is None:
        tag, described, value = view.case(definition["sum"], value)
        if not tag:
            return f"expected {short}, found {show(value)}"
        if not described:
            return None
        path = (*path, tag)
    found = view.fields(described, value)
    if isinstance(found, str):
        return found or f"expected {short}, found {show(value)}"
    more.extend(((*path, each), kind, inner) for each, kind, inner in found)
    return None


def hint(name: Any, candidates: Any) -> str:
    """`(did you mean ...?)`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(str(name)[:_SHOWN], sorted(candidates), 1)
    return f" (did you mean {close[0]}?)" if close else ""
