"""The first words of a client that must show a token, or that speaks TLS: heard here, before the router knows of it.

At most `before_hello` bytes are read, within the listener's `hello_timeout`. The hello is understood by the same state
machine that the door uses; once its token is one of the listener's, everything that was read is handed to the door as
the connection's opening. A client with TLS is then carried between its socket and one end of a socket pair: the router
knows plain descriptors only.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import trio

from bascule.bridge.admission import Tokens
from bascule.protocols.envelope import Codec, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.service import ServiceSide, write_message

_log = logging.getLogger(__name__)

_CHUNK = 4096
_RELAYED = 1 << 16
_BYE = 2.0  # seconds that a refused client may take to hear why


def tls_context(certificate: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, as a server.

    Raises:
        OSError: A file can't be read or is no such thing (`ssl.SSLError` is one).
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Greeted:
    """A client that has shown its token."""

    def __init__(self, opening: bytes, token: int | None) -> None:
        self.opening = opening
        self.token = token  # which of the listener's, from 1 on


async def greet(stream: trio.abc.Stream, tokens: Tokens | None, before_hello: int) -> Greeted | None:
    """Read the hello; None when it was not a good one, which the client has been told."""
    side = ServiceSide(before_hello=before_hello)
    opening = b""
    try:
        while side.hello is None:
            data = await stream.receive_some(min(_CHUNK, before_hello - len(opening)))
            if not data:
                return None
            opening += data
            side.receive_data(bytes(data))
            if side.hello is None and len(opening) >= before_hello:
                return None  # `receive_data` refuses longer hellos: this is a header that trickles
    except RemoteProtocolError:
        await _bye(stream, side.take_output())
        return None
    number = None
    if tokens is not None:
        number = tokens.find(side.hello.token)
        if number is None:
            what = "no token" if side.hello.token is None else "a token that is not known here"
            await _bye(stream, refusal(f"the hello has {what}"))
            return None
    return Greeted(opening, number)


async def relay(outside: trio.abc.Stream, inside: trio.SocketStream) -> None:
    """Carry bytes both ways until one side is done."""

    async def carry(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, last: Callable[[], None]) -> None:
        try:
            while data := await source.receive_some(_RELAYED):
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            pass
        last()

    async with trio.open_nursery() as nursery:
        # What the bridge has still to say is carried; when the client is gone there is nobody to say it to.
        nursery.start_soon(carry, outside, inside, nursery.cancel_scope.cancel)
        nursery.start_soon(carry, inside, outside, nursery.cancel_scope.cancel)


def pair() -> tuple[socket.socket, trio.SocketStream]:
    """A socket pair: the router's end, and ours."""
    theirs, ours = socket.socketpair()
    return theirs, trio.SocketStream(trio.socket.from_stdlib_socket(ours))


async def _bye(stream: trio.abc.Stream, output: bytes) -> None:
    with trio.move_on_after(_BYE):
        try:
            await stream.send_all(output)
        except (trio.BrokenResourceError, ssl.SSLError):
            return


def refusal(message: str) -> bytes:
    """The frame that ends a conversation before it has begun."""
    payload = write_message({"op": "refused", "kind": "denied", "message": message})
    return encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, 0, 0, 0, payload)
