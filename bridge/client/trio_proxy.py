"""An object that stayed in its worker, for the trio client: nothing happens until it is awaited.

    frame = await client.call("pandas:read_csv", "big.csv")
    await frame.shape                       an attribute
    await frame.price.mean()                a method, however deep: one round trip
    await frame["price"], await (frame + 1)     an item, an operator
    async for row in frame: ...             a stream
    async with lock: ...

What needs an answer at once (`len`, `bool`, `in`, `==`, setting an attribute or an item) is asked of the client:
`await client.builtin("len", frame)`, `await client.operator("setitem", frame, key, value)`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.proxy import BINARY, UNARY, Remote

if TYPE_CHECKING:
    from bascule.bridge.client.trio_client import TrioClient


class TrioProxy(Remote):
    """See the module. Made by a client when a handle comes in, never by hand."""

    __slots__ = ()
    __array_ufunc__ = None  # numpy leaves operators between an array and a proxy to the proxy

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{name} is not asked of a proxy's object; client.getattr(proxy, {name!r}) would")
        return Attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"await client.setattr(proxy, {name!r}, value): an assignment can't be awaited")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"await client.delattr(proxy, {name!r}): a del can't be awaited")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object, when awaited."""
        return _client(self).call_object(self, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return _client(self).operator("getitem", self, key)

    def __aiter__(self) -> Any:
        return _client(self).iterate(self)

    def __iter__(self) -> Any:
        # Without this, Python would ask for item after item, and get a coroutine for each, for ever.
        raise TypeError("a proxy is iterated by `async for`: a for can't be awaited")

    def __contains__(self, item: object) -> bool:
        raise TypeError("await client.operator('contains', proxy, item): an `in` can't be awaited")

    def __len__(self) -> int:
        raise TypeError("await client.builtin('len', proxy): a len() can't be awaited")

    def __bool__(self) -> bool:
        """A proxy is always true, whatever its object is: `await client.builtin("bool", proxy)` asks that."""
        return True

    async def __aenter__(self) -> Any:
        return await _client(self).method(self, "__enter__")

    async def __aexit__(self, *_: Any) -> None:
        await _client(self).method(self, "__exit__", None, None, None)

    def __repr__(self) -> str:
        handle = self._bascule_handle
        return "<proxy, released>" if handle is None else f"<proxy of a {handle.type_name}>"


class Attribute:
    """What is reached from a proxy by dots: to be awaited, or called and then awaited."""

    __slots__ = ("_bascule_path", "_bascule_proxy")

    def __init__(self, proxy: TrioProxy, path: str) -> None:
        self._bascule_proxy = proxy
        self._bascule_path = path

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{name} is not asked of a proxy's object")
        return Attribute(self._bascule_proxy, f"{self._bascule_path}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method, when awaited."""
        proxy = self._bascule_proxy
        return _client(proxy).apply_method(proxy, self._bascule_path, args, kwargs)

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Generator[Any, Any, Any] = (
            _client(self._bascule_proxy).getattr(self._bascule_proxy, self._bascule_path).__await__()
        )
        return value

    def __repr__(self) -> str:
        return f"<{self._bascule_path} of {self._bascule_proxy!r}, to be awaited>"


def _client(proxy: TrioProxy) -> TrioClient:
    client: TrioClient = proxy._bascule_link.connection.client
    return client


def _binary(operator: str) -> Callable[[TrioProxy, Any], Any]:
    return lambda self, other: _client(self).operator(operator, self, other)


def _reflected(operator: str) -> Callable[[TrioProxy, Any], Any]:
    return lambda self, other: _client(self).operator(operator, other, self)


def _unary(operator: str) -> Callable[[TrioProxy], Any]:
    return lambda self: _client(self).operator(operator, self)


for _name in BINARY:
    setattr(TrioProxy, f"__{_name}__", _binary(_name))
    setattr(TrioProxy, f"__r{_name}__", _reflected(_name))
for _name in ("lt", "le", "gt", "ge"):
    setattr(TrioProxy, f"__{_name}__", _binary(_name))
for _name in UNARY:
    setattr(TrioProxy, f"__{_name}__", _unary(_name))
