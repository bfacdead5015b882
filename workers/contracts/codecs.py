"""Implementations of formats for generated codecs: JSON, msgpack, Erlang's external terms, EDN.

    from bascule.workers.contracts.codecs import JsonDecoder, JsonEncoder
    client = HelloModule.from_transport(transport, JsonEncoder(), JsonDecoder())

All of them have one idea in common, the plain form of values (maps, lists, texts, numbers), and differ in how that is
written as bytes. The state is the plain value itself: what an encoder has made so far, what a decoder looks at. No
state is ever changed, except the map of a record while its fields come in.

Enums travel by name. A foreign type goes through the converters of `wire` (a datetime is `%Y-%m-%dT%H:%M:%S`); the
method that generated code calls for it, `encode_date_time` say, is found by its name: `TARGETS` of the generated module
`foreign` says which Python type each is, and `Foreign.DateTime` is known without.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from bascule.protocols.errors import ProtocolError
from bascule.workers.contracts import wire
from bascule.workers.contracts.wire import DecodeError, EncodeError, Mismatch, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

A = TypeVar("A")
B = TypeVar("B")
Step = Callable[[Any], Any]
Two = Callable[[Any, Any], Any]
_KNOWN_FOREIGN = {"date_time": "datetime.datetime"}
_LONGEST_PATH = 500
_INSIDE_MAYBE = object()
"""The state in which a Maybe writes what it holds: a second Maybe must not find itself there."""


class ValueEncoder:
    """Writes values in their plain form.

    Args:
        targets: The Python type behind each foreign operation, as the generated module `foreign` has it.
    """

    def __init__(self, targets: Mapping[str, str] | None = None) -> None:
        self._targets = dict(targets or {})

    def encode_with_state(self, k: Step) -> Any:
        """The plain form of a whole value."""
        try:
            return self._finish(k(None))
        except Mismatch as error:
            raise EncodeError("", str(error) or "this is not what its type says") from None
        except RecursionError:
            raise EncodeError("", "this is nested too deeply") from None

    def _finish(self, plain: Any) -> Any:
        return plain

    def encode_unit(self, _s: Any, _v: object) -> Any:
        """Unit is an empty map."""
        return {}

    def encode_bool(self, _s: Any, v: bool) -> Any:
        """A Bool is itself."""
        return v if type(v) is bool else _no("Bool", v)

    def encode_int32(self, _s: Any, v: int) -> Any:
        """An Int32 is itself; a boolean is none."""
        return v if type(v) is int and -0x80000000 <= v <= 0x7FFFFFFF else _no("Int32", v)

    def encode_double(self, _s: Any, v: float) -> Any:
        """A Double is itself, if it has an end."""
        try:
            return wire.as_double(v)
        except (Mismatch, OverflowError):
            return _no("Double", v)

    def encode_string(self, _s: Any, v: str) -> Any:
        """A String is itself."""
        return v if type(v) is str else _no("String", v)

    def encode_maybe(self, s: Any, v: A | None, k: Two) -> Any:
        """Nothing, or the value itself: so a Maybe can't hold a Maybe."""
        if s is _INSIDE_MAYBE:
            raise EncodeError("", wire.NESTED_MAYBE)
        return None if v is None else k(_INSIDE_MAYBE, v)

    def encode_list(self, _s: Any, v: list[A], k: Two) -> Any:
        """A list."""
        if type(v) is not list:
            _no("List", v)
        made: list[Any] = []
        try:
            made.extend(k(None, each) for each in v)
        except WireError as error:
            raise _below(error, f"[{len(made)}]") from None
        return made

    def encode_record(self, _s: Any, _n_fields: int, k: Step) -> Any:
        """A map."""
        return k({})

    def encode_record_field(self, s: Any, _i: int, name: str, k: Step) -> Any:
        """One more key of the map."""
        try:
            s[name] = k(None)
        except WireError as error:
            raise _below(error, name) from None
        return s

    def encode_enum(self, _s: Any, a: A, _as_index: Callable[[A], int], as_name: Callable[[A], str]) -> Any:
        """A member's name."""
        try:
            return as_name(a)
        except (LookupError, TypeError):
            return _no("a member of the enum", a)

    # Beyond Gugugu

    def encode_int64(self, _s: Any, v: int) -> Any:
        """An Int64 is itself."""
        return v if type(v) is int and -(1 << 63) <= v < 1 << 63 else _no("Int64", v)

    def encode_integer(self, _s: Any, v: int) -> Any:
        """An Integer is itself."""
        return v if type(v) is int else _no("Integer", v)

    def encode_bytes(self, _s: Any, v: bytes) -> Any:
        """Bytes as base64."""
        return wire.write_bytes(v)

    def encode_timestamp(self, _s: Any, v: Any) -> Any:
        """An instant as text."""
        return wire.write_timestamp(v)

    def encode_duration(self, _s: Any, v: Any) -> Any:
        """A time span as microseconds."""
        return wire.write_duration(v)

    def encode_uuid(self, _s: Any, v: Any) -> Any:
        """A UUID as text."""
        return wire.write_uuid(v)

    def encode_decimal(self, _s: Any, v: Any) -> Any:
        """A decimal number as text."""
        return wire.write_decimal(v)

    def encode_map(self, _s: Any, v: dict[A, B], key: Two, k: Two) -> Any:
        """A map with text keys."""
        return {wire.key_to_wire(key(None, name)): k(None, each) for name, each in v.items()}

    def encode_set(self, _s: Any, v: set[A], k: Two) -> Any:
        """A list, in order."""
        return sorted([k(None, each) for each in v])

    def encode_wrapped(self, _s: Any, v: Any, k: Two) -> Any:
        """Nothing, or a map that holds what may itself be nothing."""
        return None if v is None else {"just": k(None, v.value)}

    def encode_sum(self, _s: Any, _i: int, name: str, n_fields: int, k: Step) -> Any:
        """A name, or a map of the name and the fields."""
        return {name: k({})} if n_fields else name

    def __getattr__(self, name: str) -> Two:
        target = _target_of(name, "encode_", self._targets)

        def encode_foreign(_s: Any, v: Any) -> Any:
            return wire.foreign_to_wire(target, v)

        return encode_foreign


class ValueDecoder:
    """Reads values of their plain form; see `ValueEncoder`."""

    def __init__(self, targets: Mapping[str, str] | None = None) -> None:
        self._targets = dict(targets or {})
        self._optional = False  # some record has fields that may be absent: the number of keys says little

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
        """An empty map, or nothing."""
        s = s.value if type(s) is _Held else s
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
        except WireError as error:
            raise _below(error, f"[{len(made)}]") from None
        return s, made

    def decode_record(self, s: Any, n_fields: int, k: Step) -> tuple[Any, Any]:
        """A map with these fields and no other."""
        s = s.value if type(s) is _Held else s
        if type(s) is not dict:
            return _not("a record", s)
        found: tuple[Any, Any] = k(s)
        if len(s) != n_fields or self._optional:
            _refuse_unknown(s, k)
        return found

    def decode_record_field(self, s: Any, _i: int, name: str, k: Step) -> tuple[Any, Any]:
        """The value behind a key."""
        try:
            inner = s[name]
        except KeyError:
            raise DecodeError("", f"the field {name} is missing") from None
        try:
            return s, k(inner)[1]
        except WireError as error:
            raise _below(error, name) from None

    def decode_enum(self, s: Any, _by_index: Callable[[int], A | None], by_name: Callable[[str], A | None]) -> Any:
        """The member of a name."""
        s = s.value if type(s) is _Held else s
        member = by_name(s) if isinstance(s, str) else None
        return (s, member) if member is not None else _not("a member of the enum", s)

    # Beyond Gugugu

    def decode_optional_field(self, s: Any, i: int, name: str, k: Step, default: A) -> tuple[Any, A]:
        """The value behind a key, or its default."""
        self._optional = True
        if name not in s:
            return s, default
        return self.decode_record_field(s, i, name, k)

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
            try:
                made[_read_key(key, name)] = k(each)[1]
            except WireError as error:
                raise _below(error, str(name)) from None
        return s, made

    def decode_set(self, s: Any, k: Step) -> tuple[Any, set[Any]]:
        """A list in which nothing stands twice."""
        s, made = self.decode_list(s, k)
        if len(set(made)) != len(made):
            raise DecodeError("", "an element of the set is there twice")
        return s, set(made)

    def decode_wrapped(self, s: Any, k: Step, just: Callable[[A], B]) -> tuple[Any, B | None]:
        """Nothing, or a map that holds what may itself be nothing."""
        s = s.value if type(s) is _Held else s
        if s is None:
            return s, None
        if type(s) is not dict or list(s) != ["just"]:
            return _not('{"just": ...}', s)
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
                except WireError as error:
                    raise _below(error, name) from None
        return _not("one of the cases", s)

    def __getattr__(self, name: str) -> Step:
        target = _target_of(name, "decode_", self._targets)

        def decode_foreign(s: Any) -> Any:
            s = s.value if type(s) is _Held else s
            try:
                return s, wire.foreign_from_wire(target, s)
            except Mismatch as error:
                told = f" ({error})" if str(error) else ""
                raise DecodeError("", f"expected {target}, found {wire.show(s)}{told}") from None
            except LookupError as error:
                raise DecodeError("", str(error.args[0])) from None

        return decode_foreign


class JsonEncoder(ValueEncoder):
    """Writes JSON, as text."""

    def _finish(self, plain: Any) -> Any:
        return wire.write_json(plain).decode()


class JsonDecoder(ValueDecoder):
    """Reads JSON, text or bytes. An object that has a key twice is refused."""

    def _begin(self, r: Any) -> Any:
        return wire.read_json(r)


class MsgpackEncoder(ValueEncoder):
    """Writes msgpack."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import packed

        return _written(packed.dumps, plain)


class MsgpackDecoder(ValueDecoder):
    """Reads msgpack."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import packed

        return _read(packed.loads, r)


class EtfEncoder(ValueEncoder):
    """Writes Erlang's external term format: maps, and texts as binaries."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import etf
        from bascule.protocols.calls import Style

        return _written(partial(etf.dumps, style=int(Style.STR_AS_BINARY | Style.DICT_AS_MAP)), plain)


class EtfDecoder(ValueDecoder):
    """Reads Erlang's external term format."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import etf

        return _read(etf.loads, r)


class EdnEncoder(ValueEncoder):
    """Writes EDN, as bytes."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import edn

        return _written(edn.dumps, plain)


class EdnDecoder(ValueDecoder):
    """Reads EDN."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import edn

        return _read(edn.loads, r.encode() if isinstance(r, str) else r)


class _Held:
    """What a Maybe holds, on its way to what reads it: a second Maybe must not find itself there."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


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
    watched = _Watched(s)
    k(watched)
    for name in s:
        if name not in watched.asked:
            raise DecodeError("", f"unknown field {wire.show(name)}{wire.hint(name, watched.asked)}")


def _read_key(key: Step, name: Any) -> Any:
    """A key by its type: the text itself where that is one, else the number that it writes."""
    try:
        return key(name)[1]
    except DecodeError:
        try:
            return key(wire.int_key(name))[1]
        except wire.FAILURES:
            pass
        raise


def _converted(kind: str, s: Any, convert: Step) -> tuple[Any, Any]:
    s = s.value if type(s) is _Held else s
    try:
        return s, convert(s)
    except wire.FAILURES:
        return _not(kind, s)


def _target_of(name: str, way: str, targets: dict[str, str]) -> str:
    target = targets.get(name) or _KNOWN_FOREIGN.get(name.removeprefix(way) if name.startswith(way) else "")
    if target is None:
        raise AttributeError(
            f"{name}: nothing is known of this operation; give `targets`, as `foreign.TARGETS` has them"
        )
    return target


def _below(error: WireError, step: str) -> WireError:
    """The same error, seen from one level up."""
    between = "" if not error.path or error.path.startswith("[") else "."
    path = step + between + error.path
    if len(path) > _LONGEST_PATH:
        path = path[: _LONGEST_PATH // 2] + "..." + path[-_LONGEST_PATH // 4 :]
    return type(error)(path, error.reason)


def _no(kind: str, value: object) -> NoReturn:
    raise EncodeError("", f"expected {kind}, found {wire.show(value)}")


def _not(kind: str, value: object) -> NoReturn:
    raise DecodeError("", f"expected {kind}, found {wire.show(value)}")


def _written(dumps: Step, plain: Any) -> Any:
    try:
        return dumps(plain)
    except (ValueError, TypeError, RecursionError, ProtocolError) as error:
        raise EncodeError("", str(error)) from None


def _read(loads: Step, data: Any) -> Any:
    try:
        return loads(data)
    except (ValueError, TypeError, RecursionError, ProtocolError) as error:
        raise DecodeError("", str(error)) from None
