"""Source to `Module`, by griffe. This is the one module that knows griffe's objects.

griffe walks the syntax tree and says what stands where: its visitor is used as it is, but for three things. Branches
that do not run are taken out before it meets them (`branches`). `__all__` is read by `exported`, which tells 'nothing'
from 'cannot be told'. And each object's node is kept until the module is whole, so that defaults, annotations and
values can be cut out of the source as they were written rather than put together again.

Nothing of the source is imported or run, griffe's own inspection is never asked for, and whatever a file holds, the
answer is a `Module`: what keeps it from being read stands in its `error`.
"""

from __future__ import annotations

import ast
import builtins
import gc
import logging
import re
import tokenize
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import griffe

from bascule.bridge.sketch.branches import dotted, names_of_target, prune_if, prune_try
from bascule.bridge.sketch.exported import Exports, ExportsOf, changes_exports, exports_added, exports_in
from bascule.bridge.sketch.model import (
    Alias,
    Class,
    Constant,
    Doc,
    Documented,
    Field,
    Function,
    FunctionKind,
    Module,
    Origin,
    Overload,
    Parameter,
    ParameterKind,
    Property,
    TypeName,
    without_first,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bascule.bridge.sketch.model import ClassMember, Member

    FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_MAX_TEXT = 300  # characters of one default, annotation or value; tables of thousands of lines are values too
_MOST_LINES = 12  # of an expression that is put on one line
_KINDS = {
    griffe.ParameterKind.positional_only: ParameterKind.POSITIONAL_ONLY,
    griffe.ParameterKind.positional_or_keyword: ParameterKind.POSITIONAL_OR_KEYWORD,
    griffe.ParameterKind.var_positional: ParameterKind.VAR_POSITIONAL,
    griffe.ParameterKind.keyword_only: ParameterKind.KEYWORD_ONLY,
    griffe.ParameterKind.var_keyword: ParameterKind.VAR_KEYWORD,
}
_ALIAS_ANNOTATIONS = {"TypeAlias", "typing.TypeAlias", "typing_extensions.TypeAlias", "t.TypeAlias"}
_RULE = re.compile(r"^([=~*#^-])\1{2,}$", re.MULTILINE)  # under or above a title
_TYPE_CHECKING: set[str | None] = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING"}
_BINDERS = ("staticmethod", "classmethod")
_WITHOUT_DEFINITIONS = (
    ast.expr,
    ast.expr_context,
    ast.arguments,
    ast.keyword,
    ast.Expr,
    ast.Return,
    ast.Raise,
    ast.Pass,
)
_STYLES = (
    ("numpy", re.compile(r"^(?:Parameters|Returns|Raises|Attributes|Yields)\n-{3,}\s*$", re.MULTILINE)),
    ("google", re.compile(r"^(?:Args|Arguments|Parameters|Params|Returns|Raises|Yields|Attributes):[ ]*\n +\S", re.M)),
    ("sphinx", re.compile(r"^\s*:(?:param|parameter|arg|raises?|returns?|rtype)\b", re.MULTILINE)),
)

logging.getLogger("griffe").addHandler(logging.NullHandler())  # what it could not make sense of is no news to our user


def read_file(file: Path, name: str, *, package: bool = False) -> Module:
    """The module that a file holds.

    Args:
        file: A .py or a .pyi file.
        name: What the module is called.
        package: Whether it is a package's `__init__`.
    """
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    try:
        with tokenize.open(file) as opened:  # in the encoding that the file itself names
            source = opened.read()
    except (OSError, SyntaxError, UnicodeError) as error:
        return Module(name, str(file), origin, package, error=f"{file}: {_reason(error)}")
    return read_source(source, name, file, package=package)


def read_source(source: str, name: str, file: Path, *, package: bool = False) -> Module:
    """The module of this source; `file` is only named."""
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    try:
        with _no_collections():
            return _read(source, name, file, package)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Module(name, str(file), origin, package, error=f"{file}: {_reason(error)}")


def _read(source: str, name: str, file: Path, package: bool) -> Module:
    reader = _Reader(source, name, file, package)
    seen = reader.get_module()
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    return _Converter(reader, source).module(seen, origin, package)


@contextmanager
def _no_collections() -> Iterator[None]:
    """A syntax tree is a great many objects, all alive: looking for garbage among them costs more than it finds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _reason(error: Exception | MemoryError) -> str:
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}: " if error.lineno else ""
        return f"{where}not the syntax of this Python: {error.msg}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeError):
        return f"not in its encoding: {error}"
    if isinstance(error, (RecursionError, MemoryError)):
        return "nested too deeply to be read"
    return str(error)


class _Reader(griffe.Visitor):
    """griffe's visitor, which notes the node of everything that it makes an object of."""

    def __init__(self, source: str, name: str, file: Path, package: bool) -> None:
        super().__init__(name, file, source, griffe.Extensions())
        self.full_name = name
        self.is_package = package
        self.nodes: dict[int, ast.AST] = {}
        """By the id of griffe's object, which lives as long as the module does."""
        self.captured: dict[int, griffe.Function | griffe.Class] = {}
        """What another name stood for when it was assigned: it may have been replaced since."""
        self.explicit: set[str] = set()
        self._passed: list[ast.AST] = []
        self.exports: Exports | None = None

    def visit(self, node: ast.AST) -> None:
        """As griffe does, but for what the module's docstring names; in expressions there is nothing to be found."""
        if isinstance(node, _WITHOUT_DEFINITIONS) and not (isinstance(node, ast.Expr) and self._at_top()):
            self._passed.append(node)
            return
        kind = type(node)
        if kind is ast.If:
            if dotted(node.test) in _TYPE_CHECKING:  # type: ignore[attr-defined]
                self._visit_guarded(node)  # type: ignore[arg-type]
                return
            prune_if(node)  # type: ignore[arg-type]
        elif kind is ast.Try:
            prune_try(node)  # type: ignore[arg-type]
        elif kind is ast.ImportFrom:
            self._make_absolute(node)  # type: ignore[arg-type]
        elif kind is ast.Expr and self._at_top() and changes_exports(node.value):  # type: ignore[attr-defined]
            self._add_exports(exports_added(node.value))  # type: ignore[attr-defined]
        elif kind is ast.AugAssign and self._at_top() and dotted(node.target) == "__all__":  # type: ignore[attr-defined]
            self._add_exports(exports_in(node.value))  # type: ignore[attr-defined]
        super().visit(node)
        if kind is ast.ClassDef:
            self._note(node.name, node)  # type: ignore[attr-defined]
        elif kind is getattr(ast, "TypeAlias", None):
            self._note(node.name.id, node)  # type: ignore[attr-defined]

    def handle_function(self, node: FunctionNode, labels: set[str] | None = None) -> None:
        """As griffe does, noting the node."""
        here = self.current
        before = here.members.get(node.name)
        super().handle_function(node, labels)
        made = here.members.get(node.name)
        if made is not None and made is not before:
            self.nodes[id(made)] = node
            for overload in getattr(made, "overloads", None) or ():
                overload.parent = here
        elif node.decorator_list and (overloads := getattr(here, "overloads", {}).get(node.name)):
            self.nodes[id(overloads[-1])] = node

    def handle_attribute(self, node: ast.Assign | ast.AnnAssign, annotation: str | griffe.Expr | None = None) -> None:
        """As griffe does, noting the node, with names that are unpacked from a tuple too."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if self._at_top() and any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            self.exports = None if node.value is None else exports_in(node.value)
        super().handle_attribute(node, annotation)
        holder = self.current
        captured = holder.members.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if holder.kind is griffe.Kind.FUNCTION:
            holder = holder.parent  # type: ignore[assignment]
            names = [one.attr for one in targets if isinstance(one, ast.Attribute) and dotted(one.value) == "self"]
        else:
            names = [name for one in targets for name in names_of_target(one)]
        for name in names:
            made = holder.members.get(name)
            if made is None:
                made = griffe.Attribute(name, lineno=node.lineno, runtime=not self.type_guarded)
                made.labels.add("class-attribute")
                holder.set_member(name, made)
            if id(made) not in self.nodes and not made.is_alias and made.lineno == node.lineno:
                self.nodes[id(made)] = node
                if isinstance(captured, (griffe.Function, griffe.Class)) and captured is not made:
                    self.captured[id(made)] = captured

    def get_module(self) -> griffe.Module:
        """As griffe does; the links to their parents go from the nodes that we passed by as they go from the others.

        Without them the tree is gone as soon as nobody has it; with them it would wait for the garbage collector.
        """
        module = super().get_module()
        for node in self._passed:
            vars(node).pop("parent", None)
        return module

    def _visit_guarded(self, node: ast.If) -> None:
        """`if TYPE_CHECKING:`; griffe takes its `else` for guarded too."""
        otherwise, node.orelse = node.orelse, []
        super().visit(node)
        node.test, node.body, node.orelse = ast.Constant(value=False), [], otherwise
        super().visit(node)

    def _make_absolute(self, node: ast.ImportFrom) -> None:
        """`from .api import get` as `from requests.api import get`; griffe was not told of the packages around."""
        self.explicit.update([one.name for one in node.names if one.asname == one.name])
        if not node.level:
            return
        parts = self.full_name.split(".")
        up = node.level - 1 if self.is_package else node.level
        base = parts[: len(parts) - up] if up < len(parts) else []
        node.module = ".".join([*base, *([node.module] if node.module else [])]) or None
        node.level = 0

    def _at_top(self) -> bool:
        return self.current is not None and self.current.kind is griffe.Kind.MODULE

    def _add_exports(self, added: Exports | None) -> None:
        self.exports = None if added is None or self.exports is None else self.exports + added

    def _note(self, name: str, node: ast.AST) -> None:
        made = self.current.members.get(name) if self.current is not None else None
        if made is not None and not made.is_alias:
            self.nodes[id(made)] = node


class _Converter:
    """What griffe saw of one module, as our values."""

    def __init__(self, reader: _Reader, source: str) -> None:
        self._nodes = reader.nodes
        self._reader = reader
        # Columns are counted in bytes of UTF-8.
        self._lines: list[str] | list[bytes] = source.splitlines() if source.isascii() else source.encode().splitlines()
        if "\f" in source or "\v" in source or "\x1c" in source:  # the parser ends lines at \n, \r and \r\n alone
            self._lines = [line.encode() for line in re.split(r"\r\n|\r|\n", source)]
        self._yields = {number for number, line in enumerate(source.split("\n"), 1) if "yield" in line}

    def module(self, seen: griffe.Module, origin: Origin, package: bool) -> Module:
        reader = self._reader
        members: list[Member] = []
        wildcards: list[str] = []
        for name, made in [*seen.members.items(), *_only_overloaded(seen)]:
            if name.endswith("/*"):
                wildcards.append(name.removesuffix("/*").replace("/", "."))
            elif (member := self._member(name, made)) is not None:
                members.append(member)
        return Module(
            reader.full_name,
            str(reader.filepath),
            origin,
            package,
            doc=self._doc(seen),
            members=tuple(members),
            exports=None if reader.exports is None else tuple(_as_text(reader.exports)),
            wildcards=tuple(wildcards),
            lazy="__getattr__" in seen.members,
        )

    def _member(self, name: str, made: griffe.Object | griffe.Alias) -> Member | None:
        if made.is_alias:
            return self._alias(name, made)  # type: ignore[arg-type]
        if isinstance(made, griffe.Class):
            return self._class(made)
        if isinstance(made, griffe.Function):
            return self._function(made, in_class=False)
        if isinstance(made, griffe.Attribute):
            return self._value(made)
        if isinstance(made, griffe.TypeAlias):
            return self._type_name(made)
        return None

    def _type_name(self, made: griffe.TypeAlias) -> TypeName:
        node = self._nodes.get(id(made))
        value = self._text(node.value) if node is not None else None  # type: ignore[attr-defined]
        return TypeName(made.name, value, self._doc(made), made.lineno, made.runtime)

    def _alias(self, name: str, made: griffe.Alias) -> Alias:
        explicit = name in self._reader.explicit
        return Alias(name, made.target_path, None, explicit, False, made.alias_lineno, made.runtime)

    def _class(self, made: griffe.Class) -> Class:
        members: list[ClassMember] = []
        for name, one in [*made.members.items(), *_only_overloaded(made)]:
            member = self._class_member(name, one)
            if member is not None:
                members.append(member)
        node = self._nodes.get(id(made))
        bases: tuple[str, ...] = ()
        keywords: tuple[tuple[str, str], ...] = ()
        if isinstance(node, ast.ClassDef):
            bases = tuple([self._text(base) for base in node.bases])
            keywords = tuple([(one.arg or "**", self._text(one.value)) for one in node.keywords])
        return Class(
            made.name,
            bases,
            _constructor(members),
            tuple(members),
            self._decorators(node),
            keywords,
            self._doc(made),
            getattr(node, "lineno", made.lineno),
            made.runtime,
        )

    def _class_member(self, name: str, made: griffe.Object | griffe.Alias) -> ClassMember | None:
        if made.is_alias:
            return None if name.endswith("/*") else self._alias(name, made)  # type: ignore[arg-type]
        if isinstance(made, griffe.Class):
            return self._class(made)
        if isinstance(made, griffe.Function):
            return self._function(made, in_class=True)
        if isinstance(made, griffe.Attribute):
            if "property" in made.labels:
                return self._property(made)
            return self._field(made)
        if isinstance(made, griffe.TypeAlias):
            return self._type_name(made)
        return None

    def _function(self, made: griffe.Function, *, in_class: bool) -> Function:
        node = self._nodes.get(id(made))
        parameters, returns = self._signature(made, node)
        kind = FunctionKind.METHOD if in_class else FunctionKind.FUNCTION
        if in_class and ("staticmethod" in made.labels or made.name == "__new__"):
            kind = FunctionKind.STATIC_METHOD
        elif in_class and ("classmethod" in made.labels or made.name in ("__init_subclass__", "__class_getitem__")):
            kind = FunctionKind.CLASS_METHOD
        overloads = []
        for one in made.overloads or ():
            its_parameters, its_returns = self._signature(one, self._nodes.get(id(one)))
            overloads.append(Overload(its_parameters, its_returns))
        return Function(
            made.name,
            parameters,
            returns,
            kind,
            coroutine="async" in made.labels,
            generator=node is not None and self._is_generator(node),
            decorators=self._decorators(node),
            overloads=tuple(overloads),
            doc=self._doc(made),
            line=getattr(node, "lineno", made.lineno),
            runtime=made.runtime,
        )

    def _signature(self, made: griffe.Function, node: ast.AST | None) -> tuple[tuple[Parameter, ...], str | None]:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return tuple([Parameter(one.name, _KINDS[one.kind]) for one in made.parameters if one.kind]), None
        returns = None if node.returns is None else self._text(node.returns)
        return tuple(self._parameters(node.args)), returns

    def _parameters(self, arguments: ast.arguments) -> Iterator[Parameter]:
        positional = [*arguments.posonlyargs, *arguments.args]
        first_default = len(positional) - len(arguments.defaults)
        for index, one in enumerate(positional):
            kind = (
                ParameterKind.POSITIONAL_ONLY
                if index < len(arguments.posonlyargs)
                else ParameterKind.POSITIONAL_OR_KEYWORD
            )
            default = arguments.defaults[index - first_default] if index >= first_default else None
            yield self._parameter(one, kind, default)
        if arguments.vararg is not None:
            yield self._parameter(arguments.vararg, ParameterKind.VAR_POSITIONAL, None)
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            yield self._parameter(one, ParameterKind.KEYWORD_ONLY, default)
        if arguments.kwarg is not None:
            yield self._parameter(arguments.kwarg, ParameterKind.VAR_KEYWORD, None)

    def _parameter(self, node: ast.arg, kind: ParameterKind, default: ast.expr | None) -> Parameter:
        return Parameter(
            node.arg,
            kind,
            None if default is None else self._text(default),
            None if node.annotation is None else self._text(node.annotation),
        )

    def _property(self, made: griffe.Attribute) -> Property:
        node = self._nodes.get(id(made))
        returns = getattr(node, "returns", None)
        return Property(
            made.name,
            None if returns is None else self._text(returns),
            writable=made.setter is not None or "cached" in made.labels,
            deletable=made.deleter is not None,
            cached="cached" in made.labels,
            decorators=self._decorators(node),
            doc=self._doc(made),
            line=getattr(node, "lineno", made.lineno),
            runtime=made.runtime,
        )

    def _field(self, made: griffe.Attribute) -> ClassMember:
        annotation, value = self._assigned(made)
        of_instances = "class-attribute" not in made.labels
        if value is not None and not of_instances:
            special = self._special(made, value, in_class=True)
            if special is not None:
                return special  # type: ignore[return-value]
        text = None if value is None else self._text(value)
        return Field(made.name, annotation, text, of_instances, self._doc(made), made.lineno, made.runtime)

    def _value(self, made: griffe.Attribute) -> Member:
        annotation, value = self._assigned(made)
        text = None if value is None else self._text(value)
        if annotation in _ALIAS_ANNOTATIONS:
            return TypeName(made.name, text, self._doc(made), made.lineno, made.runtime)
        special = None if value is None else self._special(made, value, in_class=False)
        if special is not None:
            return special  # type: ignore[return-value]
        return Constant(made.name, annotation, text, self._doc(made), made.lineno, made.runtime)

    def _assigned(self, made: griffe.Attribute) -> tuple[str | None, ast.expr | None]:
        """The annotation, and what is assigned; of a tuple that is unpacked, nothing."""
        node = self._nodes.get(id(made))
        annotation = self._text(node.annotation) if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            whole = any(isinstance(one, (ast.Name, ast.Attribute)) for one in node.targets)
            return annotation, node.value if whole else None
        return annotation, node.value if isinstance(node, ast.AnnAssign) else None

    def _special(self, made: griffe.Attribute, value: ast.expr, *, in_class: bool) -> Member | ClassMember | None:
        """A function or a property that is made by an assignment, or another name for something."""
        if isinstance(value, ast.Lambda):
            return Function(
                made.name,
                tuple(self._parameters(value.args)),
                kind=FunctionKind.METHOD if in_class else FunctionKind.FUNCTION,
                doc=self._doc(made),
                line=made.lineno,
                runtime=made.runtime,
            )
        if in_class and isinstance(value, ast.Call) and dotted(value.func) == "property":
            return Property(
                made.name,
                writable=len(value.args) > 1 or any(one.arg == "fset" for one in value.keywords),
                deletable=len(value.args) > 2 or any(one.arg == "fdel" for one in value.keywords),
                doc=self._doc(made),
                line=made.lineno,
                runtime=made.runtime,
            )
        if (replaced := self._replaced(made)) is not None:
            return replaced
        if in_class and isinstance(value, ast.Call) and dotted(value.func) in _BINDERS and len(value.args) == 1:
            value = value.args[0]
        target = self._target(made, value)
        return None if target is None else Alias(made.name, target, None, False, False, made.lineno, made.runtime)

    def _replaced(self, made: griffe.Attribute) -> Function | Class | None:
        """`_PyTask = Task`, where `Task` is another one by the end of the module: the one that it was."""
        captured = self._reader.captured.get(id(made))
        if captured is None or made.parent is None or made.parent.members.get(captured.name) is captured:
            return None
        if isinstance(captured, griffe.Class):
            return replace(self._class(captured), name=made.name)
        return replace(self._function(captured, in_class=made.parent.is_class), name=made.name)

    @staticmethod
    def _target(made: griffe.Attribute, value: ast.expr) -> str | None:
        """The dotted path of another name that is assigned; None when it is none that the module has."""
        name = dotted(value)
        if name is None:
            return None
        first = name.partition(".")[0]
        scope = made.parent
        while scope is not None:
            if first in scope.members and (scope is not made.parent or first != made.name):
                return f"{scope.path}.{name}"
            scope = scope.parent
        return f"builtins.{name}" if hasattr(builtins, first) and not name.startswith("__") else None

    def _decorators(self, node: ast.AST | None) -> tuple[str, ...]:
        return tuple([self._text(one) for one in getattr(node, "decorator_list", ())])

    def _is_generator(self, node: ast.AST) -> bool:
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        if not any(number in self._yields for number in range(first, (last or first) + 1)):
            return False
        waiting: list[ast.AST] = list(node.body) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        while waiting:
            one = waiting.pop()
            if isinstance(one, (ast.Yield, ast.YieldFrom)):
                return True
            if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                waiting.extend(ast.iter_child_nodes(one))
        return False

    def _text(self, node: ast.expr) -> str:
        """An expression as its source has it, on one line."""
        first, last = node.lineno, node.end_lineno or node.lineno
        begin, end = node.col_offset, node.end_col_offset
        line = self._lines[first - 1]
        if first == last:
            text = line[begin:end]
            return _bounded(text if isinstance(text, str) else text.decode())
        if last - first <= _MOST_LINES:
            return _bounded(ast.unparse(node))
        shown = [line[begin:], *self._lines[first : first + _MOST_LINES]]
        words = [one if isinstance(one, str) else one.decode() for one in shown]
        return " ".join([one.strip() for one in words])[:_MAX_TEXT] + " ..."

    def _doc(self, made: griffe.Object) -> Doc | None:
        docstring = made.docstring
        return None if docstring is None or not docstring.value else read_docstring(docstring.value)


def _bounded(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."


def _as_text(exports: Exports) -> Iterator[str]:
    """Names as they are, others' exports as `module.*`."""
    for one in exports:
        yield f"{one.module}.*" if isinstance(one, ExportsOf) else one


def _only_overloaded(made: griffe.Module | griffe.Class) -> Iterator[tuple[str, griffe.Function]]:
    """Functions of which a stub has nothing but overloads."""
    for name, overloads in made.overloads.items():
        if overloads and name not in made.members:
            last: griffe.Function = overloads[-1]
            last.overloads = list(overloads)
            yield name, last


def _constructor(members: list[ClassMember]) -> tuple[Parameter, ...] | None:
    """The parameters of a class that says itself how its objects are made."""
    for name in ("__new__", "__init__"):
        for one in members:
            if one.name == name and isinstance(one, Function):
                return without_first(one.parameters)
    return None


def read_docstring(text: str) -> Doc:
    """A docstring (without its indentation) in its parts."""
    summary = " ".join(_RULE.sub("", text.partition("\n\n")[0]).split())
    style = next((name for name, pattern in _STYLES if pattern.search(text)), None)
    if style is None:
        return Doc(text, summary)
    parameters: list[Documented] = []
    raises: list[Documented] = []
    returns: str | None = None
    sections: list[griffe.DocstringSection] = []
    with suppress(Exception):  # a docstring is anything at all; its text is told in any case
        options = {} if style == "sphinx" else {"warnings": False}
        sections = griffe.Docstring(text).parse(griffe.Parser(style), **options)
    for section in sections:
        if section.kind in (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.other_parameters):
            parameters += [_documented(one) for one in section.value]
        elif section.kind is griffe.DocstringSectionKind.raises:
            raises += [Documented(str(one.annotation), one.description.strip()) for one in section.value]
        elif section.kind is griffe.DocstringSectionKind.returns:
            returned = [one.description.strip() or str(one.annotation or "") for one in section.value]
            returns = "\n".join(returned) or None
    return Doc(text, summary, tuple(parameters), returns, tuple(raises))


def _documented(one: griffe.DocstringParameter) -> Documented:
    return Documented(one.name, one.description.strip(), None if one.annotation is None else str(one.annotation))
