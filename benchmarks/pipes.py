"""The raw client of a process that speaks {packet, 4} frames on its standard input and output, and any such process.

It does as little as a client can (one write, one read, a look at the length), so that what is measured is the process.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from typing import Self

_LENGTH = struct.Struct(">I")
_CHUNK = 65536


class Process:
    """A child process with a pipe each way; a context manager that ends it."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=env)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.write_fd = self.process.stdin.fileno()
        self.read_fd = self.process.stdout.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Piped(Process):
    """One that speaks {packet, 4} frames."""

    def round_trip(self, frame: bytes) -> bytes:
        """Send a small frame, wait for the whole answer."""
        os.write(self.write_fd, frame)
        answer = os.read(self.read_fd, _CHUNK)
        while len(answer) < 4 or len(answer) < 4 + _LENGTH.unpack_from(answer)[0]:
            answer += self._read()
        return answer

    def pipelined(self, frames: Sequence[bytes], window: int) -> None:
        """Send all frames, at most `window` unanswered at any time, and wait for as many answers."""
        sent = min(window, len(frames))
        os.write(self.write_fd, b"".join(frames[:sent]))
        answered = 0
        rest = b""
        unpack = _LENGTH.unpack_from
        while answered < len(frames):
            data = rest + self._read()
            position, end, whole = 0, len(data), 0
            while end - position >= 4:
                stop = position + 4 + unpack(data, position)[0]
                if stop > end:
                    break
                position = stop
                whole += 1
            rest = data[position:]
            answered += whole
            if whole and sent < len(frames):
                more = frames[sent : sent + whole]
                sent += len(more)
                os.write(self.write_fd, b"".join(more))

    def _read(self) -> bytes:
        data = os.read(self.read_fd, _CHUNK)
        if not data:
            raise EOFError(f"{self.process.args!r} closed its output")
        return data


def packet(body: bytes) -> bytes:
    """A frame of {packet, 4}."""
    return _LENGTH.pack(len(body)) + body
