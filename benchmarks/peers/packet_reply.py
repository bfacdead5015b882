"""The least that can stand behind the application `py`: greets, and gives each call its own arguments back.

One process, one thread, nothing decoded: what an Erlang port to Python costs before anything is done with it.
"""

from __future__ import annotations

import os
import struct

from bascule.protocols import etf
from bascule.protocols.calls import decode_head
from bascule.protocols.envelope import REST, REST_SIZE, Codec, Kind

_CHUNK = 1 << 20
_length = struct.Struct(">I")
_HELLO = {"op": "hello", "version": 1, "prefix": "bsc" + "0" * 13, "bascule": "0"}


def main() -> None:
    """Until the port is closed."""
    hello = etf.dumps(_HELLO, style=3)
    buffer = bytearray()
    while data := os.read(0, _CHUNK):
        buffer += data
        answers: list[bytes] = []
        position = 0
        while len(buffer) - position >= _length.size:
            start = position + _length.size
            stop = start + _length.unpack_from(buffer, position)[0]
            if stop > len(buffer):
                break
            kind, _, _, call_id, _, _ = REST.unpack_from(buffer, start)
            if kind == Kind.CALL:
                payload = bytes(buffer[start + REST_SIZE : stop])
                answers += _frame(Kind.REPLY, call_id, payload[decode_head(payload)[-1] :])
            elif b"bye" in buffer[start:stop]:
                return
            elif kind == Kind.CONTROL:
                answers += _frame(Kind.CONTROL, call_id, hello)
            position = stop
        del buffer[:position]
        _write(b"".join(answers))


def _frame(kind: int, call_id: int, payload: bytes) -> list[bytes]:
    return [_length.pack(REST_SIZE + len(payload)), REST.pack(kind, Codec.ETF, 0, call_id, 0, 0), payload]


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main()
