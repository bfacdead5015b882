"""JSON read by msgspec, where that is installed: for each record a struct that has its shape.

msgspec knows nothing of enums that travel by name, nor of a key that stands twice. So it reads into structs of plain
values, of which a generated `_build` makes the real ones; and what it read is counted: JSON that has more members than
the values that came of it may have one twice, and is left to the slow way, as is everything that is wrong. The slow way
knows how to say so.
"""

from __future__ import annotations

import sys
import typing
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .wire import FAILURES, write_json

msgspec: Any = __import__("msgspec")  # by name: who has it not, need not have its types either

if TYPE_CHECKING:
    from collections.abc import Callable

    Count = int | Callable[[Any], int]

failures_of_msgspec = (*FAILURES, msgspec.MsgspecError)
_SCALARS = {
    "Bool": "bool",
    "Double": "float",
    "String": "str",
    "Int32": "Int32",
    "Int64": "Int64",
    "Integer": "int",
}


def reader(cls: Any, known: dict[str, dict[str, Any]]) -> Callable[[str | bytes], Any] | None:
    """What makes a record of JSON, or None of what must be read with more care; None for what is no record."""
    kind = cls.WIRE_KIND
    if "record" not in known.get(kind, {}) or not hasattr(cls, "_build"):
        return None
    shapes = _Shapes(known)
    decode = msgspec.json.Decoder(shapes.struct(kind)).decode
    count = shapes.count(kind)
    build = cls._build

    def read(text: str | bytes) -> Any:
        try:
            data = text.encode() if isinstance(text, str) else text
            found = decode(data)
            expected = count if isinstance(count, int) else count(found)
            if data.count(b":") != expected and _members(data) != expected:
                return None
            return build(found)
        except failures_of_msgspec:
            return None

    return read


def write(plain: Any) -> bytes:
    """Plain values as JSON."""
    try:
        return bytes(msgspec.json.encode(plain))
    except failures_of_msgspec:  # such as a lone surrogate: the slow way can write it, or say what is wrong
        return write_json(plain)


def _members(data: bytes) -> int:
    """No less than the members of all objects: a colon comes after the quote that ends a key, or after a blank."""
    return sum(data.count(before + b":") for before in (b'"', b" ", b"\n", b"\t", b"\r"))


class _Shapes:
    """The structs of one set of definitions, in a module of their own: they may refer to each other."""

    def __init__(self, known: dict[str, dict[str, Any]]) -> None:
        self._known = known
        self._names: dict[str, str] = {}
        self._counts: dict[str, Count | None] = {}
        self._module = ModuleType(f"{__name__}_{id(self):x}")
        self._module.__dict__.update(Any=Any, Maybe=typing.Optional, List=list)
        for name, bits in (("Int32", 31), ("Int64", 63)):
            bound = 1 << bits
            limits = msgspec.Meta(ge=-bound, le=bound - 1)
            setattr(self._module, name, _annotated(int, limits))
        sys.modules[self._module.__name__] = self._module

    def struct(self, kind: str) -> Any:
        """The struct of a record, and with it those of all that it mentions."""
        if kind not in self._names:
            name = self._names[kind] = f"R{len(self._names)}"
            described = self._known[kind]["record"]
            fields: list[Any] = []
            for index, each in enumerate(described):
                field = [f"f{index}", self._annotation(each[1])]
                if len(each) > 2:
                    field.append(each[2]["default"])
                fields.append(tuple(field))
            made = msgspec.defstruct(
                name,
                fields,
                module=self._module.__name__,
                rename={f"f{index}": each[0] for index, each in enumerate(described)},
                forbid_unknown_fields=True,
                kw_only=True,
                gc=False,
            )
            setattr(self._module, name, made)
        return getattr(self._module, self._names[kind], None)

    def _annotation(self, kind: Any) -> str:
        if isinstance(kind, str):
            definition = self._known.get(kind, {})
            if "record" in definition:
                self.struct(kind)
                return self._names[kind]
            return "str" if "enum" in definition else _SCALARS.get(kind, "Any")
        head = kind[0]
        inner = self._annotation(kind[1])
        if head == "Maybe" and isinstance(kind[1], (str, list)) and kind[1][0] != "Maybe":
            return f"Maybe[{inner}]"
        return f"List[{inner}]" if head == "List" else "Any"

    def count(self, kind: Any) -> Count:
        """How many members the JSON of a value has: a number, or a function of the value."""
        if isinstance(kind, str):
            described = self._known.get(kind, {}).get("record")
            if described is None:
                return 0 if kind in _SCALARS or "enum" in self._known.get(kind, {}) else _anything
            if kind in self._counts:
                known = self._counts[kind]
                return known if known is not None else lambda value: self._late(kind, value)
            self._counts[kind] = None
            self._counts[kind] = found = self._of_record(described)
            return found
        if kind[0] not in ("Maybe", "List"):
            return _anything
        inner = self.count(kind[1])
        if inner == 0:
            return 0
        if kind[0] == "Maybe":
            return _of_maybe(inner)
        return _of_list(inner)

    def _late(self, kind: str, value: Any) -> int:
        known = self._counts[kind]
        assert known is not None
        return known if isinstance(known, int) else known(value)

    def _of_record(self, described: list[Any]) -> Count:
        if any(len(each) > 2 for each in described):
            return _never
        base = len(described)
        more = []
        for index, each in enumerate(described):
            inner = self.count(each[1])
            if isinstance(inner, int):
                base += inner
            else:
                more.append((f"f{index}", inner))
        if not more:
            return base
        if len(more) == 1:
            ((name, only),) = more
            return lambda value: base + only(getattr(value, name))
        return lambda value: base + sum([inner(getattr(value, name)) for name, inner in more])


def _of_maybe(inner: Count) -> Count:
    if isinstance(inner, int):
        return lambda value: 0 if value is None else inner
    return lambda value: 0 if value is None else inner(value)


def _of_list(inner: Count) -> Count:
    if isinstance(inner, int):
        return lambda value: len(value) * inner
    return lambda value: sum([inner(each) for each in value])


def _anything(value: Any) -> int:
    """Of what was read without a shape: a key that stood twice can't be seen any more, so only leaves are trusted."""
    return -1 << 60 if isinstance(value, (dict, list)) else 0


def _never(_value: Any) -> int:
    """Of a record whose members may be absent."""
    return -1


def _annotated(kind: Any, meta: Any) -> Any:
    from typing import Annotated

    return Annotated[kind, meta]
