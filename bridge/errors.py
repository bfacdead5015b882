"""The exceptions that a Python client sees: one small tree, one class for each way in which a call can fail.

    BasculeError
      NoService, ServiceRefused, ClientClosed, ForkedClient     there is nobody to ask
      CallError                                                 a call was asked for and gave no value
        PythonError                                             user code raised: `class_name` says what
        NotFound, BadArguments, NotEncodable                    what was asked for can't be done
        HandleLost, HandlesApart, TooManyHandles                what became of an object
        Refused, Denied, Overloaded, Quarantined                the service did not take the call
        Timeout, Cancelled, WorkerLost, PoolUnavailable,
        ClientGone, ShuttingDown, Disconnected                  it took it and could not finish it

`from_map` makes one of an error map, the form in which errors travel. When the worker met a builtin exception, what is
raised here is an instance of that one too, so `except KeyError:` around `proxy["x"]` works as it does on a dict.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, ClassVar

from bascule.protocols.errors import ErrorKind


class BasculeError(Exception):
    """Base of everything that Bascule raises at a client."""


class NoService(BasculeError, ConnectionError):
    """Nobody answers at the socket's path."""


class ServiceRefused(BasculeError):
    """The service answered, but would not have us, or not do what a control request asked for."""


class ClientClosed(BasculeError):
    """The client was closed here."""


class ForkedClient(BasculeError):
    """The client was made in another process: after a fork, the child must connect anew."""


class CallError(BasculeError):
    """A call gave no value. The attributes hold what is known; all but `kind` and `message` may be empty.

    Attributes:
        kind: Which sort of failure.
        message: What was wrong.
        class_name, module: The exception's class, when a Python exception is behind it.
        traceback: The worker's traceback as text.
        frames: The same as data: maps with file, line, function, text; outermost first.
        notes: What was added to the exception with `add_note` in the worker.
        cause: The exception that led to this one.
        worker: Who ran it, as "pool/slot.incarnation".
        call_id: The bridge's number of the call, as it stands in its log.
        elapsed: Seconds from its acceptance to its failure.
        details: More, as data: signal, exit code, offender, limit ...
    """

    kind: ClassVar[ErrorKind] = ErrorKind.REFUSED

    def __init__(
        self,
        message: str = "",
        *,
        class_name: str | None = None,
        module: str | None = None,
        traceback: str | None = None,
        frames: list[dict[str, Any]] | None = None,
        notes: list[str] | None = None,
        cause: CallError | None = None,
        worker: str | None = None,
        call_id: int | None = None,
        elapsed: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        Exception.__init__(self, message)
        self.message = message
        self.class_name = class_name
        self.module = module
        self.traceback = traceback
        self.frames = frames or []
        self.notes = notes or []
        self.cause = cause
        self.worker = worker
        self.call_id = call_id
        self.elapsed = elapsed
        self.details = details or {}
        if traceback:
            self.add_note(f"In worker {worker or '?'}:\n{traceback.rstrip()}")

    def __str__(self) -> str:
        if self.class_name is None:
            return self.message
        name = self.class_name if self.module in (None, "builtins") else f"{self.module}.{self.class_name}"
        return f"{name}: {self.message}" if self.message else name

    def __reduce__(self) -> tuple[Any, ...]:
        return from_map, (to_map(self),)


class PythonError(CallError):
    """The code that was called raised."""

    kind = ErrorKind.PYTHON


class NotFound(CallError):
    """No such module, attribute, operator or builtin."""

    kind = ErrorKind.NOT_FOUND


class BadArguments(CallError):
    """The arguments could not be read by the worker."""

    kind = ErrorKind.BAD_ARGUMENTS


class NotEncodable(CallError):
    """The result can't travel as a value, and a value was asked for."""

    kind = ErrorKind.NOT_ENCODABLE


class HandleLost(CallError):
    """The object behind a handle is gone: released, or with its session, its worker, or the service."""

    kind = ErrorKind.HANDLE_LOST


class HandlesApart(CallError):
    """The objects of one call live in different workers and can't be brought together."""

    kind = ErrorKind.HANDLES_APART


class TooManyHandles(CallError):
    """The session holds as many objects as it may."""

    kind = ErrorKind.TOO_MANY_HANDLES


class Refused(CallError):
    """The service found the request malformed."""

    kind = ErrorKind.REFUSED


class Denied(CallError):
    """Policy forbids the target."""

    kind = ErrorKind.DENIED


class Overloaded(CallError):
    """The pool's queue is full: try again later."""

    kind = ErrorKind.OVERLOADED


class Timeout(CallError, TimeoutError):
    """The deadline passed."""

    kind = ErrorKind.TIMEOUT


class Cancelled(CallError):
    """The call was taken back."""

    kind = ErrorKind.CANCELLED


class WorkerLost(CallError):
    """The worker that ran the call is gone. The call may have done some of its work."""

    kind = ErrorKind.WORKER_LOST


class Quarantined(CallError):
    """The same call killed worker after worker and is refused for a while."""

    kind = ErrorKind.QUARANTINED


class PoolUnavailable(CallError):
    """The pool is failed, empty, or unknown."""

    kind = ErrorKind.POOL_UNAVAILABLE


class ClientGone(CallError):
    """The client left before the answer came."""

    kind = ErrorKind.CLIENT_GONE


class ShuttingDown(CallError):
    """The service is stopping and takes nothing new."""

    kind = ErrorKind.SHUTTING_DOWN


class Disconnected(CallError, ConnectionError):
    """The connection broke before the answer came. The call may have run."""

    kind = ErrorKind.DISCONNECTED


_CLASSES: dict[str, type[CallError]] = {
    cls.kind.value: cls
    for cls in (
        PythonError,
        NotFound,
        BadArguments,
        NotEncodable,
        HandleLost,
        HandlesApart,
        TooManyHandles,
        Refused,
        Denied,
        Overloaded,
        Timeout,
        Cancelled,
        WorkerLost,
        Quarantined,
        PoolUnavailable,
        ClientGone,
        ShuttingDown,
        Disconnected,
    )
}
_MOST_CAUSES = 100
_twins: dict[tuple[type[CallError], str], type[CallError]] = {}


def from_map(error: object) -> CallError:
    """The exception for an error map. Whatever a map lacks or has of a wrong type is left empty: this never raises."""
    return _from_map(error, 0)


def _from_map(error: object, depth: int) -> CallError:
    if not isinstance(error, Mapping):
        return CallError(f"the error itself was unreadable: {error!r:.200}")
    cls = _CLASSES.get(str(error.get("kind")), CallError)
    class_name, module = _text(error.get("class")), _text(error.get("module"))
    if class_name is not None and module == "builtins":
        cls = _twin(cls, class_name)
    cause, frames, notes = error.get("cause"), error.get("frames"), error.get("notes")
    details, elapsed, call_id = error.get("details"), error.get("elapsed_ms"), error.get("call")
    return cls(
        _text(error.get("message")) or "",
        class_name=class_name,
        module=module,
        traceback=_text(error.get("traceback")),
        frames=[dict(frame) for frame in frames if isinstance(frame, Mapping)] if isinstance(frames, list) else None,
        notes=[note for note in notes if isinstance(note, str)] if isinstance(notes, list) else None,
        cause=_from_map(cause, depth + 1) if isinstance(cause, Mapping) and depth < _MOST_CAUSES else None,
        worker=_text(error.get("worker")),
        call_id=call_id if isinstance(call_id, int) else None,
        elapsed=elapsed / 1000 if isinstance(elapsed, (int, float)) else None,
        details=dict(details) if isinstance(details, Mapping) else None,
    )


def to_map(error: CallError) -> dict[str, Any]:
    """The error map of a `CallError`: the opposite of `from_map`."""
    return {
        "kind": error.kind.value,
        "class": error.class_name,
        "module": error.module,
        "message": error.message,
        "traceback": error.traceback,
        "frames": error.frames,
        "notes": error.notes,
        "cause": None if error.cause is None else to_map(error.cause),
        "worker": error.worker,
        "call": error.call_id,
        "elapsed_ms": None if error.elapsed is None else error.elapsed * 1000,
        "details": error.details,
    }


def _twin(cls: type[CallError], builtin_name: str) -> type[CallError]:
    """`cls`, but also an instance of that builtin exception, where the two can be joined."""
    key = (cls, builtin_name)
    if key not in _twins:
        builtin = getattr(builtins, builtin_name, None)
        if not isinstance(builtin, type) or not _can_join(cls, builtin):
            return cls
        _twins[key] = type(cls.__name__, (cls, builtin), {"__module__": cls.__module__, "__doc__": cls.__doc__})
    return _twins[key]


def _can_join(cls: type[CallError], builtin: type) -> bool:
    """Only ordinary exceptions: nobody's `KeyboardInterrupt` is ours, and a group can't be made without its members."""
    if not issubclass(builtin, Exception) or issubclass(builtin, builtins.BaseExceptionGroup):
        return False
    return not issubclass(cls, builtin)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
