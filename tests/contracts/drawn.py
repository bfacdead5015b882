"""Definitions and values drawn at random: whatever may be written is met sooner or later, in names that get in the way.

A drawing depends on its seed alone, so that a test that fails says which one to look at.
"""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bascule.bridge.contracts.names import lower, snake, upper_snake
from bascule.bridge.contracts.schema import Builtin, Enum, Field, Foreign, Record, Schema, Sum, Type

_LOW, _HIGH = (
    text.split()
    for text in (
        """
    id type class def from none true list dict str int self cls impl s k a to_wire fromWire name value print object
    tuple wire codec foreign runtime typing async await match case lambda_ __ x_ toJson encode decode field init any
    union optional namespace contract mro real send ask transport len dataclass enum annotations super property map
    set frozen slots hash eq repr doc read write build alpha betaGamma xY2z
""",
        """
    Type Class Def None True Dict Str Int Self Any Optional Union Enum Exception ValueError Object Tuple Wire
    Codec Encoders Foreign S R T Module Transport Mapping Sequence Protocol Generic Final TypeVar Callable ABC Date
    Property HTTPServer X509 ClassVar Literal Iterator ShopModule Client Server Wired Mismatch Alpha BetaGamma
""",
    )
)
_TEXTS = ("", "x", 'a "quoted" \\ text', "Zoë", "\0\n\t", "\U0001f600", "null", "1")
_DOCS = ("", '-- | Says "so" and \\n\n', "-- |\n-- é\n", '-- \'q\' """\n', "-- | Ends in \\\n")
_PLAIN = ("Unit", "Bool", "Int32", "Double", "String")
_EXTENDED = ("Int64", "Integer", "Bytes", "Timestamp", "Duration", "Uuid", "Decimal", "Set String", "Map String Int32")


def draw_definitions(seed: int) -> dict[str, str]:
    """The texts of some modules that use each other, by name."""
    chance = random.Random(seed)
    # Codecs know foreign types of a module Foreign by names that are their own operations, too.
    modules = [each for each in _HIGH if each != "Foreign"]
    names = list(_unique(chance, modules, 2, snake, lower))
    first = _Module(chance, names[0], extended=chance.random() < 0.5)
    second = _Module(chance, names[1], extended=chance.random() < 0.5, imports=first)
    return {each.name: each.text() for each in (first, second)}


def draw_wire(chance: random.Random, schema: Schema, definition: Record | Enum | Sum, depth: int = 0) -> Any:
    """The plain form of some value of a definition."""
    if isinstance(definition, Enum):
        return chance.choice(definition.members).wire
    if isinstance(definition, Record):
        return _fields(chance, schema, definition.fields, depth)
    case = chance.choice(definition.cases)
    return {case.wire: _fields(chance, schema, case.fields, depth)} if case.fields else case.wire


def _unique(
    chance: random.Random, pool: Sequence[str], count: int, *rules: Callable[[str], str], taken: Sequence[str] = ()
) -> Iterator[str]:
    """Names of a pool that are still different when they were renamed by any of the rules."""
    seen = [{rule(each) for each in taken} for rule in rules]
    for name in chance.sample(pool, len(pool)):
        if count and not any(rule(name) in used for rule, used in zip(rules, seen, strict=True)):
            for rule, used in zip(rules, seen, strict=True):
                used.add(rule(name))
            count -= 1
            yield name


@dataclass
class _Module:
    chance: random.Random
    name: str
    extended: bool
    imports: _Module | None = None
    complete: list[str] = field(default_factory=list)  # of which a value can be made by what stands before
    names: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The file."""
        chance = self.chance
        taken = self.imports.names if self.imports else []
        self.names = list(_unique(chance, _HIGH, 7, str, snake, str.lower, taken=taken))
        self.complete = [*taken]
        lines = ["{-# EXTENDED #-}"] if self.extended else []
        lines += [f"{chance.choice(_DOCS)}module {self.name} where", ""]
        lines += [f"import {self.imports.name}", ""] if self.imports else []
        for name in self.names:
            lines += [chance.choice(_DOCS) + self._data(name), ""]
            self.complete.append(name)
        for name in _unique(chance, _LOW, 4, snake, str.lower):
            stream = "Stream " if self.extended and chance.random() < 0.3 else ""
            result = f"({stream}{self._argument()})" if stream else self._argument()
            lines += [f"{chance.choice(_DOCS)}{name} :: {self._type()} -> IO {result}"]
        return "\n".join(lines) + "\n"

    def _data(self, name: str) -> str:
        chance = self.chance
        kind = chance.choice(["record", "record", "record", "enum", "foreign", *["sum"] * self.extended])
        if kind == "foreign":
            return f"data {name} {{-# FOREIGN python datetime.datetime #-}}"
        if kind == "record":
            return f"data {name} = {name} {self._record(chance.randrange(1, 7))}"
        pool = [each for each in _HIGH if each not in ("Codec", "Module")]  # NameCodec is made, too: refused
        parts = list(_unique(chance, pool, chance.randrange(2, 6), upper_snake, str.lower))
        if kind == "sum":
            loaded = [not at or chance.random() < 0.5 for at in range(len(parts))]
            parts = [f"{part} {self._record(2)}" if more else part for part, more in zip(parts, loaded, strict=True)]
        return f"data {name} = {' | '.join(parts)}"

    def _record(self, count: int) -> str:
        names = _unique(self.chance, _LOW, count, snake, str.lower)
        return "{ " + ", ".join(f"{name} :: {self._type()}" for name in names) + " }"

    def _type(self, depth: int = 0, *, inside: bool = False) -> str:
        """A type; `inside` of a Maybe or List it may be one that comes later, or the one at hand."""
        chance = self.chance
        known = [*self.complete, *self.names] if inside else self.complete
        roll = chance.random()
        if roll < 0.3 and known:
            return chance.choice(known)
        if roll < 0.6 or depth > 2:
            return chance.choice(_PLAIN + _EXTENDED * self.extended)
        outer = chance.choice(["Maybe", "List"])
        inner = self._type(depth + 1, inside=True)
        if outer == "Maybe" and inner.startswith("Maybe") and not self.extended:
            outer = "List"  # a Maybe of a Maybe has no form of its own there
        return f"{outer} ({inner})"

    def _argument(self) -> str:
        return f"({self._type()})"


def _fields(chance: random.Random, schema: Schema, fields: Sequence[Field], depth: int) -> dict[str, Any]:
    return {each.wire: _plain(chance, schema, each.type, depth + 1) for each in fields}


def _plain(chance: random.Random, schema: Schema, type: Type, depth: int) -> Any:
    target = type.target
    if not isinstance(target, Builtin):
        definition = schema.definition(target)
        if isinstance(definition, Foreign):
            return f"2024-02-{chance.randrange(1, 30):02}T12:30:59"
        return draw_wire(chance, schema, definition, depth)
    if target in _SIMPLE:
        return _SIMPLE[target](chance)
    few = 0 if depth > 4 else chance.randrange(4)
    if target in (Builtin.MAYBE, Builtin.WRAPPED):
        if not few:
            return None
        inner = _plain(chance, schema, type.arguments[0], depth + 1)
        return {"just": inner} if target is Builtin.WRAPPED else inner
    if target is Builtin.LIST:
        return [_plain(chance, schema, type.arguments[0], depth + 1) for _ in range(few)]
    if target is Builtin.SET:
        return sorted(chance.sample(_TEXTS, few))
    return {key: chance.randrange(100) for key in chance.sample(_TEXTS, few)}


def _between(bits: int) -> Callable[[random.Random], int]:
    limit = 1 << bits
    return lambda chance: chance.choice([0, -limit, limit - 1, chance.randrange(-limit, limit)])


_SIMPLE: dict[Builtin, Callable[[random.Random], Any]] = {
    Builtin.UNIT: lambda _: {},
    Builtin.BOOL: lambda chance: chance.random() < 0.5,
    Builtin.INT32: _between(31),
    Builtin.INT64: _between(63),
    Builtin.INTEGER: _between(300),
    Builtin.DOUBLE: lambda chance: chance.choice([0.0, -1.5, 5e-324, 1e300, chance.uniform(-1e6, 1e6)]),
    Builtin.STRING: lambda chance: chance.choice(_TEXTS),
    Builtin.BYTES: lambda chance: base64.b64encode(chance.randbytes(chance.randrange(9))).decode(),
    Builtin.TIMESTAMP: lambda chance: (
        f"{chance.randrange(1, 10_000):04}-02-28T12:00:00.{chance.randrange(1, 10**6):06}Z"
    ),
    Builtin.DURATION: _between(60),
    Builtin.UUID: lambda chance: str(uuid.UUID(bytes=chance.randbytes(16))),
    Builtin.DECIMAL: lambda chance: chance.choice(["0", "1.50", "-0.1", "1E+30", f"{chance.randrange(10**9)}.25"]),
}
