"""griffe's walk over a syntax tree, with what is done otherwise here: see the package."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import griffe

from bascule.bridge.sketch.branches import dotted, names_of_target, prune_if, prune_try
from bascule.bridge.sketch.exported import Exports, changes_exports, exports_added, exports_in

if TYPE_CHECKING:
    from pathlib import Path

    FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_TYPE_CHECKING: set[str | None] = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING"}
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
_NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
_SOME_VALUE = ast.List(elts=[], ctx=ast.Load())


class Reader(griffe.Visitor):
    """griffe's visitor, which notes the node of everything that it makes an object of."""

    def __init__(self, source: str, name: str, file: Path, package: bool) -> None:
        super().__init__(name, file, source, griffe.Extensions())
        self.full_name = name
        self.is_package = package
        self.nodes: dict[int, ast.AST] = {}
        """By the id of griffe's object, which is kept alive: another must not get its id when it is replaced."""
        self._alive: list[object] = []
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
        """As griffe does, noting the node. Parameters are cut out of the source later: here it sees none."""
        here = self.current
        before = here.members.get(node.name)
        arguments, returns = node.args, node.returns
        node.args, node.returns = _NO_ARGUMENTS, None
        super().handle_function(node, labels)
        node.args, node.returns = arguments, returns
        made = here.members.get(node.name)
        if made is not None and made is not before:
            self._keep(made, node)
            for overload in getattr(made, "overloads", None) or ():
                overload.parent = here
        elif node.decorator_list and (overloads := getattr(here, "overloads", {}).get(node.name)):
            self._keep(overloads[-1], node)

    def handle_attribute(self, node: ast.Assign | ast.AnnAssign, annotation: str | griffe.Expr | None = None) -> None:
        """As griffe does, noting the node, with names that are unpacked from a tuple too.

        Values are cut out of the source later: here it sees that there is one.
        """
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if self._at_top() and any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            self.exports = None if node.value is None else exports_in(node.value)
        value = node.value
        node.value = value and _SOME_VALUE
        super().handle_attribute(node, annotation)
        node.value = value
        holder = self.current
        captured = holder.members.get(value.id) if isinstance(value, ast.Name) else None
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
                self._keep(made, node)
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
            self._keep(made, node)

    def _keep(self, made: object, node: ast.AST) -> None:
        self.nodes[id(made)] = node
        self._alive.append(made)
