"""A port program that greets as a bridge does, and dies in the middle of its first answer."""

from __future__ import annotations

import os
import struct
import sys

from bascule.protocols import etf


def frame(kind: int, call_id: int, payload: bytes) -> bytes:
    body = struct.pack("<BBHQII", kind, 3, 0, call_id, 0, 0) + payload
    return struct.pack(">I", len(body)) + body


def main() -> None:
    while data := os.read(0, 65536):
        kind, call_id = data[4], int.from_bytes(data[8:16], "little")
        if kind == 1:
            os.write(1, frame(2, call_id, etf.dumps([1] * 1000))[:500])
            os.kill(os.getpid(), 9)
        hello = {"op": "hello", "version": 1, "prefix": "bsc" + "f" * 13, "bascule": "0"}
        os.write(1, frame(11, call_id, etf.dumps(hello, style=3)))


if __name__ == "__main__":
    sys.exit(main())
