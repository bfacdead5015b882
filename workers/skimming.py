"""The top of a module's source: which statement makes which name, found without parsing what stands in them.

A large library has megabytes of source, and to parse all of it takes longer than to import it. So a file is only cut
into its outermost statements, by one regular expression that knows texts and comments: a statement begins where a line
begins that is neither indented nor the end of a bracket. Of these only the few that say where names come from are
parsed (imports, conditions, `__all__`); of all others it is enough to know the name that they define, until somebody
asks for that one.

A source that is written so that this goes wrong (a line within brackets that begins like a statement) gives a piece
that does not parse: its names are then not known here, which is all that happens.
"""

from __future__ import annotations

import ast
import operator as operators
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Final, Optional, Union

    Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef]

_TEXTS: Final = (
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
)
# Texts and comments are matched so that nothing in them is; what else is matched is where a statement begins.
_BEGIN: Final = re.compile(_TEXTS + r"|\#[^\n]*|^(?P<begin>@|[A-Za-z_]\w*)", re.MULTILINE | re.DOTALL)
_HEADER: Final = re.compile(_TEXTS + r"|\#[^\n]*|[()\[\]{}]|:[ \t]*(?:\#[^\n]*)?\n", re.DOTALL)
_BEGINS_WITH_TEXT: Final = re.compile(rf"\s*[rR]?(?:{_TEXTS})[ \t]*(?:\#[^\n]*)?(?=\n|$)", re.DOTALL)
_BEGINS_LIKE_TEXT: Final = re.compile(r"\s*[A-Za-z]{0,2}[\"']")
_GOES_ON: Final = frozenset(["elif", "else", "except", "finally"])  # the statement before
_DEFINES: Final = re.compile(r"(?:@|(?:async\s+)?def\b|class\b)")
_DEFINED: Final = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)
_ASSIGNED: Final = re.compile(r"(\w+)\s*(?::[^=\n]+)?=(?!=)")
_COMPARISONS: Final = {
    ast.Eq: operators.eq,
    ast.NotEq: operators.ne,
    ast.Lt: operators.lt,
    ast.LtE: operators.le,
    ast.Gt: operators.gt,
    ast.GtE: operators.ge,
}
_INNER: Final = re.compile(r"^[ \t]+(?:@|def |async def |class )", re.MULTILINE)


class Came:
    """What makes a name: where it comes from, or the text of its statement."""

    __slots__ = ("module", "name", "text")

    def __init__(self, *, module: str = "", name: str = "", text: str = "") -> None:
        self.module = module
        """Imported from there: a whole dotted name."""
        self.name = name
        """As it is called there; empty: it is that module itself."""
        self.text = text


class Top:
    """The names that a module's outermost statements make."""

    __slots__ = ("_package", "doc", "exports", "lazy", "names", "stars")

    def __init__(self, source: str, module: str, *, package: bool) -> None:
        """Read it.

        Args:
            source: Its text.
            module: Its dotted name.
            package: Whether it is a package's `__init__`.
        """
        self._package = module if package else module.rpartition(".")[0]
        self.names: dict[str, Came] = {}
        self.stars: list[str] = []
        """The modules that it imports everything from."""
        self.exports: Optional[list[str]] = None
        """`__all__`, where it can be told without running anything."""
        self.doc: Optional[str] = None
        pieces = list(_pieces(source))
        first = source[: pieces[0][0]] if pieces else source
        self.doc = _docstring(first)
        for start, end in pieces:
            self._take(source[start:end])
        self.lazy = "__getattr__" in self.names

    def _take(self, text: str) -> None:
        if _DEFINES.match(text):
            defined = _DEFINED.search(text)
            if defined:
                self.names[defined.group(1)] = Came(text=text)
            return
        assigned = _ASSIGNED.match(text)
        if assigned and assigned.group(1) != "__all__":
            self.names[assigned.group(1)] = Came(text=text)
        else:
            try:
                self._take_all(ast.parse(text).body)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return

    def _take_all(self, statements: Iterable[ast.stmt]) -> None:
        for one in statements:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.names[one.name] = Came(text=ast.unparse(one))
            elif isinstance(one, ast.ImportFrom):
                self._take_import(one)
            elif isinstance(one, ast.Import):
                for alias in one.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.names[name] = Came(module=alias.name if alias.asname else name)
            elif isinstance(one, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                self._take_assignment(one)
            elif isinstance(one, ast.If):
                known = _decided(one.test)
                if known is not True:
                    self._take_all(one.orelse)
                if known is not False:
                    self._take_all(one.body)  # where both may define a name, the first one counts
            elif isinstance(one, ast.Try):
                for handler in one.handlers:
                    self._take_all(handler.body)
                self._take_all([*one.body, *one.orelse, *one.finalbody])
            elif isinstance(one, ast.With):
                self._take_all(one.body)
            elif isinstance(one, ast.Delete):
                for target in one.targets:
                    self.names.pop(target.id if isinstance(target, ast.Name) else "", None)
            elif isinstance(one, ast.Expr) and isinstance(one.value, ast.Call):
                self._take_call(one.value)

    def _take_import(self, one: ast.ImportFrom) -> None:
        base = one.module or ""
        if one.level:
            parts = self._package.split(".")
            parts = parts[: len(parts) - one.level + 1]
            base = ".".join(parts + ([base] if base else []))
        for alias in one.names:
            if alias.name == "*":
                self.stars.append(base)
            else:
                self.names[alias.asname or alias.name] = Came(module=base, name=alias.name)

    def _take_assignment(self, one: Union[ast.Assign, ast.AnnAssign, ast.AugAssign]) -> None:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target]
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            if target.id != "__all__":
                self.names[target.id] = Came(text=ast.unparse(one))
            elif isinstance(one, ast.AugAssign):
                self._add_exports(one.value)
            else:
                self.exports = _texts(one.value) if one.value is not None else None

    def _take_call(self, call: ast.Call) -> None:
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and call.args:
            if function.value.id == "__all__" and function.attr == "extend":
                self._add_exports(call.args[0])
            elif function.value.id == "__all__" and function.attr == "append":
                self._add_exports(ast.List([call.args[0]], ast.Load()))

    def _add_exports(self, value: ast.expr) -> None:
        more = _texts(value)
        self.exports = self.exports + more if self.exports is not None and more is not None else None


def definition(text: str) -> Optional[ast.stmt]:
    """A statement's syntax; None: it can't be read.

    A class ends behind its docstring and fields, a function that yields nothing behind its docstring.
    """
    if text.startswith("class ") or "\nclass " in text[: text.find("\n    ") + 1]:
        inner = _INNER.search(text)
        head = _parsed(f"{text[: inner.start()]}\n    pass\n") if inner else None
        if head is not None:
            return head
    elif _DEFINES.match(text) and "yield" not in text:
        head = _parsed(_without_body(text))
        if head is not None:
            return head
    return _parsed(text)


def _without_body(text: str) -> str:
    """The definition of a function, which ends with its docstring."""
    depth = 0
    for match in _HEADER.finditer(text):
        found = match.group()
        if found in "([{":
            depth += 1
        elif found in ")]}":
            depth -= 1
        elif found[0] == ":" and depth == 0:
            docstring = _BEGINS_WITH_TEXT.match(text, match.end())
            if docstring is None and _BEGINS_LIKE_TEXT.match(text, match.end()):
                break  # such as one that is added up: it is for the parser
            return text[: docstring.end() if docstring else match.end()] + ("\n" if docstring else "    pass\n")
    return text


def method(text: str, name: str) -> Optional[ast.stmt]:
    """The last definition of a method in the text of a class, which is the one that is not just for type checkers."""
    found = None
    for begin in re.finditer(rf"^([ \t]+)(?:async )?def {name}\b", text, re.MULTILINE):
        indent = begin.group(1)
        end = re.compile(rf"^(?!{indent}[ \t)\]}}]|[ \t]*(?:#|$))", re.MULTILINE).search(text, begin.end())
        piece = text[begin.start() : end.start() if end else len(text)]
        found = _parsed(f"class _:\n{piece}") or found
    return found.body[0] if isinstance(found, ast.ClassDef) else None


def _pieces(source: str) -> Iterator[tuple[int, int]]:
    """Where the outermost statements begin and end, those that begin with a name."""
    start, decorated = -1, False
    for match in _BEGIN.finditer(source):
        word = match.group("begin")
        if word is None or word in _GOES_ON:
            continue
        if start >= 0 and not decorated:
            yield start, match.start()
        if not decorated:
            start = match.start()
        decorated = word == "@"
    if start >= 0:
        yield start, len(source)


def _parsed(text: str) -> Optional[ast.stmt]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return body[0] if body else None


def _docstring(text: str) -> Optional[str]:
    first = _parsed(text)
    value = first.value if isinstance(first, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _texts(value: ast.expr) -> Optional[list[str]]:
    """A list of texts as it is written; sums of such."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _texts(value.left), _texts(value.right)
        return None if left is None or right is None else left + right
    if not isinstance(value, (ast.List, ast.Tuple)):
        return None
    found = [one.value for one in value.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return found if len(found) == len(value.elts) else None


def _decided(test: ast.expr) -> Optional[bool]:
    """What a condition is on this interpreter, where that can be told; type checkers are not asked for."""
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    if name == "TYPE_CHECKING":
        return False
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left, comparison = ast.unparse(test.left), type(test.ops[0])
    known: Any = {"sys.platform": sys.platform, "sys.version_info": sys.version_info[:3]}.get(left)
    if known is None or comparison not in _COMPARISONS:
        return None
    try:
        return bool(_COMPARISONS[comparison](known, ast.literal_eval(test.comparators[0])))
    except (ValueError, TypeError):
        return None
