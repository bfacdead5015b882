"""What was done, as a call: the operands of a step -> a function of the target, or of Python, and its arguments.

Operators are told as calls of `operator.add` and the like, attribute access as `getattr`, `setattr`, `delattr`,
iteration as `iter` and `next`; a method that Python calls of itself (`__enter__`, `__await__`) as a call of that
method. A builtin that is applied to an object of the target (`list(v)`, `len(v)`) is a use too.

However a method was reached, it is told alike: as the function that its class has, with the instance as first argument.
"""

from __future__ import annotations

import builtins
import operator
import types
from itertools import islice

from .bytecode import Does
from .matching import FUNCTIONS, Matcher, find, is_class, is_instance, module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .bytecode import Step

    Operands = Sequence[Any]

_NO_KEYWORDS: dict[str, object] = {}
_READABLE = (tuple, list, set, frozenset, str, bytes, bytearray, range)
"""What can be read without running code of anybody's or using it up."""

APPLIED = frozenset(
    id(getattr(builtins, name))
    for name in (
        *("abs", "aiter", "all", "anext", "any", "ascii", "bin", "bool", "bytes", "complex", "delattr", "dict", "dir"),
        *("divmod", "enumerate", "filter", "float", "format", "frozenset", "getattr", "hasattr", "hash", "hex", "int"),
        *("iter", "len", "list", "map", "max", "min", "next", "oct", "pow", "repr", "reversed", "round", "set"),
        *("setattr", "sorted", "str", "sum", "tuple", "vars", "zip"),
    )
) | frozenset(id(function) for function in vars(operator).values() if type(function) is types.BuiltinFunctionType)
"""The builtins that use what they are given, by address: they live as long as the process."""

_NOT_APPLIED_TO = (*FUNCTIONS, types.ModuleType)
"""What a builtin only passes on."""

_MIRRORED = {"lt": "__gt__", "gt": "__lt__", "le": "__ge__", "ge": "__le__", "eq": "__eq__", "ne": "__ne__"}


class Use:
    """One use: what was called, with what.

    Attributes:
        gives: Whether what the step leaves on the stack is what the call gave.
        more: Another use by the same step.
    """

    __slots__ = ("args", "function", "gives", "kwargs", "more")

    def __init__(self, function: Any, args: Operands, kwargs: dict[str, object] = _NO_KEYWORDS) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.gives = True
        self.more: Use | None = None


class Operations:
    """Tells uses of one target."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.tell: dict[Does, Callable[[Step, Operands], Use | None]] = {
            Does.UNARY: self._unary,
            Does.BINARY: self._binary,
            Does.COMPARE: self._compare,
            Does.CONTAINS: self._contains,
            Does.GET_ITEM: self._get_item,
            Does.SET_ITEM: self._set_item,
            Does.DELETE_ITEM: self._delete_item,
            Does.GET_SLICE: self._get_slice,
            Does.SET_SLICE: self._set_slice,
            Does.GET_ATTRIBUTE: self._get_attribute,
            Does.SET_ATTRIBUTE: self._set_attribute,
            Does.DELETE_ATTRIBUTE: self._delete_attribute,
            Does.ITERATE: self._iterate,
            Does.SPREAD_MAPPING: self._spread_mapping,
            Does.ENTER: self._enter,
            Does.EXCEPT_EXIT: self._except_exit,
            Does.CALL: self._call,
            Does.CALL_NAMED: self._call_named,
            Does.CALL_SPREAD: self._call_spread,
            Does.FORMAT: self._format,
            Does.MATCH_CLASS: self._match_class,
            Does.MATCH_KEYS: self._match_keys,
        }

    def _uses(self, value: Any, *names: str) -> bool:
        """Whether a value belongs to the target; one of a class derived outside it, only where the target's own
        method would answer.
        """
        matcher = self.matcher
        cls = type(value)
        kind = matcher._kinds.get(id(cls)) or matcher.kind(cls)
        if not kind.foreign:
            return kind.target or matcher.touches(value)
        for name in names:
            found = find(cls, name)
            if found is not None:
                return matcher.is_target(module_name(found[0]))
        return False

    def _unary(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        truth = ("__bool__", "__len__") if name in ("not_", "truth") else (f"__{name}__",)
        return Use(getattr(operator, name), operands) if self._uses(operands[0], *truth) else None

    def _binary(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        bare = name.rstrip("_")
        plain = bare[1:] if bare[0] == "i" and bare != "invert" else bare
        left, right = operands
        if self._uses(left, f"__{bare}__", f"__{plain}__") or self._uses(right, f"__r{plain}__"):
            return Use(getattr(operator, name), operands)
        return None

    def _compare(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        left, right = operands
        if self._uses(left, f"__{name}__") or self._uses(right, _MIRRORED[name]):
            return Use(getattr(operator, name), operands)
        return None

    def _contains(self, step: Step, operands: Operands) -> Use | None:
        item, container = operands
        uses = self._uses(container, "__contains__", "__iter__", "__getitem__")
        return Use(operator.contains, (container, item)) if uses else None

    def _get_item(self, step: Step, operands: Operands) -> Use | None:
        return Use(operator.getitem, operands) if self._uses(operands[0], "__getitem__") else None

    def _set_item(self, step: Step, operands: Operands) -> Use | None:
        value, container, key = operands
        return Use(operator.setitem, (container, key, value)) if self._uses(container, "__setitem__") else None

    def _delete_item(self, step: Step, operands: Operands) -> Use | None:
        return Use(operator.delitem, operands) if self._uses(operands[0], "__delitem__") else None

    def _get_slice(self, step: Step, operands: Operands) -> Use | None:
        container, start, stop = operands
        if not self._uses(container, "__getitem__"):
            return None
        return Use(operator.getitem, (container, slice(start, stop)))

    def _set_slice(self, step: Step, operands: Operands) -> Use | None:
        value, container, start, stop = operands
        if not self._uses(container, "__setitem__"):
            return None
        return Use(operator.setitem, (container, slice(start, stop), value))

    def _get_attribute(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        return Use(getattr, (operands[0], name)) if self._uses(operands[0], name) else None

    def _set_attribute(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        value, owner = operands
        return Use(setattr, (owner, name, value)) if self._uses(owner, name) else None

    def _delete_attribute(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        return Use(delattr, (operands[0], name)) if self._uses(operands[0], name) else None

    def _iterate(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        uses = self._uses(operands[0], f"__{name}__", "__getitem__")
        return Use(getattr(builtins, name), operands) if uses else None

    def _format(self, step: Step, operands: Operands) -> Use | None:
        name: str = step.what
        value = operands[0]
        if name != "format":  # what is formatted then is a text
            return Use(getattr(builtins, name), (value,)) if self._uses(value, f"__{name}__") else None
        return Use(format, operands) if self._uses(value, "__format__") else None

    def _match_class(self, step: Step, operands: Operands) -> Use | None:
        """The attributes that are compared, where the object is certainly of the class."""
        value, cls, named = operands
        if not is_class(cls) or not is_instance(value, cls):
            return None
        own = find(cls, "__match_args__")
        count: int = step.what
        positional = own[1][:count] if own is not None and type(own[1]) is tuple else ()
        use = None
        for name in reversed((*positional, *named)):
            if type(name) is str and self._uses(value, name):
                use = _before(Use(getattr, (value, name)), use)
        return use

    def _match_keys(self, step: Step, operands: Operands) -> Use | None:
        value, keys = operands
        found = find(type(value), "get")
        if found is None or not self._uses(value, "get"):
            return None
        use = None
        for key in reversed(keys):
            use = _before(Use(found[1], (value, key)), use)
        return use

    def _spread_mapping(self, step: Step, operands: Operands) -> Use | None:
        return self._special(operands[0], "keys")

    def _enter(self, step: Step, operands: Operands) -> Use | None:
        return self._special(operands[0], step.what)

    def _special(self, value: Any, name: str) -> Use | None:
        """A method that Python itself looks up and calls."""
        if not self._uses(value, name):
            return None
        found = find(type(value), name)
        if found is None or type(found[1]) not in (types.FunctionType, types.MethodDescriptorType):
            return None
        return Use(found[1], (value,))

    def _except_exit(self, step: Step, operands: Operands) -> Use | None:
        leave, error = operands[0], operands[-1]
        if not self.matcher.touches_callable(leave):
            return None
        traceback = BaseException.__dict__["__traceback__"].__get__(error)
        return self._use_of(leave, [type(error), error, traceback], _NO_KEYWORDS)

    def _call_named(self, step: Step, operands: Operands) -> Use | None:
        return self._called(operands[0], operands[1:-1], operands[-1])

    def _call(self, step: Step, operands: Operands) -> Use | None:
        return self._called(operands[0], operands[1:], step.what)

    def _called(self, function: Any, args: Operands, names: Any) -> Use | None:
        if not self.matcher.touches_callable(function) and not (
            id(function) in APPLIED and self._applied(function, args, names)
        ):
            return None
        if not names:
            return self._use_of(function, args, _NO_KEYWORDS)
        count = len(names)
        return self._use_of(function, args[:-count], dict(zip(names, args[-count:])))

    def _call_spread(self, step: Step, operands: Operands) -> Use | None:
        function, spread = operands[:2]
        kwargs = operands[2] if step.what and type(operands[2]) is dict else _NO_KEYWORDS
        readable = type(spread) in _READABLE
        args = list(spread) if readable else []
        if self.matcher.touches_callable(function) or (id(function) in APPLIED and self._applied(function, args, None)):
            return self._use_of(function, args, dict(kwargs))
        if readable or not self._uses(spread, "__iter__"):
            return None
        use = Use(iter, (spread,))
        use.gives = False
        return use

    def _applied(self, function: Any, args: Operands, names: Any) -> bool:
        """Whether a builtin that uses the objects it is given is given one of the target."""
        matcher = self.matcher
        if function in (getattr, hasattr, setattr, delattr):
            return bool(args) and matcher.touches(args[0])
        positional = args[: len(args) - len(names)] if names else args
        return any(matcher.touches(value) for value in islice(positional, 4) if type(value) not in _NOT_APPLIED_TO)

    def _use_of(self, function: Any, args: Operands, kwargs: dict[str, object]) -> Use | None:
        cls = type(function)
        if cls is types.MethodType:
            inner, owner = function.__func__, function.__self__
            if type(inner) is types.FunctionType and not is_class(owner):
                return Use(inner, [owner, *args], kwargs)
        elif cls is types.BuiltinFunctionType or cls is types.MethodWrapperType:
            owner = function.__self__
            if owner is not None and type(owner) is not types.ModuleType and not is_class(owner):
                found = find(type(owner), function.__name__)
                if found and type(found[1]) in (types.MethodDescriptorType, types.WrapperDescriptorType):
                    return Use(found[1], [owner, *args], kwargs)
        elif self.matcher.kind(cls).is_class and not self._constructs(function):
            return None
        return Use(function, args, kwargs)

    def _constructs(self, cls: type) -> bool:
        """Whether making an instance runs the target's constructor, not that of a class derived outside it."""
        if not self.matcher.kind(cls).foreign:
            return True
        for name in ("__init__", "__new__"):
            found = find(cls, name)
            if found is not None and found[0] is not object and not self.matcher.is_target(module_name(found[0])):
                return False
        return True


def _before(first: Use, then: Use | None) -> Use:
    first.gives = False
    first.more = then
    return first
