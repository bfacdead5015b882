"""From values to their plain form, operation by operation, for generated codecs.

The state is the plain value that was made so far. No state is ever changed, except the map of a record while its fields
come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, TypeVar

from bascule.workers.contracts import wire
from bascule.workers.contracts.steps import below, convert_foreign, of_a_key, target_of
from bascule.workers.contracts.wire import EncodeError, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

A = TypeVar("A")
B = TypeVar("B")
Step = Callable[[Any], Any]
Two = Callable[[Any, Any], Any]
_INSIDE_MAYBE = object()
"""The state in which a Maybe writes what it holds: a second Maybe must not find itself there."""


class ValueEncoder:
    """Writes values in their plain form.

    Args:
        targets: The Python type behind each foreign operation, as the generated module `foreign` has it.
        converter: What knows how a foreign type travels, as `wire.converter` does.
    """

    def __init__(
        self, targets: Mapping[str, str] | None = None, converter: Callable[[str], Any] = wire.converter
    ) -> None:
        self._targets = dict(targets or {})
        self._converter = converter

    def encode_with_state(self, k: Step) -> Any:
        """The plain form of a whole value."""
        try:
            return self._finish(k(None))
        except WireError:
            raise
        except ValueError as error:
            raise below(error, "", EncodeError) from None
        except RecursionError:
            raise EncodeError("", "this is nested too deeply") from None

    def _finish(self, plain: Any) -> Any:
        return plain

    def encode_unit(self, _s: Any, _v: object) -> Any:
        """Unit is an empty map."""
        return {}

    def encode_bool(self, _s: Any, v: bool) -> Any:
        """A Bool is itself."""
        return v if type(v) is bool else wire.no("Bool", v)

    def encode_int32(self, _s: Any, v: int) -> Any:
        """An Int32 is itself; a boolean is none."""
        return v if type(v) is int and -0x80000000 <= v <= 0x7FFFFFFF else wire.no("Int32", v)

    def encode_double(self, _s: Any, v: float) -> Any:
        """A Double is itself, if it has an end."""
        return _written("Double", v, wire.as_double)

    def encode_string(self, _s: Any, v: str) -> Any:
        """A String is itself."""
        return v if type(v) is str else wire.no("String", v)

    def encode_maybe(self, s: Any, v: A | None, k: Two) -> Any:
        """Nothing, or the value itself: so a Maybe can't hold a Maybe."""
        if s is _INSIDE_MAYBE:
            raise EncodeError("", wire.NESTED_MAYBE)
        return None if v is None else k(_INSIDE_MAYBE, v)

    def encode_list(self, _s: Any, v: list[A], k: Two) -> Any:
        """A list."""
        if type(v) is not list:
            wire.no("List", v)
        made: list[Any] = []
        try:
            made.extend(k(None, each) for each in v)
        except ValueError as error:
            raise below(error, f"[{len(made)}]", EncodeError) from None
        return made

    def encode_record(self, _s: Any, _n_fields: int, k: Step) -> Any:
        """A map."""
        return k({})

    def encode_record_field(self, s: Any, _i: int, name: str, k: Step) -> Any:
        """One more key of the map."""
        try:
            s[name] = k(None)
        except ValueError as error:
            raise below(error, name, EncodeError) from None
        except AttributeError as error:
            raise EncodeError("", f"expected a record that has {name}: {error}") from None
        return s

    def encode_enum(self, _s: Any, a: A, _as_index: Callable[[A], int], as_name: Callable[[A], str]) -> Any:
        """A member's name."""
        try:
            return as_name(a)
        except (LookupError, TypeError):
            return wire.no("a member of the enum", a)

    # Beyond Gugugu

    def encode_int64(self, _s: Any, v: int) -> Any:
        """An Int64 is itself."""
        return v if type(v) is int and -(1 << 63) <= v < 1 << 63 else wire.no("Int64", v)

    def encode_integer(self, _s: Any, v: int) -> Any:
        """An Integer is itself."""
        return v if type(v) is int else wire.no("Integer", v)

    def encode_bytes(self, _s: Any, v: bytes) -> Any:
        """Bytes as base64."""
        return _written("Bytes", v, wire.write_bytes)

    def encode_timestamp(self, _s: Any, v: Any) -> Any:
        """An instant as text."""
        return _written("Timestamp", v, wire.write_timestamp)

    def encode_duration(self, _s: Any, v: Any) -> Any:
        """A time span as microseconds."""
        return _written("Duration", v, wire.write_duration)

    def encode_uuid(self, _s: Any, v: Any) -> Any:
        """A UUID as text."""
        return _written("Uuid", v, wire.write_uuid)

    def encode_decimal(self, _s: Any, v: Any) -> Any:
        """A decimal number as text."""
        return _written("Decimal", v, wire.write_decimal)

    def encode_map(self, _s: Any, v: dict[A, B], key: Two, k: Two) -> Any:
        """A map with text keys."""
        if type(v) is not dict:
            wire.no("Map", v)
        made = {}
        for name, each in v.items():
            try:
                written = wire.key_to_wire(key(None, name))
            except ValueError as error:
                raise of_a_key(error, EncodeError) from None
            try:
                made[written] = k(None, each)
            except ValueError as error:
                raise below(error, written, EncodeError) from None
        return made

    def encode_set(self, s: Any, v: set[A], k: Two) -> Any:
        """A list, in order."""
        if not isinstance(v, (set, frozenset)):
            wire.no("Set", v)
        return sorted(self.encode_list(s, list(v), k))

    def encode_wrapped(self, _s: Any, v: Any, k: Two) -> Any:
        """Nothing, or a map that holds what may itself be nothing."""
        if v is None:
            return None
        if not hasattr(v, "value"):
            wire.no('{"just": ...} or nothing', v)
        return {"just": k(None, v.value)}

    def encode_sum(self, _s: Any, _i: int, name: str, n_fields: int, k: Step) -> Any:
        """A name, or a map of the name and the fields."""
        if not n_fields:
            return name
        try:
            return {name: k({})}
        except ValueError as error:
            raise below(error, name, EncodeError) from None

    def __getattr__(self, name: str) -> Two:
        target = target_of(name, "encode_", self._targets)

        def encode_foreign(_s: Any, v: Any) -> Any:
            return convert_foreign(0, target, v, self._converter, EncodeError)

        return encode_foreign


def _written(kind: str, v: Any, write: Step) -> Any:
    try:
        return write(v)
    except wire.FAILURES:
        return wire.no(kind, v)
