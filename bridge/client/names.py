"""A module, as if it were imported here.

    np = client.module("numpy")
    np.linalg.norm(np.arange(3.0))

    np = client.module("numpy")                         with the clients of trio and asyncio
    await np.linalg.norm(await np.arange(3.0))

A `Name` is not bound to a worker: it is a name and nothing else, and each call through it goes to whichever worker is
free. Its attributes are looked up once; what is a value comes as a value each time it is asked for, all else (a
function, a class, a submodule) is a `Name` again. An `AsyncName` asks for nothing before it is awaited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bascule.bridge.client.proxy import Proxy
from bascule.bridge.errors import NotFound
from bascule.protocols.calls import Want

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bascule.bridge.client.async_client import AsyncClient
    from bascule.bridge.client.blocking import Client


class Name:
    """A module, or something that has a place in one."""

    __slots__ = ("_bascule_client", "_bascule_known", "_bascule_target")

    def __init__(self, client: Client, target: str) -> None:
        self._bascule_client = client
        self._bascule_target = target
        self._bascule_known: dict[str, Name] = {}

    def __getattr__(self, name: str) -> Any:
        known: Name | None = self._bascule_known.get(name)
        if known is not None:
            return known
        if name.startswith("__") and name.endswith("__") and name not in ("__version__", "__file__", "__name__"):
            raise AttributeError(f"{name} is not asked of a module's name")
        target = self._bascule_target
        below = f"{target}.{name}" if ":" in target else f"{target}:{name}"
        try:
            value = self._bascule_client.const(below)
        except NotFound as error:
            if isinstance(error, AttributeError):
                raise
            raise AttributeError(str(error)) from error
        if type(value) is not Proxy:
            return value
        self._bascule_known[name] = Name(self._bascule_client, below)
        return self._bascule_known[name]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, in whichever worker is free."""
        return self._bascule_client.apply(self._bascule_target, args, kwargs)

    def __dir__(self) -> list[str]:
        names: list[str] = self._bascule_client.builtin("dir", self._bascule_proxy())
        return names

    def __iter__(self) -> Iterator[Any]:
        return iter(self._bascule_proxy())

    def __repr__(self) -> str:
        return f"<remote {self._bascule_target}>"

    def _bascule_proxy(self) -> Any:
        """A proxy of what is named, where a handle is needed: the name as an argument."""
        target = self._bascule_target
        if ":" in target:
            return self._bascule_client.const(target, want=Want.HANDLE)
        return self._bascule_client.call("importlib:import_module", target, want=Want.HANDLE)


class AsyncName:
    """The same for trio and asyncio: to be awaited, or called and then awaited."""

    __slots__ = ("_bascule_client", "_bascule_target")

    def __init__(self, client: AsyncClient, target: str) -> None:
        self._bascule_client = client
        self._bascule_target = target

    def __getattr__(self, name: str) -> AsyncName:
        if name.startswith("__") and name.endswith("__") and name not in ("__version__", "__file__", "__name__"):
            raise AttributeError(f"{name} is not asked of a module's name")
        target = self._bascule_target
        return AsyncName(self._bascule_client, f"{target}.{name}" if ":" in target else f"{target}:{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, when awaited, in whichever worker is free."""
        return self._bascule_client.apply(self._bascule_target, args, kwargs)

    def __await__(self) -> Generator[Any, Any, Any]:
        target = self._bascule_target
        client = self._bascule_client
        wanted = client.const(target) if ":" in target else client.call("importlib:import_module", target)
        value: Generator[Any, Any, Any] = wanted.__await__()
        return value

    def __repr__(self) -> str:
        return f"<remote {self._bascule_target}>"
