"""From annotations to a contract that somebody can start from: `bascule contract infer shop.py`.

It starts from a landscape: what a module offers, as a worker describes it (a JSON file with `members`), or as
`bascule sketch` finds it in the source, without importing anything. A sketch tells more: dataclasses, named tuples and
typed dictionaries become records, enums become enums. A generator becomes a stream. What has no annotation is of the
foreign type `Unknown`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bascule.bridge.contracts.inferring import BUILTIN, KNOWN
from bascule.bridge.contracts.proposing import Entry, InferError, Proposal, maybe, shown, wrapped
from bascule.bridge.sketch import NoSuchModule, sketch
from bascule.bridge.sketch.choosing import public
from bascule.bridge.sketch.describing import as_landscape
from bascule.bridge.sketch.model import Alias, Class, Module

_LISTS = frozenset(
    ("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "tuple", "Tuple", "deque", "Deque")
)
_SETS = frozenset(("set", "Set", "frozenset", "FrozenSet", "AbstractSet", "MutableSet"))
_MAPS = frozenset(("dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "DefaultDict"))
_STREAMS = frozenset(("Iterator", "Generator", "AsyncIterator", "AsyncGenerator", "AsyncIterable"))
_AWAITED = frozenset(("Awaitable", "Coroutine", "Future", "Task"))
_TRANSPARENT = _AWAITED | {"Annotated", "Final", "Required", "NotRequired"}
_RECORDS = frozenset(("NamedTuple", "TypedDict", "BaseModel", "Struct"))
_ENUMS = frozenset(("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"))
_KEYS = frozenset(("String", "Integer", "Int32", "Int64", "Uuid"))
_OF_NAMES = {name: written for (_, name), written in KNOWN.items()}


def is_landscape(path: Path) -> bool:
    """Whether a file is a landscape, and no trace."""
    if path.suffix != ".json":
        return False
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and isinstance(told.get("members"), list)


def infer_source(what: str, module: str) -> str:
    """A definition file for a Python file, or for a module by its name.

    Raises:
        InferError: There is none, or it has no function.
    """
    try:
        found = sketch(Path(what) if what.endswith(".py") else what)
    except (NoSuchModule, OSError) as error:
        raise InferError(f"{what}: there is no such trace, file or module: {error}") from None
    if found.error is not None:
        raise InferError(f"{what}: {found.error}")
    return propose(as_landscape(found, public(found)), module, what, found)


def infer_landscape(path: Path, module: str) -> str:
    """A definition file for a landscape as JSON.

    Raises:
        InferError: It has no function.
    """
    return propose(json.loads(path.read_text(encoding="utf-8")), module, path.name)


def propose(landscape: Mapping[str, Any], module: str, origin: str, sketched: Module | None = None) -> str:
    """A definition file for a landscape.

    Args:
        landscape: As `bascule.workers.landscape` has it.
        module: The definition file's module.
        origin: Where it comes from, for a comment.
        sketched: The sketch that it was made of: what its classes are.

    Raises:
        InferError: It has no function.
    """
    proposal = Proposal(module, origin)
    types = _Annotations(proposal, str(landscape.get("module") or ""), _classes(sketched))
    functions = [each for each in landscape.get("members", ()) if each.get("kind") == "function"]
    if not functions:
        raise InferError(f"{origin} offers no function")
    for each in functions:
        types.function(each)
    return proposal.text()


def _classes(module: Module | None) -> dict[str, Class]:
    members = () if module is None else module.members
    meant = [each.meant if isinstance(each, Alias) else each for each in members]
    return {each.name: each for each in meant if isinstance(each, Class)}


class _Annotations:
    """The annotations of one module as types of definitions."""

    def __init__(self, proposal: Proposal, module: str, classes: dict[str, Class]) -> None:
        self._proposal = proposal
        self._module = module
        self._classes = classes
        self._defined: dict[str, str] = {}  # class -> definition
        self._enums: set[str] = set()

    # ---- Functions and classes

    def function(self, told: Mapping[str, Any]) -> None:
        """A function of the landscape."""
        name = str(told["name"])
        entries = [self._parameter(each) for each in told.get("parameters") or ()]
        returns = told.get("returns")
        evidence = f"{self._module}.{name}" + (
            f" gives: {shown(returns)}" if returns else "; nobody says what it gives."
        )
        tree = _parsed(returns)
        streams = told.get("generator") or (tree is not None and _head(tree) in _STREAMS)
        if streams:
            of = _arguments(tree)[0] if tree is not None and _head(tree) in _STREAMS | _LISTS else None
            result = f"Stream {wrapped(self._written(of))}"
        else:
            result = self._written(tree)
        self._proposal.function(f"{self._module}.{name}", entries, result, evidence)

    def _parameter(self, told: Mapping[str, Any]) -> Entry:
        annotation, kind = told.get("annotation"), str(told.get("kind", ""))
        note = shown(annotation) if annotation else "not annotated"
        written = self._written(_parsed(annotation))
        name = str(told["name"]).lstrip("*")
        if kind.startswith("var") and "key" in kind:
            return Entry(name, f"Map String {wrapped(written)}", "", f"the rest of the keywords: {note}")
        if kind.startswith("var"):
            return Entry(name, f"List {wrapped(written)}", "", f"the rest: {note}")
        return self._entry(name, written, told.get("default"), note)

    def _entry(self, name: str, written: str, default: str | None, note: str) -> Entry:
        """A field with the default that Python gives it, or that it may be absent."""
        if default is None:
            return Entry(name, written, "", note)
        literal = _literal(default, written.removeprefix("Maybe ").strip("()"))
        if literal == "Nothing":
            written = maybe(written)
        elif not literal:
            return Entry(name, maybe(written), "Nothing", f"{note} = {shown(default)}")
        return Entry(name, written, literal, note)

    def _class(self, cls: Class) -> str:
        """The definition of a class of this module."""
        if cls.name in self._defined:
            return self._defined[cls.name]
        bases = {base.partition("[")[0].rpartition(".")[2] for base in cls.bases}
        fields = [each for each in cls.fields if not each.name.startswith("_")]
        if bases & _ENUMS and (plain := [each.name for each in fields if each.annotation is None]):
            name = self._defined[cls.name] = self._proposal.type_name(cls.name)
            self._enums.add(name)
            self._proposal.enum(name, plain, f"The enum {cls.name}.")
            return name
        decorated = any("dataclass" in each or each.endswith("define") for each in cls.decorators)
        annotated = [each for each in fields if each.annotation is not None and "ClassVar" not in each.annotation]
        if (decorated or bases & _RECORDS) and annotated:
            name = self._defined[cls.name] = self._proposal.type_name(cls.name)  # first: it may refer to itself
            entries = [
                self._entry(
                    each.name, self._written(_parsed(each.annotation)), each.value, shown(each.annotation or "")
                )
                for each in annotated
            ]
            self._proposal.record(name, entries, f"The class {cls.name}.")
            return name
        self._defined[cls.name] = self._proposal.foreign(f"{self._module}.{cls.name}")
        return self._defined[cls.name]

    # ---- Types

    def _written(self, tree: ast.expr | None) -> str:
        if tree is None:
            return self._unknown()
        if isinstance(tree, ast.Constant) and tree.value is None:
            return "Unit"
        if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
            return self._written(_parsed(tree.value))
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
            return self._either(_options(tree))
        head, inner = _head(tree), _arguments(tree)
        if head in ("Optional", "Union") and inner:
            return self._either([*inner, *([ast.Constant(None)] if head == "Optional" else [])])
        if head in _TRANSPARENT and inner:
            return self._written(inner[-1 if head == "Coroutine" else 0])
        if head == "Literal" and inner:
            return self._either(
                [ast.Name(type(each.value).__name__) for each in inner if isinstance(each, ast.Constant)]
            )
        if head in _MAPS and len(inner) == 2:
            return self._map(*inner)
        if head in _SETS and inner:
            element = self._written(inner[0])
            return f"Set {element}" if element in _KEYS | self._enums else f"List {wrapped(element)}"
        if head in _LISTS and inner:
            kinds = {
                self._written(each) for each in inner if not isinstance(each, ast.Constant) or each.value is not ...
            }
            return f"List {wrapped(kinds.pop() if len(kinds) == 1 else self._unknown())}"
        return self._named(tree, head)

    def _named(self, tree: ast.expr, head: str) -> str:
        if head in BUILTIN:
            return BUILTIN[head]
        if head in _OF_NAMES:
            return _OF_NAMES[head]
        if head in self._classes:
            return self._class(self._classes[head])
        if head in ("Any", "object", "") or head in _LISTS | _SETS | _MAPS:
            return f"List {self._unknown()}" if head in _LISTS else self._unknown()
        dotted = ast.unparse(tree).partition("[")[0]
        return self._proposal.foreign(dotted if "." in dotted else f"{self._module}.{dotted}")

    def _map(self, key: ast.expr, value: ast.expr) -> str:
        kind = self._written(key)
        return f"Map {kind} {wrapped(self._written(value))}" if kind in _KEYS | self._enums else self._unknown()

    def _either(self, options: Iterable[ast.expr]) -> str:
        written = [self._written(each) for each in options]
        kinds = {each.removeprefix("Maybe ") for each in written if each != "Unit"}
        if kinds == {"Integer", "Double"}:
            kinds = {"Double"}
        inner = kinds.pop() if len(kinds) == 1 else self._unknown()
        nothing = "Unit" in written or any(each.startswith("Maybe ") for each in written)
        return maybe(inner.strip("()")) if nothing else inner

    def _unknown(self) -> str:
        return self._proposal.foreign("object", "Unknown")


def _parsed(annotation: str | None) -> ast.expr | None:
    if not annotation:
        return None
    try:
        return ast.parse(annotation, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def _head(tree: ast.expr) -> str:
    """The last name of what is written, or of what is applied."""
    if isinstance(tree, ast.Subscript):
        return _head(tree.value)
    return tree.attr if isinstance(tree, ast.Attribute) else tree.id if isinstance(tree, ast.Name) else ""


def _arguments(tree: ast.expr | None) -> list[ast.expr]:
    if not isinstance(tree, ast.Subscript):
        return []
    return list(tree.slice.elts) if isinstance(tree.slice, ast.Tuple) else [tree.slice]


def _options(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        return [*_options(tree.left), *_options(tree.right)]
    return [tree]


def _literal(default: str, written: str) -> str:
    """A default of Python's as a definition has it; empty: it can't be said there."""
    try:
        value = ast.literal_eval(default)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    if value is None:
        return "Nothing"
    if isinstance(value, bool):
        return str(value) if written == "Bool" else ""
    if isinstance(value, int) and written in ("Integer", "Double"):
        return str(value)
    if isinstance(value, float) and written == "Double" and "n" not in repr(value):
        return repr(value)
    return json.dumps(value) if isinstance(value, str) and written == "String" else ""
