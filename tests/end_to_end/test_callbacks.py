"""A client of the service that answers callbacks: all levels of a recursion that goes through both sides."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from running_service import Service

from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame
from bascule.protocols.service import hello

pytestmark = pytest.mark.usefixtures("nothing_left")

FIBONACCI = """
from bascule import caller

def fibonacci(n):
    return n if n < 2 else caller().ask("fibonacci", [n - 1]) + caller().ask("fibonacci", [n - 2])
"""


class Answering:
    """A client whose `fibonacci` calls Python's, which calls the client's."""

    def __init__(self, path: Path, *, callbacks: bool = True) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))
        self._reader = FrameReader()
        self._ids = 0
        self._answering: dict[int, int] = {}  # nested call -> the callback that its result answers
        self._socket.sendall(hello(0, callbacks=callbacks))

    def call(self, n: int) -> object:
        first = self._send(Kind.CALL, b"", n)
        while True:
            for kind, _, _, call_id, _, _, payload in self._reader.receive_data(self._socket.recv(65536)):
                if kind == Kind.CALLBACK:
                    what, (n,) = msgpack.unpackb(payload[8:])
                    assert what == "fibonacci"
                    self._answering[self._send(Kind.NESTED, payload[:8], n)] = int.from_bytes(payload[:8], "little")
                elif kind in (Kind.REPLY, Kind.ERROR):
                    if call_id == first:
                        return msgpack.unpackb(payload)
                    number = self._answering.pop(call_id)
                    self._socket.sendall(encode_frame(kind, Codec.MSGPACK, 0, number, 0, 0, payload))

    def _send(self, kind: Kind, before: bytes, n: int) -> int:
        self._ids += 1
        payload = before + encode_call(Op.CALL, "recursive:fibonacci", msgpack.packb([[n]]))
        self._socket.sendall(encode_frame(kind, Codec.MSGPACK, 0, self._ids, 0, 0, payload))
        return self._ids

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def service(tmp_path: Path, runtime_folder: Path) -> Iterator[Service]:
    (tmp_path / "recursive.py").write_text(FIBONACCI)
    one = Service(runtime_folder, "--path", str(tmp_path))
    try:
        yield one
    finally:
        one.stop()


def test_a_recursion_through_both_sides_comes_to_its_end(service: Service) -> None:
    client = Answering(service.socket)
    assert client.call(10) == 55
    client.close()


def test_a_client_that_never_said_so_is_not_asked(service: Service) -> None:
    client = Answering(service.socket, callbacks=False)
    error = client.call(10)
    assert isinstance(error, dict)
    assert error["message"] == "refused: this client takes no callbacks"
    client.close()
