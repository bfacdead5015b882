"""What goes wrong around user code, in words: arguments that are none, results that do not fit."""

from __future__ import annotations

from struct import error as struct_error

from bascule.protocols import packed
from bascule.protocols.calls import HEAD_SIZE
from bascule.protocols.envelope import Codec
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME
from bascule.workers.cancel import Cancelled
from bascule.workers.errors import CallFailed, clean_text
from bascule.workers.values import ArgumentsError, NotEncodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

DECODING: Final = 0
RUNNING: Final = 1
ENCODING: Final = 2
"""How far a call had come when something was raised."""


def explained(failure: BaseException, stage: int) -> BaseException:
    """What went wrong outside of user code, in words that say where it was and what to do.

    Args:
        failure: What was raised; user code's own (stage RUNNING) is given back as it is.
        stage: DECODING, RUNNING or ENCODING.
    """
    if stage == RUNNING or isinstance(failure, (CallFailed, Cancelled)):
        return failure
    if isinstance(failure, NotEncodable):
        details = {"type": failure.type_name} if failure.type_name else None
        explained = CallFailed(ErrorKind.NOT_ENCODABLE, clean_text(failure), like=ValueError, details=details)
        explained.__cause__ = failure.__cause__
    elif stage == ENCODING:
        explained = CallFailed(ErrorKind.NOT_ENCODABLE, f"the result could not be encoded: {_say(failure)}")
        explained.__cause__ = failure
    elif isinstance(failure, struct_error):
        explained = CallFailed(ErrorKind.BAD_ARGUMENTS, f"a call is not shorter than its head of {HEAD_SIZE} bytes")
    elif isinstance(failure, (ArgumentsError, RemoteProtocolError)):
        explained = CallFailed(ErrorKind.BAD_ARGUMENTS, clean_text(failure))
        explained.__cause__ = failure.__cause__
    else:
        explained = CallFailed(ErrorKind.BAD_ARGUMENTS, f"the arguments could not be read: {_say(failure)}")
        explained.__cause__ = failure
    return explained


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {clean_text(error, 500)}"


def read_arguments(codec: int, decoded: object) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments from `[args]` or `[args, kwargs]`; None stands for no positionals, or for all.

    Raises:
        ArgumentsError: It is something else.
    """
    parts = [] if decoded is None else list(decoded) if isinstance(decoded, (list, tuple)) else None
    if parts is None or len(parts) > 2:
        what = f"a {type(decoded).__name__}" if parts is None else f"{len(parts)} of them"
        raise ArgumentsError(f"arguments travel as [args] or [args, kwargs], this is {what}")
    args = parts[0] if parts else None
    if args is not None and not isinstance(args, (list, tuple)):
        raise ArgumentsError(f"positional arguments are a list, this is a {type(args).__name__}")
    keywords: dict[str, Any] = {}
    if len(parts) == 2:
        read: Callable[[Any], dict[str, Any]] = packed.keywords
        if codec == Codec.ETF:
            from bascule.protocols import etf

            read = etf.keywords
        try:
            keywords = read(parts[1])
        except (ValueError, RemoteProtocolError) as error:
            raise ArgumentsError(clean_text(error)) from None
    return list(args or ()), keywords


def target_text(target: bytes) -> str:
    """A head's target as text.

    Raises:
        CallFailed: It is no UTF-8.
    """
    try:
        return target.decode()
    except UnicodeDecodeError:
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"a target is UTF-8, this is not: {target!r:.100}") from None


def too_large(size: int) -> CallFailed:
    """The error for a result that fits no frame."""
    return CallFailed(
        ErrorKind.NOT_ENCODABLE,
        f"the result takes {size} bytes, a frame has room for {MAX_FRAME}: ask for a handle, or stream it",
        details={"limit": MAX_FRAME},
    )
