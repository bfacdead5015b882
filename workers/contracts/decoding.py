"""From plain values to those of generated types, operation by operation, for generated codecs.

The state is the plain value that is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from bascule.workers.contracts import wire
from bascule.workers.contracts.steps import below, convert_foreign, of_a_key, target_of
from bascule.workers.contracts.wire import DecodeError, Mismatch, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

A = TypeVar("A")
B = TypeVar("B")
Step = Callable[[Any], Any]


class ValueDecoder:
    """Reads values of their plain form; see `ValueEncoder`."""

    def __init__(
        self, targets: Mapping[str, str] | None = None, converter: Callable[[str], Any] = wire.converter
    ) -> None:
        self._targets = dict(targets or {})
        self._converter = converter

    def decode_with_state(self, r: Any, k: Step) -> Any:
        """A whole value of what `r` is in plain form.

        Raises:
            DecodeError: It is not what its type says; the path tells where.
        """
        try:
            return k(self._begin(r))[1]
        except WireError:
            raise
        except RecursionError:
            raise DecodeError("", "this is nested too deeply") from None
        except wire.FAILURES as error:
            raise DecodeError("", f"this is not what its type says: {error}") from None

    def _begin(self, r: Any) -> Any:
        return r

    def decode_unit(self, s: Any) -> tuple[Any, object]:
        """An empty map, or nothing; in a Maybe what is there must not be None."""
        if type(s) is _Held:
            return (s, ()) if s.value == {} else _not("Unit", s.value)
        return (s, None) if s is None or s == {} else _not("Unit", s)

    def decode_bool(self, s: Any) -> tuple[Any, bool]:
        """A Bool."""
        s = s.value if type(s) is _Held else s
        return (s, s) if type(s) is bool else _not("Bool", s)

    def decode_int32(self, s: Any) -> tuple[Any, int]:
        """An Int32; a boolean is none."""
        s = s.value if type(s) is _Held else s
        return (s, s) if type(s) is int and -0x80000000 <= s <= 0x7FFFFFFF else _not("Int32", s)

    def decode_double(self, s: Any) -> tuple[Any, float]:
        """A Double; an integer will do."""
        s = s.value if type(s) is _Held else s
        try:
            return s, wire.as_double(s)
        except (Mismatch, OverflowError):
            return _not("Double", s)

    def decode_string(self, s: Any) -> tuple[Any, str]:
        """A String; a keyword or an atom is text too."""
        s = s.value if type(s) is _Held else s
        if type(s) is str:
            return s, s
        return (s, str.__str__(s)) if isinstance(s, str) else _not("String", s)

    def decode_maybe(self, s: Any, k: Step) -> tuple[Any, Any]:
        """Nothing, or what there is."""
        if type(s) is _Held:
            raise DecodeError("", wire.NESTED_MAYBE)
        return (s, None) if s is None else (s, k(_Held(s))[1])

    def decode_list(self, s: Any, k: Step) -> tuple[Any, list[Any]]:
        """A list."""
        s = s.value if type(s) is _Held else s
        if type(s) is not list:
            return _not("List", s)
        made: list[Any] = []
        try:
            made.extend(k(each)[1] for each in s)
        except ValueError as error:
            raise below(error, f"[{len(made)}]", DecodeError) from None
        return s, made

    def decode_record(self, s: Any, n_fields: int, k: Step) -> tuple[Any, Any]:
        """A map with these fields and no other."""
        s = s.value if type(s) is _Held else s
        if type(s) is not dict:
            return _not("a record", s)
        after, made = k(s)
        if len(s) + (after.absent if type(after) is _Lacking else 0) != n_fields:
            _refuse_unknown(s, k)
        return s, made

    def decode_record_field(self, s: Any, _i: int, name: str, k: Step) -> tuple[Any, Any]:
        """The value behind a key."""
        try:
            inner = s[name]
        except KeyError:
            raise DecodeError("", f"the field {name} is missing") from None
        try:
            return s, k(inner)[1]
        except ValueError as error:
            raise below(error, name, DecodeError) from None

    def decode_enum(self, s: Any, _by_index: Callable[[int], A | None], by_name: Callable[[str], A | None]) -> Any:
        """The member of a name."""
        s = s.value if type(s) is _Held else s
        member = by_name(s) if isinstance(s, str) else None
        return (s, member) if member is not None else _not("a member of the enum", s)

    # Beyond Gugugu

    def decode_optional_field(self, s: Any, i: int, name: str, k: Step, default: A) -> tuple[Any, Any | A]:
        """The value behind a key, or its default."""
        if name in s:
            return self.decode_record_field(s, i, name, k)
        return _Lacking(s), default

    def decode_int64(self, s: Any) -> tuple[Any, int]:
        """An Int64."""
        s = s.value if type(s) is _Held else s
        return (s, s) if type(s) is int and -(1 << 63) <= s < 1 << 63 else _not("Int64", s)

    def decode_integer(self, s: Any) -> tuple[Any, int]:
        """An Integer."""
        s = s.value if type(s) is _Held else s
        return (s, s) if type(s) is int else _not("Integer", s)

    def decode_bytes(self, s: Any) -> tuple[Any, bytes]:
        """Bytes of base64."""
        return _converted("Bytes", s, wire.read_bytes)

    def decode_timestamp(self, s: Any) -> tuple[Any, Any]:
        """An instant of its text."""
        return _converted("Timestamp", s, wire.read_timestamp)

    def decode_duration(self, s: Any) -> tuple[Any, Any]:
        """A time span of microseconds."""
        return _converted("Duration", s, wire.read_duration)

    def decode_uuid(self, s: Any) -> tuple[Any, Any]:
        """A UUID of its text."""
        return _converted("Uuid", s, wire.read_uuid)

    def decode_decimal(self, s: Any) -> tuple[Any, Any]:
        """A decimal number of its text."""
        return _converted("Decimal", s, wire.read_decimal)

    def decode_map(self, s: Any, key: Step, k: Step) -> tuple[Any, dict[Any, Any]]:
        """A map; a key that is no text is read of its text."""
        s = s.value if type(s) is _Held else s
        if type(s) is not dict:
            return _not("Map", s)
        made = {}
        for name, each in s.items():
            read = _read_key(key, name)
            try:
                made[read] = k(each)[1]
            except ValueError as error:
                raise below(error, str(name), DecodeError) from None
        return (s, made) if len(made) == len(s) else _twice("a key of the map")

    def decode_set(self, s: Any, k: Step) -> tuple[Any, set[Any]]:
        """A list in which nothing stands twice."""
        s, made = self.decode_list(s, k)
        unique = set(made)
        return (s, unique) if len(unique) == len(made) else _twice("an element of the set")

    def decode_wrapped(self, s: Any, k: Step, just: Callable[[A], B]) -> tuple[Any, B | None]:
        """Nothing, or a map that holds what may itself be nothing."""
        s = s.value if type(s) is _Held else s
        if s is None:
            return s, None
        if type(s) is not dict or list(s) != ["just"]:
            return _not('{"just": ...} or nothing', s)
        return s, just(k(s["just"])[1])

    def decode_sum(self, s: Any, cases: list[tuple[str, int, Step]]) -> tuple[Any, Any]:
        """A name, or a map of the name and the fields."""
        s = s.value if type(s) is _Held else s
        tag, payload = (next(iter(s.items()))) if type(s) is dict and len(s) == 1 else (s, None)
        for name, n_fields, k in cases:
            if name == tag and bool(n_fields) == (type(s) is dict):
                if not n_fields:
                    return s, k({})[1]
                try:
                    return s, self.decode_record(payload, n_fields, k)[1]
                except ValueError as error:
                    raise below(error, name, DecodeError) from None
        return _not("one of the cases", s)

    def __getattr__(self, name: str) -> Step:
        target = target_of(name, "decode_", self._targets)

        def decode_foreign(s: Any) -> Any:
            s = s.value if type(s) is _Held else s
            return s, convert_foreign(1, target, s, self._converter, DecodeError)

        return decode_foreign


class _Held:
    """What a Maybe holds, on its way to what reads it: a second Maybe must not find itself there."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Lacking:
    """The state of a record of which some fields were absent, and how many they were."""

    __slots__ = ("_of", "absent")

    def __init__(self, of: dict[str, Any] | _Lacking) -> None:
        lacking = type(of) is _Lacking
        self._of: dict[str, Any] = of._of if lacking else of  # type: ignore[union-attr, assignment]
        self.absent: int = 1 + (of.absent if lacking else 0)  # type: ignore[union-attr]

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def __getitem__(self, name: str) -> Any:
        return self._of[name]


class _Watched(dict):  # type: ignore[type-arg]
    """A map that knows which of its keys were asked for."""

    def __init__(self, of: dict[str, Any]) -> None:
        super().__init__(of)
        self.asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)


def _refuse_unknown(s: dict[str, Any], k: Step) -> None:
    """Find the key that nobody asks for, in a second look: so this is for maps that have one."""
    watched = _Watched(s)
    k(watched)
    for name in s:
        if name not in watched.asked:
            raise DecodeError("", f"unknown field {wire.show(name)}{wire.hint(name, watched.asked)}")


def _read_key(key: Step, name: Any) -> Any:
    """A key by its type: the text itself where that is one, else the number that it writes."""
    try:
        return key(name)[1]
    except ValueError as error:
        try:
            return key(wire.int_key(name))[1]
        except wire.FAILURES:
            pass
        raise of_a_key(error, DecodeError) from None


def _converted(kind: str, s: Any, convert: Step) -> tuple[Any, Any]:
    s = s.value if type(s) is _Held else s
    try:
        return s, convert(s)
    except wire.FAILURES:
        return _not(kind, s)


def _twice(what: str) -> NoReturn:
    raise DecodeError("", f"{what} is there twice")


def _not(kind: str, value: object) -> NoReturn:
    raise DecodeError("", f"expected {kind}, found {wire.show(value)}")
