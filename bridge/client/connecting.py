"""How a client comes to a greeted socket."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from bascule.bridge.client.encoding import client_name
from bascule.bridge.client.places import Place
from bascule.bridge.errors import NoService, ServiceRefused
from bascule.protocols.envelope import FrameReader
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.service import RefusedByService, Welcome, hello, read_welcome

_RETRY_FROM, _RETRY_TO = 0.01, 0.2  # seconds between two attempts
_SMALL_READ: Final = 4096


class Greeted(NamedTuple):
    """A socket that is connected and greeted."""

    sock: socket.socket
    reader: FrameReader
    welcome: Welcome


def greet(place: Place, *, pool: str | None, name: str | None) -> Greeted:
    """Connect and say hello. The socket has a time limit still.

    Raises:
        NoService: Nobody answers.
        ServiceRefused: Who answers would not have us, or is no service.
    """
    try:
        sock = place.dial()
        try:
            reader = FrameReader()
            with contextlib.suppress(BrokenPipeError):  # who turned us away before we spoke may have said why
                sock.sendall(hello(0, client=name or client_name(), pool=pool, token=place.token))
            return Greeted(sock, reader, _read_welcome(sock, reader, place))
        except BaseException:
            sock.close()
            raise
    except RefusedByService as refused:
        problem: Exception = ServiceRefused(f"the service at {place} refused us: {refused}")
    except RemoteProtocolError as error:
        problem = ServiceRefused(f"what answers at {place} is no service that we know: {error}")
    except TimeoutError:
        problem = NoService(f"the service at {place} does not answer")
    except NoService as error:
        problem = error
    except OSError:
        problem = NoService(f"{place} closed the connection without a word: {place.silence}")
    place.leave()
    raise problem from None


def pauses(patience: float) -> Iterator[float]:
    """How long to wait before each further attempt, until `patience` seconds are over."""
    until = time.monotonic() + patience
    pause = _RETRY_FROM
    while (remaining := until - time.monotonic()) > 0:
        yield min(pause, remaining)
        pause = min(pause * 2, _RETRY_TO)


def _read_welcome(sock: socket.socket, reader: FrameReader, place: Place) -> Welcome:
    while True:
        data = sock.recv(_SMALL_READ)
        if not data:
            raise NoService(f"{place} closed the connection without a word: {place.silence}")
        frames = reader.receive_data(data)
        if frames:
            kind, *_, payload = frames[0]
            return read_welcome(kind, payload)
