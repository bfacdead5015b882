"""Arguments -> the names of the parameters that they went to, as the trace has them under `bound_params`.

A Python function says all of it in its code object, and one that was wrapped with `functools.wraps` says it in the
function that it wraps. Functions written in C say it in a text, which is read here. Whatever else could answer would
have to be asked by calling user code (`__signature__`, a property), so it is not asked: its arguments stay unbound.
"""

from __future__ import annotations

import types

from .matching import CACHED, Matcher, find, is_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_DEEPEST_WRAP = 16


class Parameters:
    """What a function takes."""

    __slots__ = ("defaults", "kw_defaults", "kw_only", "names", "pos_only", "var_kw", "var_pos")

    def __init__(
        self,
        names: tuple[str, ...],
        pos_only: int,
        kw_only: tuple[str, ...],
        var_pos: str | None,
        var_kw: str | None,
        defaults: int,
        kw_defaults: frozenset[str],
    ) -> None:
        self.names = names
        self.pos_only = pos_only
        self.kw_only = kw_only
        self.var_pos = var_pos
        self.var_kw = var_kw
        self.defaults = defaults
        self.kw_defaults = kw_defaults


Bound = "dict[str, object]"


def parameters_of(function: object, matcher: Matcher) -> Parameters | None:
    """What a function takes; None when it can't be told without calling user code."""
    cls = type(function)
    if is_class(function):
        return _constructor(function)
    for _ in range(_DEEPEST_WRAP):
        wrapped = _wrapped(function)
        if wrapped is None:
            break
        function = wrapped
    if type(function) is types.FunctionType:
        return _of_function(function)
    if cls in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType):
        return _of_text(function)
    return None


def _wrapped(function: object) -> object:
    if type(function) not in (types.FunctionType, CACHED) and type(function).__name__ != "_ArrayFunctionDispatcher":
        return None
    try:
        namespace = object.__getattribute__(function, "__dict__")
    except AttributeError:
        return None
    inner = namespace.get("__wrapped__")
    return inner if type(inner) in (types.FunctionType, CACHED) else None


def _of_function(function: types.FunctionType) -> Parameters:
    code = function.__code__
    names = code.co_varnames
    count, kw_count = code.co_argcount, code.co_kwonlyargcount
    at = count + kw_count
    var_pos = var_kw = None
    if code.co_flags & _VARARGS:
        var_pos = names[at]
        at += 1
    if code.co_flags & _VARKEYWORDS:
        var_kw = names[at]
    defaults = function.__defaults__
    kw_defaults = function.__kwdefaults__
    return Parameters(
        names[:count],
        code.co_posonlyargcount,
        names[count : count + kw_count],
        var_pos,
        var_kw,
        len(defaults) if defaults else 0,
        frozenset(kw_defaults or ()),
    )


def _of_text(function: object) -> Parameters | None:
    """From what a function written in C says of itself: `($self, axis=None, /, *, out=None)`.

    `inspect` would read it too, but leaves reference cycles behind, which a program may look for.
    """
    text = getattr(function, "__text_signature__", None)
    if type(text) is not str or text[:1] != "(" or text[-1:] != ")" or "<unrepresentable>" in text:
        return None
    names: list[str] = []
    kw_only: list[str] = []
    kw_defaults: set[str] = set()
    pos_only = defaults = 0
    var_pos = var_kw = None
    only = False
    for part in _split(text[1:-1]):
        name, with_default, _ = part.partition("=")
        name = name.partition(":")[0].strip()
        if name[:1] == "$":
            if getattr(function, "__self__", None) is not None:
                continue  # the module or the object that it is bound to
            names.append(name[1:])
            pos_only = 1
        elif name == "/":
            pos_only = len(names)
        elif name == "*":
            only = True
        elif not name.lstrip("*").isidentifier():
            return None
        elif name[:2] == "**":
            var_kw = name[2:]
        elif name[:1] == "*":
            var_pos, only = name[1:], True
        elif only:
            kw_only.append(name)
            if with_default:
                kw_defaults.add(name)
        else:
            names.append(name)
            defaults += bool(with_default)
    return Parameters(tuple(names), pos_only, tuple(kw_only), var_pos, var_kw, defaults, frozenset(kw_defaults))


def _split(text: str) -> list[str]:
    """At the commas that stand in no brackets and no quotes."""
    parts: list[str] = []
    depth, begin, quote, escaped = 0, 0, "", False
    for at, sign in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == quote:
                quote = ""
        elif sign in "\"'":
            quote = sign
        elif sign in "([{<":
            depth += 1
        elif sign in ")]}>":
            depth -= 1
        elif sign == "," and not depth:
            parts.append(text[begin:at].strip())
            begin = at + 1
    last = text[begin:].strip()
    return [*parts, last] if last else parts


def _constructor(cls: type) -> Parameters | None:
    if find(type(cls), "__call__") != (type, type.__dict__["__call__"]):
        return None  # its metaclass decides
    for name in ("__new__", "__init__"):
        found = find(cls, name)
        if found is None:
            continue
        function = found[1].__func__ if type(found[1]) is staticmethod else found[1]
        if type(function) is types.FunctionType:
            whole = parameters_of(function, None)  # type: ignore[arg-type]
            return None if whole is None else _without_first(whole)
        if found[0] is not object and name == "__new__" and find(cls, "__init__") in (None, _OBJECT_INIT):
            return None
    return None


_OBJECT_INIT = (object, object.__dict__["__init__"])


def _without_first(whole: Parameters) -> Parameters | None:
    if not whole.names:
        return whole if whole.var_pos else None
    return Parameters(
        whole.names[1:],
        max(0, whole.pos_only - 1),
        whole.kw_only,
        whole.var_pos,
        whole.var_kw,
        min(whole.defaults, len(whole.names) - 1),
        whole.kw_defaults,
    )


def bind(takes: Parameters, args: Sequence[object], kwargs: dict[str, object]) -> dict[str, object] | None:
    """The arguments by the parameters they went to, empty parts left out; None when they do not fit."""
    names = takes.names
    given = len(args)
    if given > len(names) and takes.var_pos is None:
        return None
    rest = dict(kwargs)
    pos_only: list[list[object]] = []
    pos_or_kw: list[list[object]] = []
    required = len(names) - takes.defaults
    for index, name in enumerate(names):
        positional_only = index < takes.pos_only
        into = pos_only if positional_only else pos_or_kw
        if index < given:
            if name in rest and not positional_only:
                return None
            into.append([name, args[index]])
        elif not positional_only and name in rest:
            into.append([name, rest.pop(name)])
        elif index < required:
            return None
    kw_only: dict[str, object] = {}
    for name in takes.kw_only:
        if name in rest:
            kw_only[name] = rest.pop(name)
        elif name not in takes.kw_defaults:
            return None
    if rest and takes.var_kw is None:
        return None
    bound: dict[str, object] = {}
    if pos_only:
        bound["pos_only"] = pos_only
    if pos_or_kw:
        bound["pos_or_kw"] = pos_or_kw
    if given > len(names):
        bound["var_pos"] = [takes.var_pos, list(args[len(names) :])]
    if kw_only:
        bound["kw_only"] = kw_only
    if rest:
        bound["var_kw"] = [takes.var_kw, rest]
    return bound
