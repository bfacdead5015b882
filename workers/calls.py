"""What each operation does: from the head of a call to a function that takes the call's arguments.

`make_plan` is asked once for each different head; the loop keeps its answer (the call-site cache). A plan is a plain
Python callable, and for the usual case, a function of a module, it is that very function: the loop calls it with the
decoded arguments and nothing stands between. The object of a method or operator call is the first argument.
"""

from __future__ import annotations

import builtins
import operator
import sys

from bascule.protocols.calls import Op, Want, names_in
from bascule.protocols.errors import ErrorKind
from bascule.workers.errors import CallFailed
from bascule.workers.names import did_you_mean, get, not_found, resolve, walk
from bascule.workers.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from bascule.workers.names import Named

    Function = Callable[..., Any]
    MapItems = Callable[..., Any]  # (function, items, *columns)


def make_plan(op: int, target: str, want: int, map_items: MapItems) -> Plan:
    """The plan for one operation on one target. Imports what the target names.

    Args:
        op: One of `calls.Op`.
        target: What stands in the head.
        want: One of `calls.Want`.
        map_items: Runs a function over the items of a MAP.

    Raises:
        CallFailed: There is no such operation, or nothing of that name.
        Exception: Whatever a module raised while it was imported.
    """
    maker = _MAKERS.get(op)
    if maker is None:
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"there is no operation {op}: this worker knows 1 to {max(Op)}")
    if want not in _WANTS:
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"want is 0 (auto), 1 (value) or 2 (handle), not {want}")
    plan = maker(target, map_items)
    if want == Want.HANDLE or plan.iterates:
        plan.plain = _NOTHING_PLAIN
    return plan


# Functions, classes and constants of modules


def _make_call(target: str, _map: MapItems) -> Plan:
    if target.endswith(")"):
        return Plan(_combined(target), awaits=True)
    named = resolve(target)
    return _watching(Plan(_callable(named, target), awaits=True), named)


def _make_kept(target: str, map_items: MapItems) -> Plan:
    return _make_call(target.rpartition("\n")[0], map_items)


def _make_init(target: str, _map: MapItems) -> Plan:
    named = resolve(target)  # not awaited: an instance that happens to be awaitable is what was asked for
    return _watching(Plan(_callable(named, target)), named)


def _make_map(target: str, map_items: MapItems) -> Plan:
    named = None if target.endswith(")") else resolve(target)
    function = _combined(target) if named is None else _callable(named, target)

    def run_map(items: Any, *columns: Any) -> Any:
        return map_items(function, items, *columns)

    return Plan(run_map) if named is None else _watching(Plan(run_map), named)


def _combined(target: str) -> Function:
    from bascule.workers.folding import combined

    return combined(target)


def _make_const(target: str, _map: MapItems) -> Plan:
    what, names = names_in(target)
    if what and (what != "convert" or len(names) != 2):
        raise not_found(f"a constant is combined with a type as convert(NAME,TYPE), not as {target!r}")
    named = resolve(names[0])
    kind = resolve(names[1]).value if what else None

    def const(convert: str | None = None) -> Any:
        value = walk(named.module, named.path, target)
        if kind is not None:
            return _type(kind, names[1])(value)
        return value if convert is None else _type(getattr(builtins, convert, None), convert)(value)

    return Plan(_strict(const, "CONST takes nothing, or the name of a type to convert to"))


def _make_use(target: str, map_items: MapItems) -> Plan:
    return (_make_call if callable(resolve(target).value) else _make_const)(target, map_items)


def _make_landscape(target: str, _map: MapItems) -> Plan:
    def landscape(options: dict[str, Any] | None = None, /) -> Any:
        from bascule.workers.landscape import describe_module

        return describe_module(target, options)

    return Plan(_strict(landscape, "LANDSCAPE takes nothing, or a map of options"))


def _callable(named: Named, target: str) -> Function:
    value = named.value
    if not callable(value):
        kind = type(value).__name__
        inside = "" if named.path else f"; a function in it is called as {target + ':NAME'!r}"
        raise not_found(f"{target!r} is a {kind}: it can be asked for, but not called{inside}", TypeError)
    special = _OF_THEIR_CALLER.get(id(value))
    if special is not None:
        return special
    if len(named.path) > 1:
        module, path = named.module, named.path

        def call_path(*args: Any, **kwargs: Any) -> Any:
            return walk(module, path, target)(*args, **kwargs)  # type: ignore[operator]

        return call_path
    function: Function = value
    return function


def _watching(plan: Plan, named: Named) -> Plan:
    """Let the loop see when the name comes to mean something else."""
    if named.path:
        namespace = getattr(named.module, "__dict__", {})
        first = named.path[0]
        if first in namespace:
            plan.watch, plan.name, plan.watched = namespace, first, namespace[first]
            plan.module, plan.module_name = named.module, named.module_name
    return plan


def _type(value: object, name: str) -> Function:
    """What a constant is converted with. A type of a module is named in the target, where policies look."""
    if not isinstance(value, type):
        known = "give int, float, str, ... or, in the target, convert(NAME,TYPE)"
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"{str(name)!r} is no type to convert to: {known}")
    return value


# Objects


def _make_method(target: str, _map: MapItems) -> Plan:
    path = _attribute_path(target)
    if len(path) == 1:

        def call_method(receiver: Any, /, *args: Any, **kwargs: Any) -> Any:
            return get(receiver, target)(*args, **kwargs)
    else:

        def call_method(receiver: Any, /, *args: Any, **kwargs: Any) -> Any:
            return walk(receiver, path, target)(*args, **kwargs)  # type: ignore[operator]

    return Plan(call_method, awaits=True)


def _make_getattr(target: str, _map: MapItems) -> Plan:
    path = _attribute_path(target)

    def get_attribute(receiver: Any, /) -> Any:
        return walk(receiver, path, target)

    return Plan(_strict(get_attribute, "GETATTR takes an object and nothing else"))


def _make_setattr(target: str, _map: MapItems) -> Plan:
    *owners, name = _attribute_path(target)

    def set_attribute(receiver: Any, value: Any, /) -> None:
        setattr(walk(receiver, tuple(owners), target), name, value)

    return Plan(_strict(set_attribute, "SETATTR takes an object and the new value"))


def _make_delattr(target: str, _map: MapItems) -> Plan:
    *owners, name = _attribute_path(target)

    def delete_attribute(receiver: Any, /) -> None:
        owner = walk(receiver, tuple(owners), target)
        get(owner, name)  # for its message, with what comes close
        delattr(owner, name)

    return Plan(_strict(delete_attribute, "DELATTR takes an object and nothing else"))


def _make_iterate(_target: str, _map: MapItems) -> Plan:
    def iterate(value: Any, /) -> Any:
        return value.__aiter__() if hasattr(type(value), "__aiter__") else iter(value)

    return Plan(_strict(iterate, "ITERATE takes an object and nothing else"), iterates=True)


def _make_describe(_target: str, _map: MapItems) -> Plan:
    def describe_object(value: Any, /) -> Any:
        from bascule.workers.describe import describe

        return describe(value)

    return Plan(_strict(describe_object, "DESCRIBE takes an object and nothing else"))


def _attribute_path(target: str) -> tuple[str, ...]:
    path = tuple(target.split("."))
    if not all(path):
        raise not_found(f"{target!r} is no attribute's name")
    return path


def _strict(function: Function, usage: str) -> Function:
    """Our own functions say what they take when they are given something else."""
    code = function.__code__
    most = code.co_argcount
    least = most - len(function.__defaults__ or ())

    def checked(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not least <= len(args) <= most:
            given = f"{len(args)} arguments" + (f" and keywords {sorted(kwargs)}" if kwargs else "")
            raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"{usage}; it was given {given}", like=TypeError)
        return function(*args)

    return checked


# Operators and builtins


def _make_operator(target: str, _map: MapItems) -> Plan:
    name = target.replace("-", "_")
    bare = name.rstrip("_")
    for candidate in (name, bare, bare + "_"):
        function = _EXTRA_OPERATORS.get(candidate)
        if function is None and (candidate in operator.__all__ or _is_dunder(candidate)):
            function = getattr(operator, candidate, None)
        if callable(function):
            return Plan(function, awaits=True)
    raise not_found(f"there is no operator {target!r}{did_you_mean(name, list(operator.__all__))}", AttributeError)


def _make_builtin(target: str, _map: MapItems) -> Plan:
    function = getattr(builtins, target, None)
    if not callable(function):
        raise not_found(f"there is no builtin {target!r}{did_you_mean(target, dir(builtins))}", AttributeError)
    plan = Plan(_OF_THEIR_CALLER.get(id(function), function), awaits=True)
    plan.watch, plan.name, plan.watched = vars(builtins), target, function
    plan.module, plan.module_name = builtins, "builtins"
    return plan


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name[2:-2] in operator.__all__


def _call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _main() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


def _eval(source: Any, /, *scopes: Any, **options: Any) -> Any:
    return eval(source, *_scopes(scopes, options), **options)


def _exec(source: Any, /, *scopes: Any, **options: Any) -> Any:
    exec(source, *_scopes(scopes, options), **options)


def _scopes(scopes: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    given = scopes[0] if scopes else options.pop("globals", None)
    return (_main() if given is None else given, *scopes[1:])


def _compile(*args: Any, **options: Any) -> Any:
    if len(args) < 5:
        options.setdefault("dont_inherit", True)  # not this module's `from __future__ import annotations`
    return compile(*args, **options)


def _dir(*args: Any) -> Any:
    return dir(*args) if args else sorted(_main())


def _vars(*args: Any) -> Any:
    return vars(*args) if args else _main()


_OF_THEIR_CALLER: Final[dict[int, Function]] = {
    id(eval): _eval,
    id(exec): _exec,
    id(compile): _compile,
    id(dir): _dir,
    id(vars): _vars,
    id(globals): _main,
    id(locals): _main,
}
"""Builtins that work on the frame of their caller, which would be ours: here it is `__main__`."""


def _identity(value: Any, /) -> Any:
    return value


_EXTRA_OPERATORS: Final[dict[str, Function]] = {
    "call": _call,
    "setattr": setattr,
    "delattr": delattr,
    "identity": _identity,
}
"""What `operator` lacks, or lacked before 3.11."""

_NOTHING_PLAIN: Final[frozenset[type]] = frozenset()
_WANTS: Final = frozenset(int(want) for want in Want)

_MAKERS: Final[dict[int, Callable[[str, MapItems], Plan]]] = {
    int(Op.CALL): _make_call,
    int(Op.INIT): _make_init,
    int(Op.METHOD): _make_method,
    int(Op.GETATTR): _make_getattr,
    int(Op.SETATTR): _make_setattr,
    int(Op.DELATTR): _make_delattr,
    int(Op.CONST): _make_const,
    int(Op.OPERATOR): _make_operator,
    int(Op.BUILTIN): _make_builtin,
    int(Op.ITERATE): _make_iterate,
    int(Op.DESCRIBE): _make_describe,
    int(Op.LANDSCAPE): _make_landscape,
    int(Op.MAP): _make_map,
    int(Op.KEPT): _make_kept,
    int(Op.USE): _make_use,
}
