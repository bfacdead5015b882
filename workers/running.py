"""The life of one call inside the worker: decode, run, encode, answer; and exactly one answer.

One `Runner` per thread that runs calls. `run` is the hottest function of a worker, and written for it: it reads the
call's head once, finds the plan for it in the call-site cache, and calls the user's function with nothing in between.
All that is rare is below, in methods of its own.

User code is interrupted only while `cell[ARMED]` holds the call's id (see `cancel`): from just before the function is
called until just after. Importing its module, decoding and encoding are never interrupted.

In a child that user code forked, `cell` is unusable: the first touch raises, and that exception goes up through
everything here to `boot`, which ends the child. So a forked child that returns from a call never answers it.
"""

from __future__ import annotations

import sys
from functools import partial
from struct import Struct
from time import perf_counter

from bascule.protocols import packed
from bascule.protocols.calls import HEAD_SIZE, Op, Want, decode_head
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME
from bascule.workers.calls import make_plan
from bascule.workers.cancel import Cancelled, ThreadGate, let_handlers_run
from bascule.workers.coroutines import Awaiter, is_awaitable
from bascule.workers.errors import CallFailed, Misrouted, because, error_map, plain_error_map
from bascule.workers.explain import DECODING, ENCODING, RUNNING, explained, read_arguments, target_text, too_large
from bascule.workers.mapping import Mapping
from bascule.workers.page import ARMED, CANCEL, STARTED
from bascule.workers.recorded import recorder
from bascule.workers.streaming import Streaming
from bascule.workers.values import codec_for
from bascule.workers.wire import LARGE, MANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from bascule.protocols.envelope import Frame, Payload
    from bascule.protocols.tokens import Handle
    from bascule.workers.cancel import Gate
    from bascule.workers.plan import Plan
    from bascule.workers.state import WorkerState

_CACHED: Final = 4096  # plans kept for one codec
_SLOW: Final = 0.0005  # seconds; after a call that took longer, the next ones like it don't keep finished ones waiting
_REMEMBER: Final = 64  # ... so many of them
_MOST_MICROS: Final = (1 << 32) - 1  # the header's field for it is 32 bits wide
_LONGEST: Final = _MOST_MICROS / 1e6

_STREAM: Final = int(Flag.STREAM)
_CAST: Final = int(Flag.CAST)
_SPECIAL: Final = _STREAM | _CAST
_CALL: Final = int(Kind.CALL)
_REPLY: Final = int(Kind.REPLY)
_ERROR: Final = int(Kind.ERROR)
_MSGPACK: Final = int(Codec.MSGPACK)
_MISROUTED: Final = int(Kind.MISROUTED)
_HANDLE: Final = int(Want.HANDLE)

_NONE_BEFORE: Final[tuple[bytes, int, int, int, Plan | None]] = (b"\0", 0, 0, 0, None)
"""Head, codec, where the head's target ends, length of the object behind it, plan."""

_lengths: Final = Struct("<4xHH").unpack_from
_reply_header: Final = Struct("<IIQII").pack
"""envelope.HEADER for replies: kind, codec and flags, which are 0, as one number."""


class Runner:
    """Runs calls on one thread.

    Attributes:
        call_id: The call that is being run, 0: none. What is printed belongs to it.
        session: Whose call it is.
        texts: What was printed and waits to leave.
        threaded: Other threads run calls too.
        then: When the last thing ended, so that one reading of the clock measures a call.
        frames: What was read with the call that is being run and comes after it, the next one last.
        plan: Of the call that is being run.
        due: The last call that came with a deadline, and when that is.
    """

    def __init__(self, state: WorkerState, gate: Gate) -> None:
        self.state = state
        self.gate = gate
        self.cell = gate.cell
        self.call_id = 0
        self.session = 0
        self.then = perf_counter()
        self.frames: list[Frame] = []
        self.plan: Plan | None = None
        self.depth = 0  # calls below this one on the same thread
        self.level: tuple[Any, int] = (None, 0)  # the topmost nesting: a frame, and how many there are up to it
        self.due: tuple[int, float] = (0, 0.0)
        self.awaiter = Awaiter(gate)
        self.streaming = Streaming(self)
        self.mapping = Mapping(self)
        self.threaded = isinstance(gate, ThreadGate)
        self.texts = state.capture.adopt(self, gate, alone=not self.threaded)
        self._plans: dict[int, dict[bytes, Plan]] = {int(codec): {} for codec in Codec}
        self._foreign: list[str] = []  # tokens among the arguments that live in other workers
        self._lost: CallFailed | None = None  # why a token among the arguments leads nowhere
        self._copies: dict[str, object] | None = None  # tokens that mean copies in this call
        self._odd_handles = False  # one of the three is set
        self._last = _NONE_BEFORE
        self._recorder = recorder(self._tell_used)

    def run(self, frames: list[Frame], other: Callable[[Frame], None] | None = None) -> None:
        """Run the calls among `frames`, the last one first, and put their answers in line.

        Args:
            frames: Each is taken off the list before it is worked on, so that a large payload is not kept.
            other: Takes the frames that are no calls.
        """
        cell = self.cell
        state = self.state
        wire = state.wire
        out = wire.out
        texts, capture = self.texts, state.capture
        modules = sys.modules
        threaded = self.threaded
        last_head, last_codec, split, object_length, plan = self._last  # the call before's: often this one's as well
        self.plan = plan
        failure: BaseException
        body: Payload
        while frames:
            kind, codec, flags, call_id, session, deadline, payload = frames.pop()
            if kind != _CALL:
                if other is not None:
                    other((kind, codec, flags, call_id, session, deadline, payload))
                continue
            cell[STARTED] = call_id
            self.call_id = call_id
            self.session = session
            if deadline:
                self.due = call_id, perf_counter() + deadline / 1000
            stage = DECODING
            try:
                try:
                    if not payload.startswith(last_head) or codec != last_codec:
                        target_length, object_length = _lengths(payload)
                        split = HEAD_SIZE + target_length
                        last_head, last_codec = bytes(payload[:split]), codec
                        plan = self.plan = self._plans[codec].get(last_head)
                        self._last = last_head, last_codec, split, object_length, plan
                    if plan is None or (
                        plan.watch is not None
                        and (
                            plan.watch.get(plan.name) is not plan.watched
                            or modules.get(plan.module_name) is not plan.module
                        )
                    ):
                        stage = RUNNING
                        plan = self._new_plan(codec, payload)
                        self._last = last_head, last_codec, split, object_length, plan
                        stage = DECODING
                    if state.imports:
                        stage = RUNNING
                        self._unpickle_copies()
                        stage = DECODING
                    subject = payload[split : split + object_length] if object_length else None
                    if isinstance(payload, bytes):
                        body = payload[split + object_length :]
                    else:  # a large one, a bytearray that is ours alone
                        del payload[: split + object_length]
                        body = payload if codec == _MSGPACK else bytes(payload)  # msgpack's reader takes it as it is
                    payload = b""
                    args: Any = ()
                    kwargs = None
                    if body:
                        args = plan.decode(body)
                        body = b""
                        if type(args) is list and len(args) == 1 and type(args[0]) is list:
                            args = args[0]
                        else:
                            args, kwargs = read_arguments(codec, args)
                    if subject is not None:
                        args = [self.on_handle(subject.decode("ascii", "replace"), ""), *args]
                    if self._odd_handles:
                        self._look_at_handles()
                    if plan.patience and out:
                        wire.flush()
                    stage = RUNNING
                    cell[ARMED] = call_id
                    if cell[CANCEL] == call_id:
                        cell[ARMED] = 0
                        raise Cancelled
                    result = plan.function(*args, **kwargs) if kwargs else plan.function(*args)
                    args = kwargs = None
                    if flags & _SPECIAL or type(result) not in plan.plain:
                        if plan.awaits and is_awaitable(result):
                            result = self.awaiter.wait(result, call_id)
                        cell[ARMED] = 0
                        if threaded:
                            self.gate.disarm(call_id)
                        stage = ENCODING
                        if flags & _STREAM and self.streaming.open(plan, codec, result):
                            result = None
                            self.then = perf_counter()
                            continue
                        reply = b"" if flags & _CAST else plan.encode(result)
                    else:
                        cell[ARMED] = 0
                        if threaded:
                            self.gate.disarm(call_id)
                        stage = ENCODING
                        reply = plan.encode(result)
                    result = None
                    size = len(reply)
                    if size > MAX_FRAME:
                        raise too_large(size)
                except BaseException as error:
                    cell[ARMED] = 0
                    if threaded:
                        self.gate.disarm(call_id)
                    failure = error
                else:
                    if texts or capture.dirty:
                        capture.seal()
                    now = perf_counter()
                    took = now - self.then
                    self.then = now
                    micros = int(took * 1e6) if took < _LONGEST else _MOST_MICROS
                    if size < LARGE:
                        out.append(_reply_header(size, _REPLY | codec << 8, call_id, session, micros) + reply)
                        if len(out) >= MANY:
                            wire.flush()
                    else:
                        wire.send(_REPLY, codec, 0, call_id, session, reply, micros)
                    if took > _SLOW:
                        plan.patience = _REMEMBER
                    elif plan.patience:
                        plan.patience -= 1
                    if frames:
                        let_handlers_run()  # SIGTERM's, above all
                    if state.leaving:
                        return
                    continue
            except Cancelled as error:  # in the moment after user code had ended; it comes at most once
                failure = error
            args = kwargs = result = None
            last_codec = 0  # there may be no plan to it
            self._last = _NONE_BEFORE
            self.fail(codec, failure, stage)
            del failure
            if state.leaving:
                return

    def seconds_left(self) -> float | None:
        """How long the call that is being run may still take; None: there is no deadline."""
        call_id, due = self.due
        return due - perf_counter() if call_id == self.call_id else None

    def on_handle(self, token: str, type_name: str) -> object:
        """What a token means in this call. It never raises: a decoder might take that for bad input."""
        if self._copies is not None and token in self._copies:
            return self._copies[token]
        objects = self.state.objects
        try:
            return objects.find(self.session, token)
        except CallFailed as error:
            if objects.is_elsewhere(token):
                self._foreign.append(token)
            else:
                self._lost = error
        self._odd_handles = True
        return None

    # What is rare

    def _new_plan(self, codec: int, payload: Payload) -> Plan:
        """Make the plan for a head not seen before, or whose function has changed.

        Importing is user code, and yet nothing interrupts it: half an import would stay, for all calls to come (some
        extension modules can't be imported a second time). What takes too long there ends with the worker.
        """
        try:
            op, want, style, target, _, _ = decode_head(payload)
        except RemoteProtocolError as error:
            raise CallFailed(ErrorKind.BAD_ARGUMENTS, str(error)) from None
        values = codec_for(codec)
        self.state.wire.flush()
        plan = self.plan = make_plan(op, target_text(target), want, self.mapping.run)
        if self._recorder is not None:
            plan.function = self._recorder.around(op, target_text(target), plan.function, lambda: self.session)
        if op == Op.KEPT:
            from bascule.workers.persist.shared import shared

            plan.function = shared(plan.function, target_text(target), self._tell_kept)
        plan.codec, plan.style = codec, style
        plan.decode = values.decoder(self.on_handle, style)
        plan.encode = values.encoder(want, style, self.hand_out, self._take_back)
        if op == Op.MAP:
            encode = values.encoder(Want.AUTO, style, self.hand_out) if want == _HANDLE else plan.encode
            plan.encode = partial(self.mapping.encode, encode, values.error_value, want == _HANDLE)
        plans = self._plans[codec]
        if len(plans) >= _CACHED:  # heads that vary without end, such as attributes made from data
            plans.clear()
        plans[bytes(payload[: HEAD_SIZE + len(target)])] = plan
        return plan

    def _tell_used(self, session: int, line: str) -> None:
        message = packed.dumps({"op": "used", "session": session, "line": line})
        self.state.wire.send(Kind.CONTROL, _MSGPACK, 0, 0, 0, message)

    def _tell_kept(self, created: float) -> None:
        message = packed.dumps({"op": "kept", "call": self.call_id, "created": created})
        self.state.wire.send(Kind.CONTROL, _MSGPACK, 0, 0, 0, message)

    def hand_out(self, value: object) -> Handle:
        """A handle on an object, for the session whose call is being run."""
        return self.state.objects.hand_out(self.session, value)

    def _take_back(self, handles: list[Handle]) -> None:
        """Handles in a result that then could not be sent: nobody will ever release them."""
        self.state.objects.release(self.session, [handle.token for handle in handles])

    def _unpickle_copies(self) -> None:
        """The copies of other workers' objects that were sent ahead of this call."""
        session, pickles = self.state.imports.pop(self.call_id, (0, None))
        if pickles is None or session != self.session:
            return
        import pickle

        self.cell[ARMED] = self.call_id
        try:
            self._copies = {token: pickle.loads(data) for token, data in pickles.items()}
            self._odd_handles = True
        except Exception as error:
            failed = CallFailed(
                ErrorKind.HANDLES_APART,
                f"an object of another worker could not be copied here: {type(error).__name__} while it was unpickled",
            )
            raise because(failed, error)  # noqa: B904
        finally:
            self.cell[ARMED] = 0

    def _look_at_handles(self) -> None:
        """The arguments are read, and not all handles among them were objects of this worker."""
        lost, foreign = self._lost, self._foreign
        self._forget_handles()
        if lost is not None:
            raise lost
        if foreign:
            raise Misrouted(list(dict.fromkeys(foreign)))

    def _forget_handles(self) -> None:
        self._odd_handles = False
        self._lost = self._copies = None
        self._foreign = []

    # Failures

    def fail(self, codec: int, failure: BaseException, stage: int) -> None:
        """Answer a call that has no value, or end a stream that broke."""
        state = self.state
        if codec not in self._plans:
            codec = _MSGPACK
            failure = CallFailed(ErrorKind.BAD_ARGUMENTS, f"this worker knows codecs {list(self._plans)}, no other")
        self._forget_handles()
        stream = state.streams.get(self.call_id)
        if stream is not None:
            self.streaming.forget(stream)
        if isinstance(failure, Misrouted):
            kind, payload = _MISROUTED, "".join(failure.tokens).encode("ascii", "replace")
        else:
            kind, payload = _ERROR, self._error_payload(codec, failure, stage)
        if self.texts or state.capture.dirty:
            state.capture.seal()
        now = perf_counter()
        micros = min(int((now - self.then) * 1e6), _MOST_MICROS)
        self.then = now
        state.wire.send(kind, codec, 0, self.call_id, self.session, payload, micros)

    def _error_payload(self, codec: int, failure: BaseException, stage: int) -> bytes:
        try:
            return codec_for(codec).encode_error(self.describe(explained(failure, stage)))
        except BaseException as second:  # out of memory, most likely: what follows needs next to none
            message = f"{type(failure).__name__} (and {type(second).__name__} while it was described)"
            name = self.state.name
            bare = plain_error_map(ErrorKind.PYTHON, message, worker=name, call=self.call_id)
            return codec_for(codec).encode_error(bare)

    def describe(self, failure: BaseException) -> dict[str, Any]:
        """An exception of the call that is being run, as data."""
        return error_map(
            failure,
            kind=ErrorKind.CANCELLED if isinstance(failure, Cancelled) else None,
            worker=self.state.name,
            call=self.call_id,
            elapsed=perf_counter() - self.then,
        )
