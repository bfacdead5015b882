"""From the names in a call to a function, and from an exception to what Erlang is told of it."""

from __future__ import annotations

import os
import sys

from bascule.workers.launch import bascule_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Final

_OURS: Final = bascule_folder() + os.sep
_MOST_FRAMES: Final = 100
_modules: Final = sys.modules
_whole: dict[str, Any] = {}
"""Modules that were called before, and so have been imported to their end."""


def find(module: str, names: tuple[str, ...]) -> Callable[..., Any]:
    """What `module` has under the dotted names.

    It is looked up each time: user code may reload a module, or put another function in its place.
    """
    found: Any = _modules.get(module)
    if found is None or _whole.get(module) is not found:
        found = _imported(module, found, names)
    for name in names:
        found = getattr(found, name)
    return found  # type: ignore[no-any-return]


def _imported(module: str, found: Any, names: tuple[str, ...]) -> Any:
    """The module, once it is whole: while another thread imports it, it has only half of its names."""
    if found is None or getattr(getattr(found, "__spec__", None), "_initializing", False):
        found = __import__(module, {}, {}, [names[0]])
    _whole[module] = found
    return found


def check_function(function: object) -> None:
    """An encoder, decoder or message handler takes one argument.

    Raises:
        TypeError: It is no function.
        ValueError: It can't be called with one argument.
    """
    if not callable(function):
        raise TypeError(f"expected a function, not {type(function).__name__}: {function!r:.80}")
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not say
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise ValueError(f"expected single argument function: {function!r}: {error}") from None


def classes_of(error: BaseException) -> list[str]:
    """The names of an exception's class and its bases, as `module.Class`."""
    return [f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__[:-1]]


def text_of(error: BaseException) -> str:
    """What an exception says, even where saying it raises."""
    try:
        return str(error)
    except BaseException as again:
        return f"<str() of the {type(error).__name__} raised {type(again).__name__}>"


def frames_of(error: BaseException) -> list[str]:
    """Where it was raised, innermost first, without what is between Erlang and user code."""
    try:
        from traceback import StackSummary, format_list, walk_tb

        stack = StackSummary.extract(_inner(error.__traceback__, walk_tb), lookup_lines=True)
        return format_list([frame for frame in reversed(stack) if not frame.filename.startswith(_OURS)])
    except Exception as again:  # a source file that can't be decoded, no memory left ...
        return [f"<the traceback can't be shown: {type(again).__name__}>\n"]


def _inner(traceback: TracebackType | None, walk: Any) -> Any:
    """The innermost frames: a recursion without end has thousands."""
    from collections import deque

    return deque(walk(traceback), _MOST_FRAMES)
