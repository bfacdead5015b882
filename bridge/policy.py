"""What a client may call: patterns of `module:function`, and the decision about one call.

    Policy(("math:*", "stats.**:report", "app:jobs.run"), objects=False)

In a pattern `*` stands for one name, or for a part of one, but never for a dot and never for a name's leading
underscore; `**` stands for any names, dots between them included, though still for none with a leading underscore. So
`math:*` allows `math:sqrt` and not `math:sqrt.__class__`, and a module's private functions are called by whoever was
given their very names. The pattern `*` alone allows everything.

A target may also be written with dots alone (`os.path.join`): which part of it is the module is found out by the
worker, so here it is allowed only when patterns fit it wherever the colon might stand. Who is restricted writes the
colon.

A combined target (`fold(operator:add,operator:neg)`, see `bascule.protocols.calls`) is allowed when all the functions
that it names are. No argument of ours names a function: so what is allowed is all that can be called.

What is done to objects (methods, attributes, operators on handles) is not decided by name: through an object's
attributes nearly everything can be reached, so there is one switch for all of it, `objects`. Without it, builtins and
operators are looked up as `builtins:NAME` and `operator:NAME`, and a module's landscape as `MODULE:*`.

A decision is a pure function of the head of a call's payload; the router asks for it before anything else is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bascule.protocols.calls import Op, names_in

_MOST_REMEMBERED = 4096
_NAME = r"[^\W\d]\w*"
_PATTERN = re.compile(r"[\w*.]+:[\w*.]+")
_NAMED = {int(Op.INIT), int(Op.USE)}
_COMBINED = {int(Op.CALL), int(Op.MAP), int(Op.CONST)}  # or named
_PREFIXED = {int(Op.BUILTIN): "builtins:", int(Op.OPERATOR): "operator:"}
_LANDSCAPE = int(Op.LANDSCAPE)


class PolicyError(ValueError):
    """A pattern is none; the message says what one looks like."""


class Policy:
    """Patterns, compiled; a decision is remembered, since clients ask for few targets many times.

    Args:
        patterns: What may be called.
        objects: Whether handles may be used, too.

    Raises:
        PolicyError: One of them is no pattern.
    """

    def __init__(self, patterns: Iterable[str], *, objects: bool = False) -> None:
        self.patterns = tuple(patterns)
        self.objects = objects
        self._everything = "*" in self.patterns
        expressions = [_expression(pattern) for pattern in self.patterns if pattern != "*"]
        self._fits = re.compile("|".join(expressions) or r"(?!)").fullmatch
        self._known: dict[tuple[int, bytes], bool] = {}

    def why_not(self, op: int, target: bytes, on_object: bool) -> str | None:
        """Why a call is denied, or None: its operation, its target, and whether it names a handle."""
        if self._everything and (self.objects or not on_object):
            return None
        if on_object and not self.objects:
            return "this listener's policy lets its clients use no objects (objects = true would)"
        if on_object:
            return None
        key = (op, target)
        allowed = self._known.get(key)
        if allowed is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            allowed = self._known[key] = self._allows(op, target.decode(errors="replace"))
        if allowed:
            return None
        named = target[:200].decode(errors="replace")
        if op in _COMBINED and named.endswith(")"):
            named = next((name for name in names_in(named)[1] if not self._allows_name(name)), named)
        shown = f"{_PREFIXED.get(op, '')}{named}"
        return f"this listener's policy does not allow {shown or Op(op).name.lower()}"

    def _allows(self, op: int, target: str) -> bool:
        if op in _COMBINED:
            return all(map(self._allows_name, names_in(target)[1]))
        if op in _NAMED:
            return self._allows_name(target)
        if op in _PREFIXED:
            return self.objects or self._allows_name(_PREFIXED[op] + target)
        if op == _LANDSCAPE:
            return f"{target}:*" in self.patterns or f"{target}:**" in self.patterns
        return self.objects

    def _allows_name(self, target: str) -> bool:
        if ":" in target:
            return self._fits(target) is not None
        names = target.split(".")
        splits = [".".join(names[:at]) + ":" + ".".join(names[at:]) for at in range(1, len(names))]
        return bool(splits) and all(self._fits(split) for split in splits)


NOTHING = Policy(())
"""The policy of those whom nobody has allowed anything."""


def _expression(pattern: str) -> str:
    if not _PATTERN.fullmatch(pattern):
        raise PolicyError(f"{pattern!r} is no pattern; one is module:function, in which * and ** stand for names")
    module, _, function = pattern.partition(":")
    return f"{_path(module)}:{_path(function)}"


def _path(pattern: str) -> str:
    """A dotted path of a pattern as a regular expression."""
    names = [rf"{_public()}(?:\.{_public()})*" if name == "**" else _name(name) for name in pattern.split(".")]
    return r"\.".join(names)


def _public() -> str:
    return rf"(?!_){_NAME}"


def _name(pattern: str) -> str:
    body = r"\w*".join(re.escape(part) for part in pattern.split("*"))
    return rf"(?!_)(?=\w){body}" if pattern.startswith("*") else body
