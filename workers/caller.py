"""What user code uses to ask its client something: who asks whom, and in which format.

    def total(prices):
        rate = caller().ask("tax_rate", ["books"])
        return sum(prices) * rate

`what` is a text that the client knows as the name of one of its functions, or something that came from the client and
means a function there. Arguments go out as the values and handles that a result would be, the answer comes back as an
argument does. `bascule.workers.erlang` is this for Erlang nodes.

A `Caller` may be kept: a thread that goes on when its call has ended takes the caller along, and asks the same client
as long as that is there.
"""

from __future__ import annotations

from bascule.protocols.calls import Want
from bascule.protocols.envelope import Codec, Kind
from bascule.workers.callbacks import Callbacks
from bascule.workers.loop import Loop
from bascule.workers.values import codec_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.protocols.tokens import Handle
    from bascule.workers.state import WorkerState

_REPLY: Final = int(Kind.REPLY)


class CallbackFailed(Exception):
    """The client could not answer.

    Attributes:
        kind: Which sort of failure: "python" does not occur, a client in Erlang says "erlang".
        error: All that the client told, as a map.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        name = error.get("class") or error.get("kind") or "error"
        super().__init__(f"{name}: {error.get('message') or 'the client gave no reason'}")
        self.kind = str(error.get("kind") or "")
        self.error = error


class Caller:
    """A client, as its calls see it."""

    __slots__ = ("_call_id", "_codec", "_session", "_style")

    def __init__(self, call_id: int, session: int, codec: int, style: int) -> None:
        self._call_id = call_id
        self._session = session
        self._codec = codec
        self._style = style

    def ask(self, what: object, arguments: list[Any] | tuple[Any, ...] = (), *, timeout: float | None = None) -> Any:
        """Have the client call `what`, and wait for its result.

        Args:
            what: The name of a function there, or something that came from the client and means one.
            arguments: Positional.
            timeout: Seconds; None: as long as the call itself may take.

        Raises:
            CallbackFailed: It could not be called, or failed.
            TimeoutError: It took too long.
        """
        return self._ask(self._body(what, arguments), timeout)

    def tell(self, what: object, arguments: list[Any] | tuple[Any, ...] = ()) -> None:
        """Have the client call `what`, without a result. What is told first is called first."""
        Callbacks.here().tell(self._codec, *self._whose(), self._body(what, arguments))

    def _whose(self) -> tuple[int, int]:
        """The call in whose course this is, and its session: the call may have ended."""
        runner, _ = _here().capture.owner_here()
        if self._call_id and (runner is None or runner.call_id != self._call_id):
            return 0, self._session
        return self._call_id, self._session

    def _body(self, what: object, arguments: list[Any] | tuple[Any, ...]) -> bytes:
        encode = codec_for(self._codec).encoder(Want.AUTO, self._style, self._hand_out)
        return encode([what, list(arguments)])

    def _hand_out(self, value: object) -> Handle:
        if not self._session:
            raise TypeError(
                f"a {type(value).__name__} stays here, and this thread belongs to no call: take `caller()` in the call"
            )
        return _here().objects.hand_out(self._session, value)

    def _ask(self, body: bytes, timeout: float | None) -> Any:
        call_id, session = self._whose()
        kind, codec, _, _, _, _, payload = Callbacks.here().ask(self._codec, call_id, session, body, timeout)
        values = codec_for(codec)
        if kind != _REPLY:
            raise CallbackFailed(values.decode_error(payload))
        return values.decode_value(payload, self._find, self._style)

    def _find(self, token: str, _type_name: str) -> object:
        return _here().objects.find(self._session, token)


def caller(*, codec: int = 0) -> Caller:
    """Who made the call that runs in this thread.

    In a thread of its own that user code started, it is whose call runs now, in a worker with one thread for calls.

    Args:
        codec: In which format to ask; 0: in that of the call.

    Raises:
        RuntimeError: This is not inside a Bascule worker.
    """
    Callbacks.here()
    runner, _ = _here().capture.owner_here()
    if runner is None or runner.plan is None:
        return Caller(0, 0, codec or Codec.MSGPACK, 0)
    plan = runner.plan
    return Caller(runner.call_id, runner.session if runner.call_id else 0, codec or plan.codec, plan.style)


def _here() -> WorkerState:
    loop = Loop.current
    assert loop is not None
    return loop.state
