"""A peer on a real Unix socket that follows a script: for what a healthy service would never do to its client."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.bridge.errormaps import encode_error, error_map
from bascule.protocols import packed
from bascule.protocols.calls import decode_head
from bascule.protocols.envelope import FrameReader, Kind, encode_frame
from bascule.protocols.errors import ErrorKind
from bascule.protocols.service import Welcome, welcome

PATIENCE = 60.0  # seconds until a test that waits for something has failed


class Gone(Exception):
    """The client closed its connection."""


class Call:
    """A CALL that came."""

    def __init__(self, frame: Any) -> None:
        _kind, _codec, self.flags, self.id, _session, self.deadline, payload = frame
        self.op, self.want, _style, target, token, start = decode_head(payload)
        self.target, self.token = target.decode(), token.decode()
        arguments = packed.loads(payload[start:]) if len(payload) > start else [[]]
        self.args: list[Any] = arguments[0]
        self.kwargs: dict[str, Any] = arguments[1] if len(arguments) > 1 else {}


class Peer:
    """The service's end of one connection, greeted already."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._frames: list[Any] = []

    def frame(self) -> Any:
        """The next frame of the client."""
        while not self._frames:
            data = self.sock.recv(1 << 16)
            if not data:
                raise Gone
            self._frames = self._reader.receive_data(data)
        return self._frames.pop(0)

    def expect(self, kind: int) -> Any:
        frame = self.frame()
        assert frame[0] == kind, f"expected kind {kind}, got {frame}"
        return frame

    def call(self) -> Call:
        return Call(self.expect(Kind.CALL))

    def send(self, kind: int, call_id: int, payload: bytes = b"", *, flags: int = 0) -> None:
        self.sock.sendall(encode_frame(kind, 1, flags, call_id, 0, 0, payload))

    def reply(self, call: Call, value: Any) -> None:
        self.send(Kind.REPLY, call.id, packed.dumps(value))

    def error(self, call: Call, kind: ErrorKind, message: str) -> None:
        self.send(Kind.ERROR, call.id, encode_error(1, error_map(kind, message)))

    def greet(self) -> None:
        hello = self.expect(Kind.CONTROL)
        self.send(Kind.CONTROL, hello[3], welcome(Welcome(1, "test", ["default"])))

    def serve_sums(self) -> None:
        """Answer each call with the sum of its arguments, until the client leaves."""
        while True:
            frame = self.frame()
            if frame[0] == Kind.CALL:
                call = Call(frame)
                self.reply(call, sum(call.args))


Script = Callable[[Peer], None]


class ScriptedService:
    """Listens at a path; the n-th connection runs the n-th script, greeted first. A script's failure is the test's."""

    def __init__(self, path: Path, *scripts: Script, greets: bool = True) -> None:
        self.path = path
        self._scripts = scripts
        self._greets = greets
        self.failures: list[BaseException] = []
        self._closed = threading.Semaphore(0)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(PATIENCE)
                try:
                    peer = Peer(sock)
                    if self._greets:
                        peer.greet()
                    script(peer)
                except (Gone, ConnectionError):
                    pass
                except BaseException as failure:
                    self.failures.append(failure)
            self._closed.release()
        self._listener.close()

    def await_close(self) -> None:
        """Return once a connection has been closed from this end."""
        assert self._closed.acquire(timeout=PATIENCE)

    def finish(self) -> None:
        """Every script was followed to its end."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        assert not self._thread.is_alive(), "a script did not end"
        if self.failures:
            raise self.failures[0]
