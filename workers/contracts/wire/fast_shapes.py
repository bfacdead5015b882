"""For each record a struct that has its shape, for msgspec.

msgspec knows nothing of enums that travel by name, nor of a key that stands twice, and would take a tuple for a list
and anything with the right attributes for a record: `fast_reading` and `fast_writing` say what they do about it.
Whatever is odd is left to the slow way, as is everything that is wrong: the slow way knows how to say so.
"""

from __future__ import annotations

import sys
import typing
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import FAILURES

msgspec: Any = __import__("msgspec")  # by name: who has it not, need not have its types either

if TYPE_CHECKING:
    from collections.abc import Callable

    # A field whose values are looked into: how to get it, the Maybes and Lists around its values, and what they are.
    Inside = tuple[Callable[[Any], Any], list[str], str]

failures_of_msgspec = (*FAILURES, msgspec.MsgspecError)
SCALARS = {
    "Bool": "bool",
    "Double": "float",
    "String": "str",
    "Int32": "Int32",
    "Int64": "Int64",
    "Integer": "int",
}
_BIGGEST = sys.float_info.max


class Shapes:
    """The structs of one set of definitions, in a module of their own: they may refer to each other."""

    def __init__(self, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> None:
        self.known = known
        self.classes = classes
        self.names: dict[str, str] = {}
        self.module = ModuleType(f"{__name__}_{id(self):x}")
        # The builtin ones too: a struct's own attributes come before those that a module has not.
        self.module.__dict__.update(Any=Any, Maybe=typing.Optional, List=list, bool=bool, float=float, int=int, str=str)
        for name, bits in (("Int32", 31), ("Int64", 63)):
            bound = 1 << bits
            limits = msgspec.Meta(ge=-bound, le=bound - 1)
            setattr(self.module, name, _annotated(int, limits))
        self.module.__dict__["Finite"] = _annotated(float, msgspec.Meta(ge=-_BIGGEST, le=_BIGGEST))
        sys.modules[self.module.__name__] = self.module

    def struct(self, kind: str) -> Any:
        """The struct of a record, and with it those of all that it mentions."""
        if kind not in self.names:
            name = self.names[kind] = f"R{len(self.names)}"
            described = self.known[kind]["record"]
            names = self._fields(kind)
            entries: list[Any] = []
            for called, each in zip(names, described):
                field = [called, self._annotation(each[1])]
                if len(each) > 2:
                    field.append(each[2]["default"])
                entries.append(tuple(field))
            made = self._make(kind, name, entries, {called: each[0] for called, each in zip(names, described)})
            setattr(self.module, name, made)
        return getattr(self.module, self.names[kind], None)

    def is_plain(self, kind: Any, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a type has nothing but what is plain, and of every record the class is there."""
        if not isinstance(kind, str):
            nested = kind[0] == "Maybe" and not isinstance(kind[1], str) and kind[1][0] == "Maybe"
            return kind[0] in ("Maybe", "List") and not nested and self.is_plain(kind[1], seen)
        if kind in seen or kind in SCALARS or "enum" in self.known.get(kind, {}):
            return True
        described = self.known.get(kind, {}).get("record")
        if described is None or kind not in self.classes:
            return False
        return all(len(each) == 2 and self.is_plain(each[1], seen | {kind}) for each in described)

    def _make(self, kind: str, called: str, entries: list[Any], rename: dict[str, str]) -> Any:
        return msgspec.defstruct(
            called,
            entries,
            module=self.module.__name__,
            rename=rename,
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )

    def _fields(self, kind: str) -> list[str]:
        """What the fields are called in the struct."""
        return [f"f{index}" for index in range(len(self.known[kind]["record"]))]

    def _annotation(self, kind: Any) -> str:
        if isinstance(kind, str):
            definition = self.known.get(kind, {})
            if "record" in definition:
                self.struct(kind)
                return self.names[kind]
            return self._enum(kind) if "enum" in definition else self._scalar(kind)
        head = kind[0]
        inner = self._annotation(kind[1])
        if head == "Maybe" and isinstance(kind[1], (str, list)) and kind[1][0] != "Maybe":
            return f"Maybe[{inner}]"
        return f"List[{inner}]" if head == "List" else "Any"

    def _enum(self, kind: str) -> str:
        """An enum is read as the text that it is."""
        return "str"

    def _scalar(self, kind: str) -> str:
        return SCALARS.get(kind, "Any")


def inside(name: str, kind: Any) -> Inside:
    """The Maybes and Lists around a field's values, and what these are; empty for what is none of that."""
    around = []
    while not isinstance(kind, str) and kind[0] in ("Maybe", "List"):
        around.append(kind[0])
        kind = kind[1]
    return attrgetter(name), around, kind if isinstance(kind, str) else ""


def _annotated(kind: Any, meta: Any) -> Any:
    from typing import Annotated

    return Annotated[kind, meta]
