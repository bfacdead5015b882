"""Which branch of a module's `if` and `try` runs: what can be told of it without running anything.

A reader that takes every definition it meets keeps the last one, which is the wrong one as often as not: the fallback
for another system, for an older Python, for a module that is missing. Three rules, on the syntax alone:

- A test on `sys.version_info`, `sys.platform`, `os.name`, `__name__`, or made of constants, has a value; only the
  branch that it chooses is left. `TYPE_CHECKING` is left as it stands: both branches say something.
- Of an `if` that nobody can decide, the first branch wins: what its `else` defines under the same name is taken out.
- A `try` is taken to succeed: what its handlers define under a name that its body defines is taken out.
"""

from __future__ import annotations

import ast
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_KNOWN: dict[str, object] = {
    "sys.version_info": tuple(sys.version_info),
    "sys.version_info.major": sys.version_info.major,
    "sys.version_info.minor": sys.version_info.minor,
    "sys.platform": sys.platform,
    "sys.implementation.name": sys.implementation.name,
    "sys.byteorder": sys.byteorder,
    "sys.maxsize": sys.maxsize,
    "os.name": os.name,
    "__name__": "a module that is imported",
    "__debug__": True,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b,
    ast.IsNot: lambda a, b: a is not b,
}


class _Undecided(Exception):
    """Only running it would tell."""


def prune_if(node: ast.If) -> None:
    """Take out of an `if` what does not run; the node is changed."""
    try:
        chosen = bool(_value(node.test))
    except _Undecided:
        node.orelse = without(node.orelse, names_bound(node.body))
        return
    if chosen:
        node.orelse = []
    else:
        node.body = []


def prune_try(node: ast.Try) -> None:
    """Take out of a `try` what runs only when its body fails; the node is changed."""
    bound = names_bound([*node.body, *node.orelse])
    for handler in node.handlers:
        handler.body = without(handler.body, bound)


def _value(node: ast.expr) -> Any:
    """The value of a test.

    Raises:
        _Undecided: It has none that is known.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = dotted(node) or ""
        for spelling in (name, name.lstrip("_")):  # `import os as _os` is common
            if spelling in _KNOWN:
                return _KNOWN[spelling]
        raise _Undecided
    if isinstance(node, ast.Tuple):
        return tuple([_value(one) for one in node.elts])
    if isinstance(node, (ast.List, ast.Set)):
        return [_value(one) for one in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _value(node.operand)
    if isinstance(node, ast.BoolOp):
        return _of_several(node)
    if isinstance(node, ast.Compare):
        return _compared(node)
    if isinstance(node, ast.Subscript):
        return _element(node)
    if isinstance(node, ast.Call):
        return _starts(node)
    raise _Undecided


def _of_several(node: ast.BoolOp) -> bool:
    """`and`, `or`: one operand may decide though another is not known."""
    decides = isinstance(node.op, ast.Or)
    undecided = False
    for operand in node.values:
        try:
            if bool(_value(operand)) is decides:
                return decides
        except _Undecided:
            undecided = True
    if undecided:
        raise _Undecided
    return not decides


def _compared(node: ast.Compare) -> bool:
    left = _value(node.left)
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node)
        try:
            if not _COMPARISONS[type(operator)](left, right):
                return False
        except TypeError:
            raise _Undecided from None
        left = right
    return True


def _element(node: ast.Subscript) -> object:
    """`sys.version_info[0]`, `sys.version_info[:2]`, `sys.platform[:3]`."""
    whole = _value(node.value)
    index = node.slice
    try:
        if isinstance(index, ast.Slice):
            ends = [None if end is None else _value(end) for end in (index.lower, index.upper, index.step)]
            return whole[slice(*ends)]
        return whole[_value(index)]
    except (TypeError, LookupError, ValueError):
        raise _Undecided from None


def _starts(node: ast.Call) -> bool:
    """`sys.platform.startswith("win")`."""
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "startswith" and len(node.args) == 1:
        text, prefix = _value(called.value), _value(node.args[0])
        if isinstance(text, str) and isinstance(prefix, (str, tuple)):
            return text.startswith(prefix)
    raise _Undecided


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text, where it is nothing but names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def names_bound(statements: Iterable[ast.stmt]) -> set[str]:
    """The names that these statements define, in their branches too."""
    found: set[str] = set()
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                found.update(names_of_target(target))
        elif isinstance(statement, ast.AnnAssign):
            found.update(names_of_target(statement.target))
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            found.update([one.asname or one.name.partition(".")[0] for one in statement.names])
        elif isinstance(statement, (ast.If, ast.With, ast.For, ast.While, ast.Try)):
            found |= names_bound(statement.body)
            found |= names_bound(getattr(statement, "orelse", ()))
            found |= names_bound(getattr(statement, "finalbody", ()))
    return found


def names_of_target(target: ast.expr) -> list[str]:
    """The plain names in what stands left of `=`."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for one in target.elts for name in names_of_target(one)]
    if isinstance(target, ast.Starred):
        return names_of_target(target.value)
    return []


def without(statements: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The statements without those that define nothing but `names`."""
    if not names:
        return statements
    left: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, (ast.If, ast.Try)):
            statement.body = without(statement.body, names)
            statement.orelse = without(statement.orelse, names)
            left.append(statement)
            continue
        bound = names_bound([statement])
        if not bound or not bound <= names:
            left.append(statement)
    return left
