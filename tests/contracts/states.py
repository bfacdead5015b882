"""Codec implementations of two more kinds: one whose states are never changed, one that changes them in place.

Both are stacks of plain values. The first is a chain of pairs, and an operation gives a new one. The second is a list
that is changed, behind a handle that may be used once: an operation gives a new handle, so a program that goes back to
a state that it has passed on is found out. What single values become is left to the codecs that are shipped.
"""

from __future__ import annotations

from typing import Any, Protocol

from bascule.workers.contracts.codecs import ValueDecoder, ValueEncoder


class Stack(Protocol):
    """A state."""

    def push(self, value: Any) -> Stack: ...

    def pop(self) -> tuple[Stack, Any]: ...


class Chain:
    """A stack that is never changed."""

    def __init__(self, top: tuple[Any, Any] | None = None) -> None:
        self._top = top

    def push(self, value: Any) -> Chain:
        return Chain((value, self._top))

    def pop(self) -> tuple[Chain, Any]:
        assert self._top is not None
        return Chain(self._top[1]), self._top[0]


class Handle:
    """A stack that is changed in place, for one operation."""

    def __init__(self, values: list[Any] | None = None) -> None:
        self._values: list[Any] | None = [] if values is None else values

    def _take(self) -> list[Any]:
        values, self._values = self._values, None
        assert values is not None, "this state was passed on already"
        return values

    def push(self, value: Any) -> Handle:
        values = self._take()
        values.append(value)
        return Handle(values)

    def pop(self) -> tuple[Handle, Any]:
        values = self._take()
        value = values.pop()
        return Handle(values), value


class StackEncoder:
    """Makes plain values; each operation leaves its own on the stack."""

    def __init__(self, state: type[Chain | Handle], targets: dict[str, str]) -> None:
        self._state = state
        self._plain = ValueEncoder(targets)

    def encode_with_state(self, k: Any) -> Any:
        return k(self._state()).pop()[1]

    def _each(self, s: Any, values: Any, k: Any) -> tuple[Any, list[Any]]:
        made = []
        for each in values:
            s, value = k(s, each).pop()
            made.append(value)
        return s, made

    def encode_maybe(self, s: Any, v: Any, k: Any) -> Any:
        return s.push(None) if v is None else k(s, v)

    def encode_wrapped(self, s: Any, v: Any, k: Any) -> Any:
        if v is None:
            return s.push(None)
        s, value = k(s, v.value).pop()
        return s.push({"just": value})

    def encode_list(self, s: Any, v: Any, k: Any) -> Any:
        s, made = self._each(s, v, k)
        return s.push(made)

    def encode_set(self, s: Any, v: Any, k: Any) -> Any:
        s, made = self._each(s, v, k)
        return s.push(sorted(made))

    def encode_map(self, s: Any, v: Any, key: Any, k: Any) -> Any:
        s, keys = self._each(s, v, key)
        s, made = self._each(s, v.values(), k)
        return s.push(dict(zip(map(str, keys), made, strict=True)))

    def encode_record(self, s: Any, n_fields: int, k: Any) -> Any:
        s, fields = k(s.push({})).pop()
        assert len(fields) == n_fields
        return s.push(fields)

    def encode_record_field(self, s: Any, i: int, name: str, k: Any) -> Any:
        s, value = k(s).pop()
        s, fields = s.pop()
        assert len(fields) == i
        return s.push({**fields, name: value})

    def encode_sum(self, s: Any, i: int, name: str, n_fields: int, k: Any) -> Any:
        s, fields = k(s.push({})).pop()
        return s.push({name: fields} if n_fields else name)

    def __getattr__(self, name: str) -> Any:
        def push(s: Any, *arguments: Any) -> Any:
            return s.push(getattr(self._plain, name)(None, *arguments))

        return push


class StackDecoder:
    """Reads plain values; each operation takes its own from the stack."""

    def __init__(self, state: type[Chain | Handle], targets: dict[str, str]) -> None:
        self._state = state
        self._plain = ValueDecoder(targets)

    def decode_with_state(self, r: Any, k: Any) -> Any:
        return k(self._state().push(r))[1]

    def _each(self, s: Any, values: Any, k: Any) -> tuple[Any, list[Any]]:
        made = []
        for each in values:
            s, value = k(s.push(each))
            made.append(value)
        return s, made

    def decode_maybe(self, s: Any, k: Any) -> Any:
        s, value = s.pop()
        if value is None:
            return s, None
        s, found = k(s.push(value))
        return s, () if found is None else found  # a Unit that is there

    def decode_wrapped(self, s: Any, k: Any, just: Any) -> Any:
        s, value = s.pop()
        if value is None:
            return s, None
        s, inner = k(s.push(value["just"]))
        return s, just(inner)

    def decode_list(self, s: Any, k: Any) -> Any:
        s, values = s.pop()
        return self._each(s, values, k)

    def decode_set(self, s: Any, k: Any) -> Any:
        s, made = self.decode_list(s, k)
        return s, set(made)

    def decode_map(self, s: Any, key: Any, k: Any) -> Any:
        s, values = s.pop()
        s, keys = self._each(s, [int(each) if each.lstrip("-").isdigit() else each for each in values], key)
        s, made = self._each(s, values.values(), k)
        return s, dict(zip(keys, made, strict=True))

    def decode_record(self, s: Any, n_fields: int, k: Any) -> Any:
        s, found = k(s)
        s, fields = s.pop()
        assert len(fields) <= n_fields
        return s, found

    def decode_record_field(self, s: Any, i: int, name: str, k: Any) -> Any:
        s, fields = s.pop()
        return k(s.push(fields).push(fields[name]))

    def decode_optional_field(self, s: Any, i: int, name: str, k: Any, default: Any) -> Any:
        s, fields = s.pop()
        s = s.push(fields)
        return k(s.push(fields[name])) if name in fields else (s, default)

    def decode_sum(self, s: Any, cases: Any) -> Any:
        s, value = s.pop()
        tag, fields = (value, {}) if isinstance(value, str) else next(iter(value.items()))
        (k,) = (k for name, _, k in cases if name == tag)
        s, found = k(s.push(fields))
        return s.pop()[0], found

    def __getattr__(self, name: str) -> Any:
        def read(s: Any, *arguments: Any) -> Any:
            s, value = s.pop()
            return s, getattr(self._plain, name)(value, *arguments)[1]

        return read
