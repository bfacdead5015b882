"""Handles that nobody sees in the bytes of a call: compressed, escaped, spelled out. They lead to their owner."""

from __future__ import annotations

import json
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from configured import eventually
from running_service import Service

from bascule.bridge.client.connecting import Greeted, greet
from bascule.bridge.client.places import SocketPlace
from bascule.protocols import edn, etf, jsonic, packed, transit
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Codec, Kind, encode_frame
from bascule.protocols.tokens import Handle

HERE = Path(__file__).parent
LOADS = {
    Codec.MSGPACK: packed.loads,
    Codec.JSON: jsonic.loads,
    Codec.ETF: etf.loads,
    Codec.EDN: edn.loads,
    Codec.TRANSIT: transit.loads,
}
NIL = b"\x6a"


def escaped(text: str) -> str:
    """Each character as `\\uXXXX`."""
    return "".join(f"\\u{ord(character):04x}" for character in text)


def etf_list(*items: bytes) -> bytes:
    return b"\x6c" + struct.pack(">I", len(items)) + b"".join(items) + NIL


def etf_handle(token: bytes) -> bytes:
    return b"\x68\x03\x77\x09py_handle" + token + b"\x6d\x00\x00\x00\x00"


def charlist(token: str) -> bytes:
    return b"\x6b" + struct.pack(">H", len(token)) + token.encode()


def spelled_out(token: str) -> bytes:
    """A charlist as a list of integers, one by one."""
    return etf_list(*[b"\x61" + bytes([ord(character)]) for character in token])


def compressed(term: bytes) -> bytes:
    return b"\x83\x50" + struct.pack(">I", len(term)) + zlib.compress(term)


DISGUISES = {
    "msgpack": (Codec.MSGPACK, lambda token: packed.dumps([[Handle(token, "")]])),
    "JSON": (Codec.JSON, lambda token: json.dumps([[{"py/handle": token}]]).encode()),
    "JSON, escaped": (Codec.JSON, lambda token: f'[[{{"{escaped("py/handle")}":"{escaped(token)}"}}]]'.encode()),
    "ETF": (Codec.ETF, lambda token: etf.dumps([[Handle(token, "")]])),
    "ETF, a charlist": (Codec.ETF, lambda token: b"\x83" + etf_list(etf_list(etf_handle(charlist(token))))),
    "ETF, a list of integers": (Codec.ETF, lambda token: b"\x83" + etf_list(etf_list(etf_handle(spelled_out(token))))),
    "ETF, compressed": (Codec.ETF, lambda token: compressed(etf.dumps([[Handle(token, "")]])[1:])),
    "EDN": (Codec.EDN, lambda token: edn.dumps([[Handle(token, "")]])),
    "EDN, escaped": (Codec.EDN, lambda token: f'[[#py/handle {{:token "{escaped(token)}" :type ""}}]]'.encode()),
    "transit": (Codec.TRANSIT, lambda token: transit.dumps([[Handle(token, "")]])),
    "transit, escaped": (
        Codec.TRANSIT,
        lambda token: transit.dumps([[Handle(token, "")]]).replace(token.encode(), escaped(token).encode()),
    ),
}


class Wire:
    """A client that writes its frames itself."""

    def __init__(self, greeted: Greeted) -> None:
        self._sock: socket.socket = greeted.sock
        self._reader = greeted.reader
        self._sent = 0

    def send(self, codec: int, op: int, target: str, arguments: bytes) -> int:
        self._sent += 1
        payload = encode_call(op, target, arguments)
        self._sock.sendall(encode_frame(Kind.CALL, codec, 0, self._sent, 0, 0, payload))
        return self._sent

    def answer(self, call_id: int) -> object:
        while True:
            for kind, codec, _, answered, _, _, payload in self._reader.receive_data(self._sock.recv(65_536)):
                assert (kind, answered) == (Kind.REPLY, call_id), payload
                return LOADS[Codec(codec)](payload)

    def call(self, codec: int, op: int, target: str, arguments: bytes) -> object:
        return self.answer(self.send(codec, op, target, arguments))


@pytest.fixture
def wire(runtime_folder: Path, nothing_left: None) -> Iterator[Wire]:
    service = Service(runtime_folder, "--path", str(HERE))
    with service.client() as client:  # of two that are there, it is known which one takes a call
        eventually(lambda: [worker["state"] for worker in client.status()["workers"]].count("active") == 2)
    greeted = greet(SocketPlace(service.socket), pool=None, name=None)
    with greeted.sock:
        yield Wire(greeted)
    assert service.stop() == 0


def one_in_each_worker(wire: Wire, fifo: Path) -> list[Handle]:
    """Two objects: the second is made while the first's worker waits for somebody to write."""
    os.mkfifo(fifo)
    waiting = wire.send(Codec.MSGPACK, Op.CALL, "os:open", packed.dumps([[str(fifo), os.O_RDONLY]]))
    second = wire.call(Codec.MSGPACK, Op.INIT, "served:Box", b"")
    with fifo.open("wb"):
        wire.answer(waiting)
    fifo.unlink()
    first = wire.call(Codec.MSGPACK, Op.INIT, "served:Box", b"")
    assert isinstance(first, Handle)
    assert isinstance(second, Handle)
    return [first, second]


def test_a_handle_leads_to_its_owner_however_it_is_written(wire: Wire, runtime_folder: Path) -> None:
    handles = one_in_each_worker(wire, runtime_folder / "fifo")
    pids = [wire.call(Codec.MSGPACK, Op.METHOD, "pid", packed.dumps([[handle]])) for handle in handles]
    assert pids[0] != pids[1]
    for name, (codec, disguise) in DISGUISES.items():
        for handle, pid in zip(handles, pids, strict=True):
            assert wire.call(codec, Op.CALL, "served:pid_beside", disguise(handle.token)) == pid, name
