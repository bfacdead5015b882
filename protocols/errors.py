"""The errors of the wire, and the one list of what can go wrong with a call.

A parser raises `RemoteProtocolError` when its peer sent rubbish and `LocalProtocolError` when we misused it. Any
other exception out of this package is a bug of ours.

`ErrorKind` is shared by the whole of Bascule: workers, bridge and clients say with it *which sort* of failure a
call met, so that a caller can decide (try again? give up? look for a bug?) without reading the message.
"""

from __future__ import annotations

import enum


class ProtocolError(Exception):
    """Base of both families, never raised itself."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol. The connection it came from cannot go on."""


class CutOff(RemoteProtocolError):
    """What the peer sent ends too soon; with more of it, it might have been right."""


class LocalProtocolError(ProtocolError):
    """Our own side asked a protocol for something that it does not allow."""


class ErrorKind(str, enum.Enum):
    """Why a call did not return a value. The value is the name on every wire."""

    # What the call itself did.
    PYTHON = "python"  # user code raised
    NOT_FOUND = "not_found"  # no such module, attribute, operator or builtin
    BAD_ARGUMENTS = "bad_arguments"  # the payload does not decode, or is not (args, kwargs)
    NOT_ENCODABLE = "not_encodable"  # the result does not fit the caller's format and a value was asked for
    HANDLE_LOST = "handle_lost"  # released, of another session, of a dead worker, or guessed
    HANDLES_APART = "handles_apart"  # handles of two workers in one call, and they can't be brought together
    TOO_MANY_HANDLES = "too_many_handles"  # the session's cap is reached
    # What the bridge did with it.
    REFUSED = "refused"  # malformed, or the id is in use
    DENIED = "denied"  # policy forbids the target
    OVERLOADED = "overloaded"  # the pool's queue is full
    TIMEOUT = "timeout"  # the deadline passed
    CANCELLED = "cancelled"  # the caller (or an operator) took it back
    WORKER_LOST = "worker_lost"  # the worker that ran it is gone
    QUARANTINED = "quarantined"  # the same call killed worker after worker
    POOL_UNAVAILABLE = "pool_unavailable"  # the pool is failed, empty, or unknown
    CLIENT_GONE = "client_gone"  # nobody is left to hear the answer
    SHUTTING_DOWN = "shutting_down"  # the bridge drains
    # What only a client can say.
    DISCONNECTED = "disconnected"  # the connection broke before the answer came

    def __str__(self) -> str:
        return self.value
