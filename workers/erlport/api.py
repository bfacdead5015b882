"""What user code imports from `erlport.erlang`: calls and messages to Erlang, and the hooks for values.

There is one port in a process. The functions find it here; in any other process they say that there is none.
"""

from __future__ import annotations

from bascule.protocols.erlport.terms import Atom
from bascule.workers.erlport.calling import check_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.workers.erlport.exchange import Codec, Exchange
    from bascule.workers.erlport.loop import Loop

_MODULE: Final = "erlport.erlang"
_NEW_PROCESS: Final = Atom(b"N")
_SERVER: Final = Atom(b"L")
_ERLANG: Final = Atom(b"erlang")
_parts: list[Any] = []  # the loop and the exchange, once there are
_pid: list[Any] = []


class Error(Exception):
    """Base of what goes wrong between Erlang and Python."""


class InvalidMessage(Error):
    """A message is not of the form that it should have."""


class UnknownMessage(Error):
    """A message is none of ErlPort's."""


class UnexpectedMessage(Error):
    """A message came that nobody waits for."""


class UnexpectedResponses(UnexpectedMessage):
    """Answers came that nobody waits for."""


class DuplicateMessageId(Error):
    """Two messages have one id."""


class CallError(Error):
    """A call to Erlang failed.

    Attributes:
        language: Where: `erlang`, or `python` when Erlang called Python in its turn.
        type: The class: `error`, `exit` or `throw`; of Python the exception's class.
        value: The reason.
        stacktrace: Where it happened, innermost first.
    """

    def __init__(self, value: object) -> None:
        parts: tuple[Any, Any, Any, Any] = (
            value if isinstance(value, tuple) and len(value) == 4 else (None, None, value, [])
        )
        self.language, self.type, self.value, self.stacktrace = parts
        super().__init__(parts)


def connect(loop: Loop, exchange: Exchange) -> None:
    """From now on this process has a port."""
    _parts[:] = (loop, exchange)


def call(module: Atom, function: Atom, args: list[Any]) -> Any:
    """Call `module:function(args...)` in a new Erlang process and return its result.

    Raises:
        CallError: It failed there.
        ValueError: Module and function are no atoms, the arguments no list, or one of them does not travel.
    """
    for name in (module, function):
        if not isinstance(name, Atom):
            raise ValueError(name)
    if not isinstance(args, list):
        raise ValueError(args)
    return _call(module, function, args, _NEW_PROCESS)


def cast(pid: Any, message: Any) -> None:
    """Send a message to an Erlang process: a pid, or the Atom that it is registered as."""
    exchange: Exchange = _port()[1]
    exchange.send(exchange.conversation.cast(pid, message))


def self() -> Any:
    """The pid of the Erlang process that owns this instance."""
    if not _pid:
        _pid.append(_call(_ERLANG, Atom(b"self"), [], _SERVER))
    return _pid[0]


def make_ref() -> Any:
    """A new unique reference."""
    return _call(_ERLANG, Atom(b"make_ref"), [], _SERVER)


def set_encoder(encoder: Codec) -> None:
    """Have each result, and each argument of a call to Erlang, go through a function before it is sent."""
    check_function(encoder)
    _port()[1].encoder = encoder


def set_decoder(decoder: Codec) -> None:
    """Have each argument, and each result of a call to Erlang, go through a function before user code gets it."""
    check_function(decoder)
    _port()[1].decoder = decoder


def set_message_handler(handler: Codec) -> None:
    """Have a function called with each message that is sent to this instance."""
    check_function(handler)
    _port()[1].handler = handler


def set_default_encoder() -> None:
    """Send values as they are."""
    _port()[1].encoder = None


def set_default_decoder() -> None:
    """Take values as they come."""
    _port()[1].decoder = None


def set_default_message_handler() -> None:
    """Ignore messages."""
    _port()[1].handler = None


def _call(module: Atom, function: Atom, args: list[Any], context: Atom) -> Any:
    loop, exchange = _port()
    encoder = exchange.encoder
    arguments = list(args) if encoder is None else [encoder(argument) for argument in args]
    answer = loop.ask(module, function, arguments, context)
    if answer.failed:
        raise CallError(answer.value())
    decoder = exchange.decoder
    return answer.value() if decoder is None else decoder(answer.value())


def _port() -> list[Any]:
    if not _parts:
        raise Error("this process was not started by Erlang: there is nobody to call")
    return _parts


for _class in (Error, InvalidMessage, UnknownMessage, UnexpectedMessage, UnexpectedResponses, DuplicateMessageId):
    _class.__module__ = _MODULE
CallError.__module__ = _MODULE
