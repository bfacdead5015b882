"""From an exception to the error map that a caller gets.

`CallFailed` is how our own code says that a call can't be: it carries the kind. Everything else is user code's, kind
`python`, whatever its class: a `sys.exit()` in a called function is an error of that call, not the end of the worker.

The map is plain data (see `error_map`) with the traceback both as text and as frames. Our own frames are cut from its
start: the caller wants to see its function, not our loop. Everything is bounded, and nothing that a broken `__str__`
or `__repr__` raises escapes. The traceback module is imported by the first error, not by an idle worker.
"""

from __future__ import annotations

from bascule.protocols.errors import ErrorKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Final

    ErrorMap = dict[str, Any]

MAX_MESSAGE: Final = 16_384  # characters of a message
MAX_TRACEBACK: Final = 65_536  # characters of a traceback as text
MAX_FRAMES: Final = 100  # frames of one traceback
MAX_NOTES: Final = 20
MAX_CAUSES: Final = 8  # how deep a chain of causes is followed

_ROOMS: Final = __file__.rpartition("/")[0].rpartition("/")[0]
_OWN_FOLDERS: Final = (_ROOMS + "/workers/", _ROOMS + "/protocols/", "bascule/workers/", "bascule/protocols/")
"""Compiled modules name their files as they were given to the compiler, from the root of the sources."""
_FROZEN_IMPORT: Final = "<frozen importlib"


class CallFailed(Exception):
    """A call that can't be answered with a value, for a reason that is not user code's."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        like: type[BaseException] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """`like` is the Python exception that the same mistake raises in one process: clients may raise it again."""
        super().__init__(message)
        self.kind = kind
        self.like = like
        self.details = details or {}


class Misrouted(Exception):
    """Handles among the arguments live in other workers. No user code has run."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__(f"{len(tokens)} handles live elsewhere")
        self.tokens = tokens


def because(error: Exception, cause: BaseException | None) -> Exception:
    """`error`, to be raised as by `raise error from cause`: compiled code (mypyc) leaves out what is after `from`."""
    error.__cause__ = cause
    return error


def error_map(
    error: BaseException,
    *,
    kind: ErrorKind | None = None,
    worker: str = "",
    call: int = 0,
    elapsed: float = 0.0,
    details: dict[str, Any] | None = None,
) -> ErrorMap:
    """Everything about `error` as plain data.

    Args:
        error: The exception, with its traceback.
        kind: Which sort of failure; None: the error's own if it is a CallFailed, else PYTHON.
        worker: Who ran the call.
        call: The call's wire id.
        elapsed: Seconds that it ran.
        details: More facts, for programs.
    """
    try:
        described = _describe(error, 0)
    except BaseException as second:  # out of memory, out of stack, a __class__ that raises: say the little that is sure
        described = _minimal(error, second)
    if kind is not None:
        described["kind"] = kind.value
    described["worker"] = worker
    described["call"] = call
    described["elapsed_ms"] = round(elapsed * 1000, 3)
    described["details"] = {**described.get("details", {}), **(details or {})}
    return described


def plain_error_map(kind: ErrorKind, message: str, *, worker: str = "", call: int = 0) -> ErrorMap:
    """An error without an exception."""
    return {
        **_empty(kind.value, None, None, clean_text(message, MAX_MESSAGE)),
        "worker": worker,
        "call": call,
        "elapsed_ms": 0,
        "details": {},
    }


def clean_text(value: object, limit: int = MAX_MESSAGE) -> str:
    """`str(value)`, bounded, encodable in UTF-8, whatever `__str__` does."""
    try:
        text = value if type(value) is str else str(value)
        if type(text) is not str:
            text = str.__str__(text)
    except BaseException as error:
        text = f"<{type(value).__name__} whose __str__ raised {type(error).__name__}>"
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _empty(kind: str, class_name: str | None, module: str | None, message: str) -> ErrorMap:
    return {
        "kind": kind,
        "class": class_name,
        "module": module,
        "message": message,
        "traceback": None,
        "frames": [],
        "notes": [],
        "cause": None,
    }


def _minimal(error: BaseException, second: BaseException) -> ErrorMap:
    kind = error.kind.value if isinstance(error, CallFailed) else ErrorKind.PYTHON.value
    name = type.__getattribute__(type(error), "__name__")
    message = f"(the error itself could not be described: {type(second).__name__})"
    return _empty(kind, name, None, message)


def _describe(error: BaseException, depth: int) -> ErrorMap:
    cls = type(error)
    if isinstance(error, CallFailed):
        like = error.like
        described = _empty(
            error.kind.value,
            like.__qualname__ if like else None,
            like.__module__ if like else None,
            clean_text(error.args[0]),
        )
        if error.details:
            described["details"] = error.details
        cause = error.__cause__
    else:
        described = _empty(
            ErrorKind.PYTHON.value, clean_text(cls.__qualname__), clean_text(cls.__module__), clean_text(error)
        )
        described["notes"] = _notes(error)
        trace = _cut_own_frames(error.__traceback__)
        if trace is not None:
            described["frames"] = _frames(trace)
        if depth == 0:
            try:
                described["traceback"] = _text(error, trace)
            except Exception as second:  # a SyntaxError with odd attributes, say: the frames are there all the same
                described["traceback"] = f"(the traceback could not be formatted: {type(second).__name__})"
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
    if cause is not None and depth < MAX_CAUSES:
        described["cause"] = _describe(cause, depth + 1)
    return described


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return []
    return [clean_text(note) for note in notes[:MAX_NOTES]]


def _cut_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not ours, nor of what we go through."""
    seen_own = False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_OWN_FOLDERS):
            seen_own = True
        elif not (seen_own and (file.startswith(_FROZEN_IMPORT) or _is_machinery(file))):
            return trace
        trace = trace.tb_next
    return None


def _is_machinery(file: str) -> bool:
    """Whether it is what we go through to run a coroutine or to import a module."""
    folder, _, name = file.rpartition("/")
    last = folder.rpartition("/")[2]
    return (last == "asyncio" and name in {"base_events.py", "futures.py", "tasks.py"}) or (
        last == "importlib" and name == "__init__.py"
    )


def _frames(trace: TracebackType) -> list[dict[str, Any]]:
    import linecache

    frames: list[dict[str, Any]] = []
    walked: list[TracebackType] = []
    current: TracebackType | None = trace
    while current is not None:
        walked.append(current)
        current = current.tb_next
    if len(walked) > MAX_FRAMES:  # of a deep recursion the two ends tell the story
        half = MAX_FRAMES // 2
        walked = walked[:half] + walked[-half:]
    for step in walked:
        code = step.tb_frame.f_code
        line = step.tb_lineno or 0
        text = linecache.getline(code.co_filename, line, step.tb_frame.f_globals).strip()
        frames.append(
            {
                "file": clean_text(code.co_filename),
                "line": line,
                "function": clean_text(getattr(code, "co_qualname", code.co_name)),
                "text": clean_text(text, 500),
            }
        )
    return frames


def _text(error: BaseException, trace: TracebackType | None) -> str:
    """As Python prints it, chain and all; the causes keep whatever frames they have."""
    import traceback

    lines: list[str] = []
    size = 0
    formatter = traceback.TracebackException(type(error), error, trace, limit=-MAX_FRAMES)
    for line in formatter.format():
        lines.append(line)
        size += len(line)
        if size > 4 * MAX_TRACEBACK:  # what follows would be cut from the middle anyway; formatting it has a cost
            lines.append("... and more\n")
            break
    return clean_text("".join(lines), MAX_TRACEBACK)
