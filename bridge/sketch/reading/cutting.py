"""Pieces of a source as they were written: expressions, parameters, decorators, cut out by their nodes' places."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from bascule.bridge.sketch.model import Parameter, ParameterKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_TEXT = 300  # characters of one default, annotation or value; tables of thousands of lines are values too
_MOST_LINES = 12  # of an expression that is put on one line


class SourceText:
    """A module's source, for those who have its syntax tree."""

    def __init__(self, source: str) -> None:
        # Columns are counted in bytes of UTF-8.
        self._lines: list[str] | list[bytes] = source.splitlines() if source.isascii() else source.encode().splitlines()
        if "\f" in source or "\v" in source or "\x1c" in source:  # the parser ends lines at \n, \r and \r\n alone
            self._lines = [line.encode() for line in re.split(r"\r\n|\r|\n", source)]
        self._yields = _lines_with("yield", source)

    def text(self, node: ast.expr) -> str:
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

    def parameters(self, arguments: ast.arguments) -> Iterator[Parameter]:
        """A function's parameters."""
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
            None if default is None else self.text(default),
            None if node.annotation is None else self.text(node.annotation),
        )

    def decorators(self, node: ast.AST | None) -> tuple[str, ...]:
        """What stands above a definition, without the `@`."""
        return tuple([self.text(one) for one in getattr(node, "decorator_list", ())])

    def is_generator(self, node: ast.AST) -> bool:
        """Whether a function yields."""
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        at = bisect_left(self._yields, first)
        if at == len(self._yields) or self._yields[at] > (last or first):
            return False
        waiting: list[ast.AST] = list(node.body) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        while waiting:
            one = waiting.pop()
            if isinstance(one, (ast.Yield, ast.YieldFrom)):
                return True
            if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                waiting.extend(ast.iter_child_nodes(one))
        return False


def _lines_with(word: str, source: str) -> list[int]:
    """The numbers of the lines that have the word in them, in order."""
    if word not in source:
        return []
    return [number for number, line in enumerate(source.split("\n"), 1) if word in line]


def _bounded(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."
