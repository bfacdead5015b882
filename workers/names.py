"""From the text `module:attribute.path` to a Python object.

Two spellings. `package.module:Class.method` says where the module ends. `package.module.Class.method` does not, and
is resolved by its longest importable prefix: a module that cannot be *found* shortens the prefix, one that is found
and *fails* to import is the caller's to see, so that a broken import never reads as a missing function.

What is found nowhere is answered with the names that come close.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module

from bascule.protocols.errors import ErrorKind
from bascule.workers.errors import CallFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_CLOSE = 3  # how many close matches an error names
_ALIKE = 0.65  # how close: what is farther is another word, not a slip of the finger


class Named:
    """Where a target was found: `path` attributes below `module`."""

    __slots__ = ("module", "module_name", "path", "value")

    def __init__(self, module_name: str, module: ModuleType, path: tuple[str, ...], value: object) -> None:
        self.module_name = module_name
        self.module = module
        self.path = path
        self.value = value


def resolve(target: str) -> Named:
    """Find what `target` names, importing what must be imported.

    Raises:
        CallFailed: NOT_FOUND, with close matches.
        Exception: Whatever a module raised while it was imported.
    """
    module_name, colon, path = target.partition(":")
    if colon:
        if not _is_dotted(module_name) or (path and not _is_dotted(path)):
            raise not_found(f"{target!r} is no name: write module:attribute, each a dotted path")
        module = _import(module_name, target)
        parts = tuple(path.split(".")) if path else ()
        return Named(module_name, module, parts, walk(module, parts, target))
    if not _is_dotted(target):
        raise not_found(f"{target!r} is no name: write module:attribute")
    return _resolve_dotted(target)


def walk(value: object, path: tuple[str, ...], target: str) -> object:
    """Follow attributes.

    Raises:
        CallFailed: NOT_FOUND, when one is missing. An AttributeError from *inside* a property or a module's own
            `__getattr__` about another name is passed on as it is.
    """
    for name in path:
        value = get(value, name, target)
    return value


def get(owner: Any, name: str, target: str = "") -> Any:
    """`getattr(owner, name)`; see `walk` for what it raises."""
    try:
        return getattr(owner, name)
    except AttributeError as error:
        if not _is_about(error, owner, name):
            raise
        raise missing_attribute(owner, name, target, str(error)) from None


def missing_attribute(owner: object, name: str, target: str = "", told: str = "") -> CallFailed:
    """The error that says `owner` has no `name`, and what comes close.

    Args:
        owner: What was asked.
        name: For which attribute.
        target: The whole name that was being resolved.
        told: What the owner itself said, when it is more than Python's own sentence.
    """
    if isinstance(owner, type):
        what = f"type {owner.__name__!r}"
    elif _is_module(owner):
        what = f"module {_name_of(owner)!r}"
    else:
        what = f"{type(owner).__name__!r} object"
    while_resolving = f" (in {target!r})" if target and target != name else ""
    own_words = f": {told}" if told and "has no attribute" not in told and told != name else ""
    try:
        candidates = dir(owner)
    except Exception:  # a broken __dir__ must not replace the real error
        candidates = []
    message = f"{what} has no attribute {name!r}{while_resolving}{own_words}{did_you_mean(name, candidates)}"
    return CallFailed(ErrorKind.NOT_FOUND, message, like=AttributeError)


def not_found(message: str, like: type[BaseException] | None = None) -> CallFailed:
    """A NOT_FOUND with this message."""
    return CallFailed(ErrorKind.NOT_FOUND, message, like=like)


def did_you_mean(name: str, candidates: list[str]) -> str:
    """`; did you mean a, b?` or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, [text for text in candidates if isinstance(text, str)], _CLOSE, _ALIKE)
    return f"; did you mean {' or '.join(repr(text) for text in close)}?" if close else ""


def _resolve_dotted(target: str) -> Named:
    parts = target.split(".")
    module = _import(parts[0], target)
    modules = [module]
    for length in range(2, len(parts)):  # the last part is never a module's: a call wants what is in one
        submodule = _find_submodule(modules[-1], ".".join(parts[:length]))
        if submodule is None:
            break
        modules.append(submodule)
    failure: CallFailed | None = None
    for length in range(len(modules), 0, -1):  # a class may hide behind a submodule of the same name: try shorter ones
        path = tuple(parts[length:])
        try:
            value = walk(modules[length - 1], path, target)
        except CallFailed as error:
            failure = failure or error
            continue
        return Named(".".join(parts[:length]), modules[length - 1], path, value)
    whole = _find_submodule(modules[-1], target) if len(modules) == len(parts) - 1 else None
    if whole is not None:
        return Named(target, whole, (), whole)
    if failure is None:
        return Named(target, module, (), module)
    raise failure


def _import(name: str, target: str) -> ModuleType:
    try:
        return import_module(name)  # even if it is in sys.modules: another thread may be in the middle of importing it
    except ModuleNotFoundError as error:
        missing = error.name
        if missing is None or not (name == missing or name.startswith(missing + ".")):
            raise  # the module is there; something that *it* imports is not
        raise not_found(_no_module(name, missing, target), ModuleNotFoundError) from None


def _no_module(name: str, missing: str, target: str) -> str:
    parent, _, last = missing.rpartition(".")
    if parent:
        path: list[str] | None = list(getattr(sys.modules.get(parent), "__path__", ()))
        if not path:
            return f"{parent!r} is a module, not a package: there is no {missing!r} in it (in {target!r})"
    else:
        path = None
    from pkgutil import iter_modules

    if not parent and hasattr(builtins, last):
        hint = f"; did you mean 'builtins:{last}'?"
    else:
        hint = did_you_mean(last, [info.name for info in iter_modules(path)])
    return f"there is no module {missing!r} on the worker's sys.path{hint}"


def _find_submodule(parent: ModuleType, name: str) -> ModuleType | None:
    """The submodule, imported; None when there is none of that name."""
    if name not in sys.modules:
        if not hasattr(parent, "__path__"):
            return None
        from importlib.util import find_spec

        if find_spec(name) is None:
            return None
    return import_module(name)


def _is_dotted(text: str) -> bool:
    """Whether no part is empty. More is not asked: a module may have a name that no import statement can write."""
    return all(text.split(".")) and "\0" not in text


def _is_about(error: AttributeError, owner: object, name: str) -> bool:
    """Whether `error` says that `owner` lacks `name`, rather than something deeper that user code tripped over."""
    missing = getattr(error, "name", None)  # set by getattr itself, from 3.10 on, where the raiser has not
    if missing is not None:
        return bool(missing == name and getattr(error, "obj", owner) is owner)
    text = str(error)
    return text == name or repr(name) in text


def _is_module(value: object) -> bool:
    return isinstance(value, type(sys))


def _name_of(module: object) -> str:
    return str(getattr(module, "__name__", "?"))
