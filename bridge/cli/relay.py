"""`bascule pod --attach [SOCKET] [MODULE[=NAMESPACE]...] [option...]`: a pod of the service that runs already.

A relay between a client's pipes and the service's socket, for short scripts that share warm workers. It imports next to
nothing, so it is there as soon as Python is: `python -I -S relay.py [SOCKET] ...` will do, without anything of Bascule
on the path. SOCKET is a path with a slash in it; without one, it is the usual place.

It says who it is and what it was told, and from then on copies bytes: all of the protocol is the service's. The answer
begins with a line, `ok`, or the reason why not.
"""

from __future__ import annotations

import _socket
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

GREETING = b"bascule-pod 1 "
"""Then the length of what follows the newline, in decimal: the arguments, each ended by a NUL."""

_CHUNK = 1 << 16


def main(arguments: Sequence[str]) -> int:
    """Relay until the service closes; 3 when none answers, 2 when it refuses."""
    place, told = usual_place(), list(arguments)
    if told and "/" in told[0] and not told[0].partition("=")[0].endswith(".py"):
        place = told.pop(0)
    service = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        service.connect(place)
    except OSError as error:
        print(f"bascule pod: no service answers at {place} ({error.strerror or error}): start one with `bascule serve`",
              file=sys.stderr)  # fmt: skip
        return 3
    body = b"".join([os.fsencode(each) + b"\0" for each in told])
    try:
        service.send(GREETING + b"%d\n" % len(body) + body)
        return _relay(service)
    except _ClientGone:
        return 1
    except OSError:  # in the service's socket
        print(f"bascule pod: the service at {place} has ended, or has closed this connection", file=sys.stderr)
        return 1


def usual_place() -> str:
    """Where a service listens that was not told where."""
    named = os.environ.get("BASCULE_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return f"{runtime}/bascule/bascule.sock" if runtime else f"/tmp/bascule-{os.getuid()}/bascule.sock"


class _ClientGone(Exception):
    """Nobody reads our standard output any more."""


def _relay(service: _socket.socket) -> int:
    """Copy bytes both ways; the exit status.

    Raises:
        _ClientGone: The client reads no more.
        OSError: The service is gone, though the client has not ended the conversation.
    """
    poll = select.poll()
    poll.register(service.fileno(), select.POLLIN)
    first = b""
    accepted = ending = False  # what the client says is taken when we are accepted: a refusal would be lost behind it
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                data = os.read(0, _CHUNK)
                if data:
                    ending = ending or b"8:shutdown" in data
                    _send(service, data)
                else:
                    ending = True
                    poll.unregister(0)
                    service.shutdown(_socket.SHUT_WR)
                continue
            data = service.recv(_CHUNK)
            if not data:
                if ending:
                    return 0
                raise ConnectionResetError
            if not accepted:
                first += data
                line, newline, data = first.partition(b"\n")
                if not newline:
                    continue
                if line != b"ok":
                    print("bascule pod:", line.decode(errors="replace"), file=sys.stderr)
                    return 2
                accepted = True
                poll.register(0, select.POLLIN)
            _write(data)


def _send(service: _socket.socket, data: bytes) -> None:
    while data:
        data = data[service.send(data) :]


def _write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        raise _ClientGone from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
