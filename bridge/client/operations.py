"""What a client is, whether it blocks or is awaited: how it is made, and the operations that have one result.

They are told in terms of one method, `_perform`. The blocking client's gives the result, the others' gives something to
await: every method here reads the same for all. Results are values where the wire carries them faithfully; everything
else stays in its worker, and a proxy for it comes back. `want="value"` or `want="handle"` ask for one or the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from bascule.bridge.client.encoding import milliseconds
from bascule.bridge.client.places import Place
from bascule.bridge.client.printing import OnOutput, print_output
from bascule.bridge.client.tracing import Source, source_of
from bascule.protocols.calls import Op, Want, combine
from bascule.protocols.service import Welcome

_CALL, _INIT, _METHOD = int(Op.CALL), int(Op.INIT), int(Op.METHOD)
_GETATTR, _SETATTR, _DELATTR = int(Op.GETATTR), int(Op.SETATTR), int(Op.DELATTR)
_CONST, _OPERATOR, _BUILTIN = int(Op.CONST), int(Op.OPERATOR), int(Op.BUILTIN)
_DESCRIBE, _LANDSCAPE = int(Op.DESCRIBE), int(Op.LANDSCAPE)

Wanted = str | Want | None


class Operations(ABC):
    """What all clients can do, over a connection that each brings along.

    Attributes:
        place: Where the service is.
    """

    _connection_type: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        place: Place,
        *,
        pool: str | None = None,
        timeout: float | None = None,
        output: OnOutput | None = None,
        name: str | None = None,
        patience: float = 5.0,
        tracing: Source | bool = False,
    ) -> None:
        """Take what `connect` was told. A blocking connection connects at once, the others when they are opened."""
        milliseconds(timeout)  # to complain now
        self.place = place
        self._timeout = timeout
        self._connection = self._connection_type(
            self, place, pool=pool, name=name, patience=patience, output=output or print_output
        )
        self._connection.trace(source_of(tracing))

    @property
    def welcome(self) -> Welcome:
        """What the service said of itself when we connected last."""
        welcome: Welcome = self._connection.welcome
        return welcome

    @abstractmethod
    def _perform(
        self,
        op: int,
        target: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        takes_object: bool = False,
        want: Wanted = None,
        timeout: float | None = None,
        idempotent: bool = False,
        fresh: bool = False,
    ) -> Any:
        """Carry out one operation.

        Args:
            op: One of `calls.Op`.
            target: What it is carried out on.
            args: Its arguments. When the operation takes an object, the first is that object.
            kwargs: Its keywords.
            takes_object: Whether it does.
            want: How the result shall travel.
            timeout: Seconds after which the service stops it. None: as the client was told, else as the pool was.
            idempotent: It may be run again when a worker or the service was lost.
            fresh: It is computed, whatever answer the service has kept.
        """

    def call(
        self,
        target: str,
        /,
        *args: Any,
        timeout: float | None = None,
        want: Wanted = None,
        idempotent: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call a function: `client.call("math:pow", 2, 16)`.

        Args:
            target: `module:attribute.path`, or a dotted name.
            *args: Its arguments: values, or proxies.
            timeout: Seconds after which the service stops it. None: as the client was told, else as the pool was.
            want: "value" or "handle" where it matters how the result travels.
            idempotent: It may be run again when a worker or the service was lost.
            **kwargs: Its keywords. (For one that is called `timeout`, `want` or `idempotent` see `apply`.)

        Raises:
            PythonError: It raised. (Also an instance of that exception, if that is a builtin one.)
            CallError: It could not be called, or did not end; see `bascule.bridge.errors`.
            NoService: Nobody answers.
        """
        return self._perform(_CALL, target, args, kwargs, want=want, timeout=timeout, idempotent=idempotent)

    def apply(
        self,
        target: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        want: Wanted = None,
        idempotent: bool = False,
        fresh: bool = False,
    ) -> Any:
        """`call`, with the arguments as a sequence and a mapping: no keyword of the function's is in the way.

        `fresh`: It is computed, whatever answer the service has kept (see `[cache]` in its configuration).
        """
        return self._perform(
            _CALL, target, args, kwargs, want=want, timeout=timeout, idempotent=idempotent, fresh=fresh
        )

    def init(self, target: str, /, *args: Any, timeout: float | None = None, want: Wanted = None, **kwargs: Any) -> Any:
        """Make an instance of a class. What the wire carries (a date, a dict) comes back as a value; see `object`."""
        return self._perform(_INIT, target, args, kwargs, want=want, timeout=timeout)

    def object(self, target: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Make an instance of a class and leave it in its worker: always gives a proxy."""
        return self._perform(_INIT, target, args, kwargs, want=Want.HANDLE, timeout=timeout)

    def method(
        self, receiver: Any, name: str, /, *args: Any, timeout: float | None = None, want: Wanted = None, **kwargs: Any
    ) -> Any:
        """Call a method (`name` may be a dotted path) of a proxy's object, or of a value, in one round trip."""
        arguments = (receiver, *args)
        return self._perform(_METHOD, name, arguments, kwargs, takes_object=True, want=want, timeout=timeout)

    def call_object(
        self, receiver: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *, want: Wanted = None
    ) -> Any:
        """Call what a proxy stands for, with the arguments as a sequence and a mapping: `proxy(*args, **kwargs)`."""
        return self._perform(_METHOD, "__call__", (receiver, *args), kwargs, takes_object=True, want=want)

    def apply_method(
        self, receiver: Any, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """`method`, with the arguments as a sequence and a mapping."""
        return self._perform(_METHOD, name, (receiver, *args), kwargs, takes_object=True)

    def getattr(self, receiver: Any, name: str, *, want: Wanted = None, timeout: float | None = None) -> Any:
        """An attribute of a proxy's object, or of a value."""
        return self._perform(_GETATTR, name, (receiver,), takes_object=True, want=want, timeout=timeout)

    def setattr(self, receiver: Any, name: str, value: Any, *, timeout: float | None = None) -> Any:
        """Set an attribute of a proxy's object."""
        return self._perform(_SETATTR, name, (receiver, value), takes_object=True, timeout=timeout)

    def delattr(self, receiver: Any, name: str, *, timeout: float | None = None) -> Any:
        """Delete an attribute of a proxy's object."""
        return self._perform(_DELATTR, name, (receiver,), takes_object=True, timeout=timeout)

    def const(
        self, target: str, convert: str | None = None, *, want: Wanted = None, timeout: float | None = None
    ) -> Any:
        """A constant, `module:attribute.path`; with `convert`, the name of a type, converted to that in the worker."""
        if convert is not None and (":" in convert or "." in convert):  # where policies look
            return self._perform(_CONST, combine("convert", target, convert), (), want=want, timeout=timeout)
        return self._perform(_CONST, target, () if convert is None else (convert,), want=want, timeout=timeout)

    def operator(self, name: str, /, *operands: Any, want: Wanted = None, timeout: float | None = None) -> Any:
        """Apply a function of the `operator` module: `client.operator("add", 1, 2)`."""
        return self._perform(_OPERATOR, name, operands, takes_object=True, want=want, timeout=timeout)

    def builtin(
        self, name: str, /, *args: Any, want: Wanted = None, timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """Call a builtin: `client.builtin("len", proxy)`."""
        return self._perform(_BUILTIN, name, args, kwargs, takes_object=True, want=want, timeout=timeout)

    def describe(self, receiver: Any, *, timeout: float | None = None) -> Any:
        """What an object is: a map with its type, module, repr, and size where that is cheap."""
        return self._perform(_DESCRIBE, "", (receiver,), takes_object=True, timeout=timeout)

    def landscape(self, module: str, options: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """What a module offers: a map with its functions, classes and constants."""
        arguments = () if options is None else (dict(options),)
        return self._perform(_LANDSCAPE, module, arguments, timeout=timeout)
