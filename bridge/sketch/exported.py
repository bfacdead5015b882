"""What `__all__` says, read from the syntax: lists of names, their sums, and the `__all__` of other modules."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bascule.bridge.sketch.branches import dotted


@dataclass(frozen=True, slots=True)
class ExportsOf:
    """`module.__all__`: whatever that module exports."""

    module: str
    """As it is called here."""


Exports = list[str | ExportsOf]
_COPIES = {"list", "tuple", "sorted", "set"}


def exports_in(node: ast.expr) -> Exports | None:
    """The names in an expression that `__all__` is set to; None where only running it would tell."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        found: Exports = []
        for one in node.elts:
            part = exports_in(one.value) if isinstance(one, ast.Starred) else _one(one)
            if part is None:
                return None
            found += part
        return found
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = exports_in(node.left), exports_in(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.Attribute) and node.attr == "__all__":
        module = dotted(node.value)
        return None if module is None else [ExportsOf(module)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _COPIES:
        return exports_in(node.args[0]) if len(node.args) == 1 and not node.keywords else None
    return None


def _one(node: ast.expr) -> Exports | None:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def exports_added(node: ast.Call) -> Exports | None:
    """What `__all__.extend(...)` or `__all__.append(...)` adds; None where only running it would tell."""
    if not isinstance(node.func, ast.Attribute) or len(node.args) != 1 or node.keywords:
        return None
    if node.func.attr == "extend":
        return exports_in(node.args[0])
    return _one(node.args[0]) if node.func.attr == "append" else None


def changes_exports(node: ast.expr) -> bool:
    """Whether an expression is a call of a method of `__all__`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and dotted(node.func.value) == "__all__"
