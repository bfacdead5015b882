"""A module's landscape from its sources, in the time that it takes to read them: nothing is imported.

What a package offers is mostly defined in modules below it, and imported from there into `__init__`. Each name is
followed to its definition, and of each file on the way only the top is looked at (see `skimming`). What has no source,
what is made by a call, or by the module's own `__getattr__`, is told as "lazy": there is such a name, and whoever uses
it finds out what it is.
"""

from __future__ import annotations

import ast
from importlib.machinery import PathFinder

from bascule.workers.skimming import Came, Top, definition, method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Optional, Union

    Member = dict[str, Any]
    Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

_DEEPEST: Final = 24  # names that stand for names, bases of bases
_LARGEST: Final = 8 << 20  # bytes of one source
_MAX_TEXT: Final = 200  # characters of a default or an annotation
_OF_LITERALS: Final = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.JoinedStr: "str",
}


class Found:
    """A definition: the module that it stands in, and its text; a module, which has none."""

    __slots__ = ("module", "text")

    def __init__(self, module: str, text: str) -> None:
        self.module = module
        self.text = text


class Sources:
    """The sources that were looked at for one landscape."""

    def __init__(self) -> None:
        self._tops: dict[str, Optional[Top]] = {}
        self._specs: dict[str, Any] = {}

    def spec(self, name: str) -> Any:
        """Where a module is; of its packages none is imported to find out. None: nowhere on the path."""
        if name not in self._specs:
            package, _, _last = name.rpartition(".")
            above = self.spec(package) if package else None
            folders = above.submodule_search_locations if above is not None else None
            spec = None
            if not package or folders:
                try:
                    spec = PathFinder.find_spec(name, folders)
                except Exception:  # a finder of the user's
                    spec = None
            self._specs[name] = spec
        return self._specs[name]

    def top(self, name: str) -> Optional[Top]:
        """The top of a module's source; None where there is none that can be read."""
        if name not in self._tops:
            self._tops[name] = self._read(name)
        return self._tops[name]

    def _read(self, name: str) -> Optional[Top]:
        spec = self.spec(name)
        origin = spec.origin if spec is not None else None
        if origin is None or not origin.endswith(".py"):
            return None
        import tokenize

        try:
            with tokenize.open(origin) as opened:
                source = opened.read(_LARGEST)
        except (OSError, SyntaxError, ValueError):
            return None
        if "\0" in source:
            return None
        return Top(source, name, package=spec.submodule_search_locations is not None)

    def find(self, module: str, name: str, depth: int = 0) -> Optional[Found]:
        """What a name of a module stands for; None: no source tells, or nothing of that name is there."""
        top = self.top(module) if depth < _DEEPEST else None
        if top is None:
            return None
        came = top.names.get(name)
        if came is not None and (came.text or (came.module, came.name) != (module, name)):
            return self._follow(module, came, depth)
        for other in reversed(top.stars):
            exported = self.top(other)
            if exported is not None and not (exported.exports is None and name.startswith("_")):
                found = self.find(other, name, depth + 1)
                if found is not None:
                    return found
        return Found(f"{module}.{name}", "") if self.spec(f"{module}.{name}") is not None else None

    def _follow(self, module: str, came: Came, depth: int) -> Optional[Found]:
        if came.text:
            other = _other_name(came.text)
            return self.find(module, other, depth + 1) if other else Found(module, came.text)
        if not came.name:
            return Found(came.module, "")
        return self.find(came.module, came.name, depth + 1)

    def home(self, module: str, name: str) -> Optional[str]:
        """The module that a name is imported from, as far as sources lead."""
        for _ in range(_DEEPEST):
            top = self.top(module)
            came = top.names.get(name) if top is not None else None
            if came is None or came.text or not came.name:
                break
            module, name = came.module, came.name
        return module

    def offered(self, module: str, depth: int = 0) -> list[str]:
        """What `from module import *` would import."""
        top = self.top(module) if depth < _DEEPEST else None
        if top is None:
            return []
        if top.exports is not None:
            return top.exports
        own = [name for name in top.names if not name.startswith("_")]
        return list(dict.fromkeys([*own, *[name for other in top.stars for name in self.offered(other, depth + 1)]]))


def source_members(
    name: str, clean: Callable[[object], Optional[str]], *, imports: bool = False, private: bool = False
) -> Optional[tuple[Optional[str], Optional[str], list[Member]]]:
    """The docstring, the file and the members of a module; None when it has no source.

    Args:
        name: Its dotted name.
        clean: How a docstring is told.
        imports: Names that come from other modules too.
        private: Names with a leading underscore too.
    """
    sources = Sources()
    top = sources.top(name)
    if top is None:
        return None
    listed = top.exports if not private else None
    names = list(dict.fromkeys([*top.names, *[one for other in top.stars for one in sources.offered(other)]]))
    members: list[Member] = []
    for one in listed if listed is not None else names:
        if not one.isidentifier() or (listed is None and one.startswith("__" if private else "_")):
            continue
        found = sources.find(name, one)
        if found is not None and not found.text:
            continue  # a module
        home = found.module if found is not None else sources.home(name, one)
        own = home is not None and f"{home}.".startswith(f"{name}.")
        if listed is None and not (imports or own or (top.exports is not None and one in top.exports)):
            continue
        members.append(_member(one, found, sources, clean))
    return clean(top.doc), sources.spec(name).origin, members


def _other_name(text: str) -> str:
    """`b` of a statement `a = b`."""
    _, _, value = text.partition("=")
    value = value.split("#", 1)[0].strip()
    return value if value.isidentifier() and value not in ("None", "True", "False") else ""


def _member(name: str, found: Optional[Found], sources: Sources, clean: Callable[[object], Optional[str]]) -> Member:
    node = definition(found.text) if found is not None else None
    if found is not None and isinstance(node, ast.ClassDef):
        doc, parameters = ast.get_docstring(node, clean=False), _constructor(node, found, sources)
        return {"name": name, "kind": "class", "doc": clean(doc), "parameters": parameters}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yields = found is not None and "yield" in found.text and _yields(node)
        return {
            "name": name,
            "kind": "function",
            "doc": clean(ast.get_docstring(node, clean=False)),
            "parameters": parameters_in(node),
            "returns": None if node.returns is None else _text(node.returns),
            "coroutine": isinstance(node, ast.AsyncFunctionDef) and not yields,
            "generator": yields,
        }
    value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
    kind = _type_of(value) if value is not None else None
    if kind is not None:
        return {"name": name, "kind": "constant", "doc": None, "type": kind}
    return {"name": name, "kind": "lazy", "doc": None}


def _type_of(value: ast.expr) -> Optional[str]:
    if isinstance(value, ast.UnaryOp):
        value = value.operand
    if isinstance(value, ast.Constant):
        return type(value.value).__name__
    return _OF_LITERALS.get(type(value))


def _constructor(cls: ast.ClassDef, found: Found, sources: Sources, depth: int = 0) -> Optional[list[Member]]:
    """The parameters of the nearest `__init__` or `__new__` in sources; None where that can't be told."""
    if cls.decorator_list or depth > _DEEPEST or any(one.arg == "metaclass" for one in cls.keywords):
        plain = all(isinstance(one, ast.Call) and _last_name(one.func) == "set_module" for one in cls.decorator_list)
        if not plain or depth > _DEEPEST or cls.keywords:
            return None
    for name in ("__init__", "__new__"):
        own = method(found.text, name)
        if isinstance(own, ast.FunctionDef):
            return parameters_in(own)[1:]
    for base in cls.bases:
        if not isinstance(base, ast.Name):
            return None
        if base.id == "object":
            continue
        above = sources.find(found.module, base.id)
        node = definition(above.text) if above is not None and above.text else None
        if above is None or not isinstance(node, ast.ClassDef):
            return None
        told = _constructor(node, above, sources, depth + 1)
        if told is None or told:
            return told
    return []


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def parameters_in(function: Function) -> list[Member]:
    """A function's parameters, as `signatures` tells those of a function that is there."""
    spec = function.args
    positional = [*spec.posonlyargs, *spec.args]
    missing: list[Optional[ast.expr]] = [None] * (len(positional) - len(spec.defaults))
    defaults = missing + list(spec.defaults)
    found = []
    for index, (one, default) in enumerate(zip(positional, defaults)):
        kind = "positional_only" if index < len(spec.posonlyargs) else "positional_or_keyword"
        found.append(_parameter(one, kind, default))
    if spec.vararg is not None:
        found.append(_parameter(spec.vararg, "var_positional", None))
    found += [_parameter(one, "keyword_only", default) for one, default in zip(spec.kwonlyargs, spec.kw_defaults)]
    if spec.kwarg is not None:
        found.append(_parameter(spec.kwarg, "var_keyword", None))
    return found


def _parameter(one: ast.arg, kind: str, default: Optional[ast.expr]) -> Member:
    told: Member = {"name": one.arg, "kind": kind}
    if default is not None:
        told["default"] = _text(default)
    if one.annotation is not None:
        told["annotation"] = _text(one.annotation)
    return told


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value[:_MAX_TEXT] if not node.value.isspace() else repr(node.value)
    return ast.unparse(node)[:_MAX_TEXT]


def _yields(function: Function) -> bool:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(one))
    return False
