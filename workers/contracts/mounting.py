"""Implementations of generated modules as functions that a worker offers: decoded, checked, called, encoded.

A mounted class becomes a module of the worker, named as its namespace: `shop:find_book` is a function of one argument,
in the plain form that every door's format has, and the implementation never sees an argument that is not of its type.
So it can be called through every door, and the bridge knows nothing of it.

The shape of what an implementation takes is its own to say, in an attribute `fa`: "value" (the default), "meta" for
`(metadata, value)`, "list" for `[value]`. What it gives is looked at: a value, `(metadata, value)` where it takes one,
a future, something to await, or a function that takes a callback.

A caller may say `meta={...}`, which the implementation finds in its metadata, beside what the bridge itself knows of
the call (see `Metadata`); the answer is `{"meta", "value"}` then.
"""

from __future__ import annotations

import importlib.util
import queue
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from bascule.protocols.errors import ErrorKind
from bascule.workers.contracts import wire
from bascule.workers.contracts.codecs import ValueDecoder, ValueEncoder
from bascule.workers.contracts.comparing import CONTRACT_NAME, digest, read_contract, unfit, whole
from bascule.workers.errors import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Function = Callable[..., Any]


class MountError(Exception):
    """A class can't be mounted; the message says why."""


class Metadata(dict):  # type: ignore[type-arg]
    """What is known of a call beside its argument: what the caller said, and what the bridge knows whatever he says.

    `deadline` is how many seconds are left, or None; `caller` names the client, and `session` is its number; `call_id`
    and `worker` are what the bridge's log calls the two. `trace` is the caller's own, `trace` or `traceparent`, or else
    a text that no other call has.
    """


class Mount(NamedTuple):
    """One entry of a pool's `mounts`: `[NAME=]PACKAGE:Class[@CONTRACT]`."""

    name: str
    target: str
    contract: str

    @classmethod
    def parse(cls, text: str) -> Mount:
        """Read an entry."""
        name, equals, rest = text.partition("=")
        target, _, contract = (rest if equals else text).partition("@")
        return cls(name if equals else "", target, contract)


def install(entries: Iterable[str]) -> None:
    """Mount what a pool is told to.

    Raises:
        MountError: One of them can't be.
    """
    for entry in entries:
        mount(Mount.parse(entry))


def mount(what: Mount) -> ModuleType:
    """Mount one class; the module that it became."""
    from bascule.workers.names import resolve

    found = resolve(what.target).value
    if not isinstance(found, type):
        raise MountError(f"{what.target} is no class: an implementation of a generated module is one")
    base, contract = _contract_of(found, what)
    try:
        implementation = found()
    except TypeError as error:
        raise MountError(f"{what.target} can't be made without arguments: {error}") from None
    name = what.name or ".".join(contract.NAMESPACE)
    if not all(part.replace("-", "_").isidentifier() for part in name.split(".")):
        raise MountError(f"{name!r} is no name to mount {what.target} under: it is words and dots, such as shop.stock")
    if _hides(name, found, contract):
        raise MountError(f"{what.target} would hide the Python module {name}: mount it under another name")
    module = ModuleType(name, found.__doc__ or base.__doc__)
    module.__dict__.update(_Mounted(base, contract, implementation).functions())
    module.__dict__["__mounted__"] = what.target
    for function in _functions_of(module):
        function.__module__ = name
    if getattr(sys.modules.get(name), "__mounted__", what.target) != what.target:
        raise MountError(f"{name} is mounted already: {sys.modules[name].__mounted__}")
    sys.modules[name] = module
    return module


def _functions_of(module: ModuleType) -> list[Function]:
    return [each for each in vars(module).values() if isinstance(each, FunctionType)]


def _hides(name: str, implementation: type, contract: Any) -> bool:
    """Whether a module of Python has this name, other than the two that the mount itself is made of."""
    if name in (implementation.__module__, contract.__name__):
        return False
    loaded = sys.modules.get(name)
    return _exists(name) if loaded is None else not hasattr(loaded, "__mounted__")


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _contract_of(found: type, what: Mount) -> tuple[Any, Any]:
    """The generated class, and the generated module, that an implementation implements."""
    if what.contract:
        contract = importlib.import_module(what.contract)
        bases = [each for each in vars(contract).values() if isinstance(each, type) and "to_transport" in vars(each)]
        if bases:
            return bases[0], contract
        raise MountError(f"{what.contract} has no functions, or was generated without --with-server")
    for base in found.__mro__:
        module = sys.modules.get(base.__module__)
        if "to_transport" in vars(base) and hasattr(module, "NAMESPACE"):
            return base, module
    raise MountError(f"{what.target} inherits from no generated module class (made with --with-server)")


class _Mounted:
    """One implementation and how it is called."""

    def __init__(self, base: Any, contract: Any, implementation: Any) -> None:
        self._contract = contract
        self._implementation = implementation
        self._described: dict[str, Any] = getattr(contract, "CONTRACT", {})
        shape = getattr(implementation, "fa", "value")
        if shape not in ("value", "meta", "list"):
            raise MountError(f"{type(implementation).__name__}.fa is 'value', 'meta' or 'list', not {shape!r}")
        self._shape = shape
        encoder, decoder = codecs_for(contract)
        self._transport = base.to_transport(implementation, decoder, encoder)
        self._base = base

    def functions(self) -> dict[str, Function]:
        """The functions, by their wire names, and the one that tells the contract."""
        names = self._described.get("functions") or _names_of(self._transport)
        found = {name: self._function(name) for name in names}

        def tell(theirs: Any = None, /, *, meta: Any = None) -> dict[str, Any]:
            told = self._tell(theirs)
            return told if meta is None else {"meta": {}, "value": told}

        tell.__name__ = tell.__qualname__ = CONTRACT_NAME
        tell.__doc__ = "The contract and its digest; who gives a contract is told what breaks with it."
        found[CONTRACT_NAME] = tell
        return found

    def _tell(self, theirs: Any) -> dict[str, Any]:
        """The contract and its digest; clients compare it with their own before they call anything.

        A client that can't compare says its own, as JSON: it is told what it can't live with, `breaking`.
        """
        told: dict[str, Any] = {"digest": "", "contract": {}}
        if self._described:
            contract = whole(self._described, sys.modules[self._contract.__name__]._wire.known)
            told = {"digest": digest(contract), "contract": contract}
        if theirs:
            try:
                differences = unfit(told.pop("contract"), read_contract(theirs)) if self._described else []
            except ValueError as error:
                raise CallFailed(ErrorKind.BAD_ARGUMENTS, str(error), like=ValueError) from None
            told["breaking"] = [str(each) for each in differences]
        return told

    def _function(self, name: str) -> Function:
        transport = self._transport
        described = self._described.get("functions", {}).get(name, {})
        stream = bool(described.get("stream"))
        qualified = _QualName(list(self._contract.NAMESPACE), name)

        def call(argument: Any = None, /, *, meta: Any = None) -> Any:
            handler = transport.ask(qualified, lambda *parts: self._handle(*parts, stream=stream))
            if handler is None:
                raise CallFailed(ErrorKind.NOT_FOUND, f"{type(self._implementation).__name__} has no {name}")
            found = handler((argument, meta))
            if stream:
                return found
            if meta is None:
                return _alone_later(found) if hasattr(found, "__await__") else found[1]
            return _both_later(found) if hasattr(found, "__await__") else {"meta": found[0], "value": found[1]}

        call.__name__ = call.__qualname__ = name
        call.__doc__ = _doc_of(self._base, name)
        return call

    def _handle(self, decode: Function, encode: Function, method: Function, request: Any, *, stream: bool) -> Any:
        """Gugugu's `k`: one request, in the shape that the implementation wants."""
        argument, said = request
        try:
            value = decode(argument)
        except Exception as error:
            raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"the argument is wrong: {error}", like=ValueError) from None
        if self._shape == "meta":
            value = (_metadata(said), value)
        elif self._shape == "list":
            value = [value]
        try:
            result = method(value)
        except Exception as error:
            _raise_if_declared(error)
            raise
        if stream:
            return _encoded_each(result, encode)
        return self._finish(result, encode)

    def _finish(self, result: Any, encode: Function) -> Any:
        """The metadata of a result, and the result encoded; or something that gives both when it is awaited."""
        if hasattr(result, "__await__"):
            return self._await(result, encode)
        if hasattr(result, "add_done_callback") and callable(getattr(result, "result", None)):
            result = result.result()
        elif callable(result) and not hasattr(result, "to_wire"):
            result = _called_back(result)
        return self._encoded(result, encode)

    async def _await(self, result: Any, encode: Function) -> tuple[dict[str, Any], Any]:
        try:
            value = await result
        except Exception as error:
            _raise_if_declared(error)
            raise
        return self._encoded(value, encode)

    def _encoded(self, result: Any, encode: Function) -> tuple[dict[str, Any], Any]:
        meta: dict[str, Any] = {}
        if self._shape == "meta" and type(result) is tuple and len(result) == 2:
            meta, result = dict(result[0]), result[1]
        elif self._shape == "list" and type(result) is list and len(result) == 1:
            result = result[0]
        try:
            return meta, encode(result)
        except Exception as error:
            raise _unencodable(error) from None


class _QualName(NamedTuple):
    """A function's name, as generated transports look at it."""

    namespace: list[str]
    name: str


async def _alone_later(found: Any) -> Any:
    return (await found)[1]


async def _both_later(found: Any) -> dict[str, Any]:
    meta, value = await found
    return {"meta": meta, "value": value}


def _called_back(function: Function) -> Any:
    """What a continuation is called back with; it may be at once, or later in another thread."""
    box: queue.SimpleQueue[Any] = queue.SimpleQueue()
    function(box.put)
    return box.get()


def _encoded_each(items: Any, encode: Function) -> Any:
    return (_encoded_async if hasattr(items, "__aiter__") else _encoded_here)(items, encode)


def _encoded_here(items: Any, encode: Function) -> Any:
    try:
        for index, each in enumerate(items):
            yield _item(index, each, encode)
    except Exception as error:
        _raise_if_declared(error)
        raise


async def _encoded_async(items: Any, encode: Function) -> Any:
    index = 0
    try:
        async for each in items:
            yield _item(index, each, encode)
            index += 1
    except Exception as error:
        _raise_if_declared(error)
        raise


def _item(index: int, value: Any, encode: Function) -> Any:
    """One of a stream's values; the path of what is wrong begins with which one it is, as that of a list would."""
    try:
        return encode(value)
    except wire.WireError as error:
        where = f"[{index}]{'' if error.path.startswith('[') else '.'}{error.path}" if error.path else f"[{index}]"
        raise _unencodable(f"{where}: {error.reason}") from None
    except Exception as error:
        raise _unencodable(f"[{index}]: {error}") from None


def _unencodable(what: object) -> CallFailed:
    return CallFailed(ErrorKind.NOT_ENCODABLE, f"the result is wrong: {what}", like=TypeError)


def _raise_if_declared(error: Exception) -> None:
    """An error that the contract names travels with its value; all others stay what they are, with their causes."""
    value = getattr(error, "raised", None)
    if value is not None and hasattr(value, "to_wire"):
        details = {"raised": value.WIRE_KIND, "value": value.to_wire()}
        raise CallFailed(ErrorKind.PYTHON, str(error), details=details) from None


def _metadata(said: Any) -> Metadata:
    from bascule.workers.loop import Loop

    found = Metadata(said if isinstance(said, dict) else {})
    if Loop.current is not None:
        runner = Loop.current.state.capture.owner_here()[0]
        worker, call_id, session = Loop.current.state.name, getattr(runner, "call_id", 0), getattr(runner, "session", 0)
        found.update(worker=worker, call_id=call_id, session=session, caller=f"session {session}")
        found["deadline"] = runner.seconds_left() if runner is not None else None
        found["trace"] = found.get("trace") or found.get("traceparent") or f"{worker}/{call_id}"
    return found


def codecs_for(contract: Any) -> tuple[ValueEncoder, ValueDecoder]:
    """The codecs of plain values for a generated module, with the converters that its own run time was told of."""
    targets = targets_of(contract)
    own = getattr(getattr(contract, "_wire", None), "converter", wire.converter)

    def converter(target: str) -> Any:
        try:
            return own(target)
        except LookupError:
            return wire.converter(target)

    return ValueEncoder(targets, converter), ValueDecoder(targets, converter)


def targets_of(contract: Any) -> dict[str, str]:
    """The foreign types of the run time that a generated module uses."""
    for each in vars(contract).values():
        if isinstance(each, ModuleType) and hasattr(each, "EncoderImpl"):
            package = each.__name__.rpartition(".")[0]
            foreign = importlib.import_module(f"{package}.foreign" if package else "foreign")
            return dict(getattr(foreign, "TARGETS", {}))
    return {}


def _names_of(transport: Any) -> list[str]:
    """The functions of a classic transport."""
    return list(getattr(transport, "_handler_map", {}))


def _doc_of(base: Any, name: str) -> str:
    method = vars(base).get(name) or vars(base).get(f"{name}_")
    return getattr(method, "__doc__", None) or f"{name}, as its contract has it."
