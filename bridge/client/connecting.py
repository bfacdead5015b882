"""How a blocking client comes to a greeted connection."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Final

from bascule.bridge.client.encoding import client_name
from bascule.bridge.client.link import Link
from bascule.bridge.client.settling import OnOutput
from bascule.bridge.errors import NoService, ServiceRefused
from bascule.protocols.envelope import FrameReader
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.service import RefusedByService, Welcome, hello, read_welcome

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection
    from bascule.bridge.client.places import Place
    from bascule.protocols.envelope import Frame

_RETRY_FROM, _RETRY_TO = 0.01, 0.2  # seconds between two attempts
_SMALL_READ: Final = 4096


def open_link(
    connection: Connection, place: Place, *, pool: str | None, name: str | None, patience: float, on_output: OnOutput
) -> tuple[Link, Welcome]:
    """Connect and say hello. While nobody answers, try again for `patience` seconds.

    Raises:
        NoService: Nobody answers.
        ServiceRefused: Who answers would not have us, or is no service.
    """
    until = time.monotonic() + patience
    pause = _RETRY_FROM
    while True:
        sock = None
        try:
            sock = place.dial()
            reader = FrameReader()
            welcome = _greet(sock, reader, place, hello(0, client=name or client_name(), pool=pool))
            sock.settimeout(None)
            return Link(connection, sock, reader, on_output), welcome
        except NoService:
            _close(sock)
            remaining = until - time.monotonic()
            if remaining <= 0:
                place.leave()
                raise
        except BaseException:
            _close(sock)
            place.leave()
            raise
        time.sleep(min(pause, remaining))
        pause = min(pause * 2, _RETRY_TO)


def read_greeting(frames: list[Frame], place: Place) -> Welcome:
    """The service's answer to the hello, the first of `frames`.

    Raises:
        ServiceRefused: It is none.
    """
    kind, *_, payload = frames[0]
    try:
        return read_welcome(kind, payload)
    except RefusedByService as refused:
        raise ServiceRefused(f"the service at {place} refused us: {refused}") from None
    except RemoteProtocolError as error:
        raise unknown_service(place, error) from None


def unknown_service(place: Place, error: RemoteProtocolError) -> ServiceRefused:
    """The error for a peer that speaks something else."""
    return ServiceRefused(f"what answers at {place} is no service that we know: {error}")


def silent_service(place: Place) -> NoService:
    """The error for a peer that hung up."""
    return NoService(f"{place} closed the connection without a word: {place.silence}")


def _greet(sock: socket.socket, reader: FrameReader, place: Place, greeting: bytes) -> Welcome:
    try:
        sock.sendall(greeting)
        while True:
            data = sock.recv(_SMALL_READ)
            if not data:
                raise silent_service(place)
            frames = reader.receive_data(data)
            if frames:
                return read_greeting(frames, place)
    except RemoteProtocolError as error:
        raise unknown_service(place, error) from None
    except TimeoutError:
        raise NoService(f"the service at {place} does not answer") from None
    except OSError:
        raise silent_service(place) from None


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.close()
