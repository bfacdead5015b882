"""Generated clients over a connection to the service: `HelloModule.from_transport(...)`, blocking or awaited.

    client = bascule.connect()
    shop = open_client(ShopModule, client)
    book = shop.find_book(7)

The argument travels in the plain form inside the connection's own msgpack. Before the first call the contract of what
is mounted is compared with that of the generated code: differences that both sides can live with pass, others are
refused by name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from bascule.bridge.errors import CallError, PythonError
from bascule.workers.contracts.comparing import CONTRACT_NAME, Difference, digest, unfit, whole
from bascule.workers.contracts.mounting import codecs_for

Coder = Callable[[Any], Any]


class ContractMismatch(Exception):
    """Client and server do not understand each other; `differences` says where."""

    def __init__(self, namespace: str, differences: list[Difference]) -> None:
        self.differences = differences
        lines = "\n".join(f"  {each}" for each in differences)
        super().__init__(f"the contract of {namespace} is not the one that this client was made for:\n{lines}")


class _Transport:
    """What the two transports share: names, shapes, streams and declared errors.

    Args:
        client: The connection.
        contract: The generated module, which says what is a stream and what may be raised.
        name: The name it is mounted under, where that is not the module's namespace.
        meta: Whether arguments and results come with metadata, as `(metadata, value)`.
    """

    def __init__(self, client: Any, contract: Any = None, *, name: str | None = None, meta: bool = False) -> None:
        self._client = client
        self._contract = contract
        self._name = name
        self._meta = meta

    def _target(self, name: Any) -> str:
        return f"{self._name or '.'.join(name.namespace)}:{name.name}"

    def _said(self, fa: Any) -> tuple[Any, dict[str, Any]]:
        """The value, and the keywords of a call that has metadata."""
        if not self._meta:
            return fa, {}
        said, value = fa
        return value, {"meta": dict(said or {})}

    def _result(self, answer: Any, decoder: Coder) -> Any:
        return (answer["meta"], decoder(answer["value"])) if self._meta else decoder(answer)

    def _raised(self, error: CallError) -> BaseException:
        """The error that the contract declares, where it is one."""
        if not isinstance(error, PythonError):
            return error
        return declared(error.details.get("raised"), error.details.get("value"), self._contract) or error


class SocketTransport(_Transport):
    """A `ClientTransport` over `bascule.connect()`: values go in and come out.

    With `meta`, what goes in and what comes out is `(metadata, value)`: the metadata (a map of texts and numbers)
    reaches the implementation, and the implementation's own comes back.
    """

    def send(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        """Call a function."""
        value, keywords = self._said(fa)
        target = self._target(name)
        try:
            if is_stream(self._contract, name.name):
                return self._each(self._client.stream(target, encoder(value), **keywords), decoder)
            return self._result(self._client.call(target, encoder(value), **keywords), decoder)
        except CallError as error:
            raise self._raised(error) from None

    def _each(self, stream: Any, decoder: Coder) -> Iterator[Any]:
        try:
            for each in stream:
                yield decoder(each)
        except CallError as error:
            raise self._raised(error) from None
        finally:
            stream.close()


class AsyncSocketTransport(_Transport):
    """The same over `bascule.connect_trio()` or `bascule.connect_asyncio()`: what is called must be awaited."""

    def send(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        """Call a function."""
        value, keywords = self._said(fa)
        method = self._each if is_stream(self._contract, name.name) else self._call
        return method(self._target(name), encoder, decoder, value, keywords)

    async def _call(self, target: str, encoder: Coder, decoder: Coder, value: Any, keywords: dict[str, Any]) -> Any:
        try:
            answer = await self._client.call(target, encoder(value), **keywords)
        except CallError as error:
            raise self._raised(error) from None
        return self._result(answer, decoder)

    async def _each(
        self, target: str, encoder: Coder, decoder: Coder, value: Any, keywords: dict[str, Any]
    ) -> AsyncIterator[Any]:
        try:
            async for each in self._client.stream(target, encoder(value), **keywords):
                yield decoder(each)
        except CallError as error:
            raise self._raised(error) from None


def open_client(
    module_class: Any, client: Any, *, name: str | None = None, check: bool = True, meta: bool = False
) -> Any:
    """What calls a mounted module over a connection; its methods take and give values.

    Args:
        module_class: A generated class, `ShopModule` say, made with `--with-client`.
        client: What `bascule.connect` gave.
        name: The name it is mounted under, where that is not the module's namespace.
        check: Compare the contracts first.
        meta: Its methods take and give `(metadata, value)`.

    Raises:
        ContractMismatch: What is mounted is of another contract, and that would hurt.
    """
    contract = sys.modules[module_class.__module__]
    if check:
        told = client.call(f"{name or '.'.join(contract.NAMESPACE)}:{CONTRACT_NAME}")
        compare_with(contract, told)
    return opened(module_class, SocketTransport(client, contract, name=name, meta=meta))


async def open_async_client(
    module_class: Any, client: Any, *, name: str | None = None, check: bool = True, meta: bool = False
) -> Any:
    """The same over what `bascule.connect_trio` or `connect_asyncio` gave: its methods must be awaited.

    Raises:
        ContractMismatch: What is mounted is of another contract, and that would hurt.
    """
    contract = sys.modules[module_class.__module__]
    if check:
        told = await client.call(f"{name or '.'.join(contract.NAMESPACE)}:{CONTRACT_NAME}")
        compare_with(contract, told)
    return opened(module_class, AsyncSocketTransport(client, contract, name=name, meta=meta))


def compare_with(contract: Any, told: dict[str, Any]) -> None:
    """See that a server's contract will do for a generated module; classic code has none, and is not compared.

    Raises:
        ContractMismatch: It will not.
    """
    described = getattr(contract, "CONTRACT", None)
    if described is None or not told.get("contract"):
        return
    ours = whole(described, contract._wire.known)
    if told.get("digest") == digest(ours):
        return
    differences = unfit(told["contract"], ours)
    if differences:
        raise ContractMismatch(".".join(contract.NAMESPACE), differences)


def is_stream(contract: Any, name: str) -> bool:
    """Whether a function of a generated module streams."""
    functions = getattr(contract, "CONTRACT", {}).get("functions", {})
    return bool(functions.get(name, {}).get("stream"))


def declared(kind: object, value: Any, contract: Any) -> BaseException | None:
    """The error that a contract declares, of what travelled of it; None: it declares no such error."""
    cls = _class_of(kind, contract) if isinstance(kind, str) else None
    if cls is None:
        return None
    found: BaseException = contract._wire.Raised(cls.from_wire(value))
    return found


def opened(module_class: Any, transport: Any) -> Any:
    """A generated client over a transport, with values in their plain form.

    Raises:
        TypeError: The module was generated without clients.
    """
    if "from_transport" not in dir(module_class):
        raise TypeError(f"{module_class.__name__} has no client: generate it with --with-client")
    return module_class.from_transport(transport, *codecs_for(sys.modules[module_class.__module__]))


def _class_of(kind: str, contract: Any) -> Any:
    """The generated class of a definition, in the module itself or one that it imports."""
    modules = [contract, *(each for each in vars(contract).values() if inspect.ismodule(each))]
    for module in modules:
        for each in vars(module).values():
            if inspect.isclass(each) and getattr(each, "WIRE_KIND", "") == kind and hasattr(each, "from_wire"):
                return each
    return None
