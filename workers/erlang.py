"""What Python code can do with the Erlang node that called it.

    from bascule import erlang

    def total(orders, collector):
        erlang.send(collector, ("started", len(orders)))
        rate = erlang.call("tax", "rate", ["books"])
        erlang.cast("audit", "note", [len(orders)])
        return sum(orders) * rate

Arguments and messages become terms as results do, in the style that the call asked for (text as charlists or binaries,
dicts as tuples or maps); pids, references, ports and funs that came from the node go back as what they are. A fun that
is an argument can be called as any Python function.

Functions and processes are named by text. An exception there is `CallbackFailed` here, with the class and the reason.
"""

from __future__ import annotations

from bascule.protocols.envelope import Codec
from bascule.protocols.etf_terms import Atom, Opaque
from bascule.workers.caller import CallbackFailed, Caller, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "Atom",
    "CallbackFailed",
    "Opaque",
    "call",
    "caller",
    "cast",
    "make_ref",
    "self",
    "send",
    "set_message_handler",
]

_handler: Callable[[Any], object] | None = None


def call(
    module: str | Opaque,
    function: str | list[Any] | tuple[Any, ...] = (),
    arguments: list[Any] | tuple[Any, ...] = (),
    *,
    timeout: float | None = None,
) -> Any:
    """Call a function of the node: `call("lists", "sum", [[1, 2]])`, or a fun: `call(fun, [1, 2])`.

    Args:
        module: A module's name, or a fun that came from the node.
        function: The function's name; a fun's arguments.
        arguments: The function's.
        timeout: Seconds; None: as long as the call that runs may take.

    Raises:
        CallbackFailed: There is no such function, it may not be called, or it failed.
        TimeoutError: It took too long.
    """
    what, args = _target(module, function, arguments)
    return _node().ask(what, args, timeout=timeout)


def cast(
    module: str | Opaque,
    function: str | list[Any] | tuple[Any, ...] = (),
    arguments: list[Any] | tuple[Any, ...] = (),
) -> None:
    """The same without waiting: its result is dropped, and so is its failure."""
    what, args = _target(module, function, arguments)
    _node().tell(what, args)


def send(to: object, message: object) -> None:
    """Send a message to a pid, to a registered name, or to `(name, node)`. Messages of one thread keep their order."""
    _node().tell("send", [to, message])


def self() -> Opaque:
    """The process whose call this is."""
    pid: Opaque = _node().ask("self")
    return pid


def make_ref() -> Opaque:
    """A fresh reference of the node."""
    reference: Opaque = _node().ask("erlang:make_ref")
    return reference


def set_message_handler(handler: Callable[[Any], object] | None) -> None:
    """From now on `handler` gets what `py:message/1` sends to this worker; None: nobody does.

    Each worker has a handler of its own: set it where all of them come by, in a preloaded module.
    """
    global _handler
    _handler = handler


def deliver(message: object) -> None:
    """A message came in. What its handler raises is printed."""
    if _handler is None:
        return
    try:
        _handler(message)
    except Exception:
        import traceback

        traceback.print_exc()


def apply_fun(fun: Opaque, arguments: tuple[Any, ...]) -> Any:
    """Call a fun of the node."""
    return _node().ask(fun, arguments)


def _target(
    module: str | Opaque, function: str | list[Any] | tuple[Any, ...], arguments: list[Any] | tuple[Any, ...]
) -> tuple[object, list[Any] | tuple[Any, ...]]:
    if isinstance(module, Opaque):
        if module.kind not in ("fun", "export"):
            raise TypeError(f"a {module.kind} is no function: what a process gets is sent, send(pid, message)")
        if isinstance(function, str):
            raise TypeError("a fun is called with its arguments alone: call(fun, [1, 2])")
        return module, function
    if not isinstance(function, str):
        raise TypeError('a function is named by its module and its name: call("lists", "sum", [[1, 2]])')
    return f"{module}:{function}", arguments


def _node() -> Caller:
    return caller(codec=Codec.ETF)
