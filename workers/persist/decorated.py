"""What stands in a decorated function's place, in memory or with a store: it is called as the function is.

It keeps the function's name, docstring and signature, becomes a method where it stands in a class, and is pickled by
its name, as functions are. Of which kind the function is, is seen once.
"""

from __future__ import annotations

import enum
import functools
import inspect
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from bascule.workers.persist.canonical import encode


class Kind(enum.Enum):
    """What calling the function gives."""

    PLAIN = "a result"
    COROUTINE = "a coroutine"
    GENERATOR = "a generator"
    ASYNC_GENERATOR = "an asynchronous generator"


def kind_of(function: Callable[..., Any]) -> Kind:
    """Which kind a function is of."""
    if inspect.iscoroutinefunction(function):
        return Kind.COROUTINE
    if inspect.isasyncgenfunction(function):
        return Kind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return Kind.GENERATOR
    return Kind.PLAIN


class Decorated(ABC):
    """A function, and what is to be done around it: that is for a subclass to say, in `__call__`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._is_method = False
        self._kind = kind_of(function)
        if self._kind is Kind.COROUTINE:
            _mark_as_coroutine_function(self)

    @abstractmethod
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """What the function gives, remembered or computed."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._is_method = True

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        self._is_method = True
        return types.MethodType(self, instance)

    def __reduce__(self) -> str:
        name: str = vars(self)["__qualname__"]
        return name


def instance_key(instance: Any) -> tuple[str, Any]:
    """What stands for a method's object in a key: its class, and what makes it equal to others. Never itself.

    That is what its `__persist_key__` (an attribute or a method) says, else a digest of its content.
    """
    if isinstance(instance, type):
        return "class", f"{instance.__module__}.{instance.__qualname__}"
    kind = f"{type(instance).__module__}.{type(instance).__qualname__}"
    own = getattr(instance, "__persist_key__", None)
    if own is not None:
        return kind, own() if callable(own) else own
    return kind, encode(instance).hex()


def _mark_as_coroutine_function(wrapper: Any) -> None:
    """So that frameworks see that calling it gives a coroutine."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(wrapper)
    else:
        import asyncio.coroutines

        wrapper._is_coroutine = vars(asyncio.coroutines)["_is_coroutine"]
