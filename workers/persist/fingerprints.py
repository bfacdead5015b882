"""What a function is, as far as its results go: its code, what it has captured, and who it is.

A stored result carries the fingerprint of the code that computed it, so that changed code is noticed. The code is taken
as its source says it, without comments, layout, docstring and decorators, so that one store serves several versions of
Python; where there is no source, the byte code has to do.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

SIZE = 8  # bytes of a fingerprint
NOTHING = bytes(SIZE)  # the fingerprint of what came from elsewhere

_CONSTANTS = (int, float, complex, str, bytes, bool, type(None))
_NO_SOURCE = (OSError, TypeError, SyntaxError, IndentationError, ValueError, IndexError)


def fingerprint(function: Callable[..., Any], version: object = None) -> bytes:
    """Changes when the function's code does; with a `version`, when that does, and only then."""
    if version is not None:
        return _digest(f"version {version!r}")
    return _digest(code_text(function))


def code_text(function: Any) -> str:
    """The code of a callable as text; its name, for one that has no Python code."""
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        return _source(function)
    except _NO_SOURCE:
        return _byte_code(code)


def _source(function: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)).strip())
    if function.__name__ == "<lambda>":
        lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        if len(lambdas) != 1:
            raise ValueError("which one it is can't be seen")
        return ast.unparse(lambdas[0])
    (node,) = tree.body
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise ValueError("not a function's source")
    node.decorator_list = []
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(node)


def _byte_code(code: types.CodeType) -> str:
    constants = [_byte_code(each) if isinstance(each, types.CodeType) else _constant(each) for each in code.co_consts]
    return repr((sys.version_info[:2], code.co_code, code.co_names, constants))


def _constant(value: object) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def captured(function: Any) -> list[tuple[str, Any]]:
    """What makes two functions of one definition different: constants captured by a closure, and what is bound.

    Lists, dictionaries and other objects that a closure refers to are its state, not what it is.
    """
    found: list[tuple[str, Any]] = []
    while isinstance(function, (functools.partial, types.MethodType)):
        if isinstance(function, functools.partial):
            found.append(("partial", [list(function.args), sorted(function.keywords.items())]))
            function = function.func
        else:
            found.append(("self", function.__self__))
            function = function.__func__
    function = inspect.unwrap(function)
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or cells is None:
        return found
    for name, cell in zip(code.co_freevars, cells):
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
        if _is_constant(value):
            found.append((name, value))
        elif isinstance(value, types.FunctionType) and value is not function:
            found.append((name, f"{value.__module__}.{value.__qualname__} {code_text(value)}"))
    return found


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, frozenset)):
        return all(map(_is_constant, value))
    return type(value) in _CONSTANTS


def name_of(function: Any) -> str:
    """What a function's results are kept under unless it is said: its name, and a method's with its class."""
    function = _innermost(function)
    qualname = getattr(function, "__qualname__", None) or getattr(function, "__name__", type(function).__name__)
    parts = str(qualname).split(".")
    own = [parts[-1]]
    for part in reversed(parts[:-1]):
        if part == "<locals>":
            break
        own.insert(0, part)
    return ".".join(own)


def owner_of(function: Any) -> str:
    """Who a function is, among all that might have its name."""
    inner = _innermost(function)
    module = getattr(inner, "__module__", "") or ""
    if module == "__main__":
        # The same script as a program and as a module is one.
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        module = PurePath(file).stem if file else module
    name = f"{module}:{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    extra = captured(function)
    if getattr(inner, "__name__", "") == "<lambda>":
        extra.append(("code", code_text(inner)))
    if not extra:
        return name
    from bascule.workers.persist.canonical import Uncacheable, encode

    try:
        return f"{name}#{_digest(encode(extra).hex()).hex()}"
    except Uncacheable:
        return f"{name}#{_digest(repr([each for each, _ in extra])).hex()}"


def short_digest(text: str) -> str:
    """A few letters that tell texts apart in a name."""
    return _digest(text).hex()[:8]


def _innermost(function: Any) -> Any:
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()
