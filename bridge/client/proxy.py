"""An object that stayed in its worker, used here as if it were local.

    frame = client.call("pandas:read_csv", "big.csv")     # too much to travel: a proxy comes back
    frame.shape, len(frame), frame["price"].mean()

Each attribute, call and operator is a round trip; what can travel comes back as a value, what can't as another proxy.
A few things are decided here rather than there: `hash` and `is` go by the proxy, `x += y` stays a proxy whatever it
gives, names like `__array_interface__` are not asked for (a foreign address would be taken for one of our own), and a
proxy can't be copied or pickled.

A proxy's own names begin with `_bascule_`, so that none hides one of the object's. To be explicit, or to ask for a
handle or a value, use the client: `client.method(proxy, ...)`, `client.getattr(...)`, `client.release(proxy)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bascule.bridge.client.encoding import NotSendable
from bascule.bridge.errors import CallError, HandleLost, NotFound, PythonError
from bascule.protocols.calls import Want
from bascule.protocols.tokens import Handle

if TYPE_CHECKING:
    from bascule.bridge.client.blocking import Client
    from bascule.bridge.client.settling import Settling

_PUBLIC_DUNDERS: Final = frozenset(
    (
        "__all__",
        "__annotations__",
        "__args__",
        "__bases__",
        "__cause__",
        "__closure__",
        "__code__",
        "__context__",
        "__defaults__",
        "__dict__",
        "__file__",
        "__func__",
        "__globals__",
        "__kwdefaults__",
        "__module__",
        "__mro__",
        "__name__",
        "__notes__",
        "__origin__",
        "__package__",
        "__path__",
        "__qualname__",
        "__self__",
        "__signature__",
        "__spec__",
        "__traceback__",
        "__version__",
        "__wrapped__",
    )
)
"""Names with two underscores that are asked of the object; the others belong to protocols that need a local object."""


BINARY: Final = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
    *("lshift", "rshift", "and", "xor", "or"),
)
UNARY: Final = ("neg", "pos", "abs", "invert")


class Remote:
    """A handle that came over a link: what a proxy has, and nothing of what it can do."""

    __slots__ = ("__weakref__", "_bascule_handle", "_bascule_link")

    _bascule_link: Settling
    _bascule_handle: Handle | None

    def __init__(self, link: Settling, token: str, type_name: str) -> None:
        object.__setattr__(self, "_bascule_link", link)
        object.__setattr__(self, "_bascule_handle", Handle(token, type_name))

    def __del__(self) -> None:
        # The garbage collector may come at any moment: appending takes no lock.
        handle = self._bascule_handle
        if handle is not None:
            self._bascule_link.dropped.append(handle.token)

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a proxy can't be pickled or copied; client.call('copy:copy', proxy) copies its object")


class Proxy(Remote):
    """See the module. Made by a client when a handle comes in, never by hand."""

    __slots__ = ()
    __array_ufunc__ = None  # numpy leaves operators between an array and a proxy to the proxy

    # -- attributes and calls ----------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _PUBLIC_DUNDERS:
            raise AttributeError(f"{name} is not asked of a proxy's object; client.getattr(proxy, {name!r}) would")
        try:
            return _client(self).getattr(self, name)
        except NotFound as error:
            if isinstance(error, AttributeError):
                raise
            raise AttributeError(str(error)) from error

    def __setattr__(self, name: str, value: Any) -> None:
        _client(self).setattr(self, name, value)

    def __delattr__(self, name: str) -> None:
        _client(self).delattr(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object."""
        return _client(self).call_object(self, args, kwargs)

    def __dir__(self) -> list[str]:
        names: list[str] = _client(self).builtin("dir", self)
        return names

    # -- text --------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        handle = self._bascule_handle
        if handle is None:
            return "<proxy, released>"
        try:
            return f"<proxy of {_client(self).builtin('repr', self)}>"
        except Exception as error:  # a repr must not raise: it is asked for while other errors are shown
            return f"<proxy of a {handle.type_name}; {type(error).__name__}: {error}>"

    def __str__(self) -> str:
        text: str = _client(self).builtin("str", self)
        return text

    def __format__(self, spec: str) -> str:
        text: str = _client(self).builtin("format", self, spec)
        return text

    def __bytes__(self) -> bytes:
        data: bytes = _client(self).builtin("bytes", self)
        return data

    # -- comparison --------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Any:
        return True if other is self else _operate(self, "eq", other)

    def __ne__(self, other: object) -> Any:
        return False if other is self else _operate(self, "ne", other)

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        return bool(_client(self).builtin("bool", self))

    # -- containers --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        length: int = _client(self).builtin("len", self)
        return length

    def __iter__(self) -> Any:
        return _client(self).iterate(self)

    def __next__(self) -> Any:
        return _client(self).builtin("next", self)

    def __reversed__(self) -> Any:
        return iter(_client(self).builtin("reversed", self, want=Want.HANDLE))

    def __contains__(self, item: Any) -> bool:
        return bool(_client(self).operator("contains", self, item))

    def __getitem__(self, key: Any) -> Any:
        return _client(self).operator("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _client(self).operator("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        _client(self).operator("delitem", self, key)

    # -- with --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Any:
        return _client(self).method(self, "__enter__")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: Any) -> bool:
        client = _client(self)
        if error is None:
            return bool(client.method(self, "__exit__", None, None, None))
        remote = _send_exception(client, error)
        return bool(client.method(self, "__exit__", client.getattr(remote, "__class__", want="handle"), remote, None))

    # -- numbers -----------------------------------------------------------------------------------------------------

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if modulo is None:
            return _operate(self, "pow", other)
        return _client(self).builtin("pow", self, other, modulo)

    def __divmod__(self, other: Any) -> Any:
        return _client(self).builtin("divmod", self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _client(self).builtin("divmod", other, self)

    def __round__(self, digits: int | None = None) -> Any:
        return _client(self).builtin("round", self, *(() if digits is None else (digits,)))

    def __index__(self) -> int:
        number: int = _client(self).operator("index", self)
        return number

    def __int__(self) -> int:
        return int(_client(self).builtin("int", self))

    def __float__(self) -> float:
        return float(_client(self).builtin("float", self))

    def __complex__(self) -> complex:
        return complex(_client(self).builtin("complex", self))


def _binary(operator: str) -> Callable[[Proxy, Any], Any]:
    return lambda self, other: _operate(self, operator, other)


def _reflected(operator: str) -> Callable[[Proxy, Any], Any]:
    return lambda self, other: _operate(other, operator, self)


def _in_place(operator: str) -> Callable[[Proxy, Any], Any]:
    return lambda self, other: _client(self).operator(operator, self, other, want=Want.HANDLE)


def _unary(operator: str) -> Callable[[Proxy], Any]:
    return lambda self: _client(self).operator(operator, self)


def _rounding(function: str) -> Callable[[Proxy], Any]:
    return lambda self: _client(self).call(f"math:{function}", self)


for _name in (name for name in BINARY if name != "pow"):
    setattr(Proxy, f"__{_name}__", _binary(_name))
    setattr(Proxy, f"__r{_name}__", _reflected(_name))
    setattr(Proxy, f"__i{_name}__", _in_place(f"i{_name}"))
Proxy.__rpow__ = _reflected("pow")  # type: ignore[attr-defined]
Proxy.__ipow__ = _in_place("ipow")  # type: ignore[attr-defined]
for _name in ("lt", "le", "gt", "ge"):
    setattr(Proxy, f"__{_name}__", _binary(_name))
for _name in UNARY:
    setattr(Proxy, f"__{_name}__", _unary(_name))
for _name in ("trunc", "floor", "ceil"):
    setattr(Proxy, f"__{_name}__", _rounding(_name))


def parts_of(proxy: Any) -> tuple[Settling, Handle]:
    """A proxy's link and handle.

    Raises:
        TypeError: It is no proxy.
        HandleLost: It was released.
    """
    if not isinstance(proxy, Remote):
        raise TypeError(f"a {type(proxy).__name__} is no proxy")
    handle = proxy._bascule_handle
    if handle is None:
        raise HandleLost("this proxy was released")
    return proxy._bascule_link, handle


def release(proxy: Any) -> Settling:
    """Let go of a proxy's object; the link over which the service is to be told."""
    link, handle = parts_of(proxy)
    object.__setattr__(proxy, "_bascule_handle", None)
    link.dropped.append(handle.token)
    return link


def _client(proxy: Proxy) -> Client:
    client: Client = proxy._bascule_link.connection.client
    return client


def _operate(left: Any, operator: str, right: Any) -> Any:
    """An operator with a proxy on at least one side; what the other can't be sent for is left to the other."""
    proxy = left if type(left) is Proxy else right
    try:
        return _client(proxy).operator(operator, left, right)
    except NotSendable:
        return NotImplemented


def _send_exception(client: Client, error: BaseException) -> Any:
    """A proxy of an exception in a worker that is as much like ours as can be."""
    names = [f"{type(error).__module__}:{type(error).__qualname__}"]
    if isinstance(error, CallError) and error.class_name is not None:
        names.insert(0, f"{error.module or 'builtins'}:{error.class_name}")
    message = error.message if isinstance(error, CallError) else None
    for name in names:
        try:
            return client.object(name, *(error.args if message is None else (message,)))
        except (NotFound, PythonError, NotSendable):
            continue
    return client.object("builtins:RuntimeError", f"{type(error).__name__}: {error}")
