"""A pod's client for the tests: it speaks the protocol as babashka's does, and forgives nothing.

Every message must be a dict with an id that is awaited, its status a list, its ex-data a JSON map: what would kill or
hang a real client raises here. `invoke` is the usual blocking call; `send` and `messages` are for all else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcoding

from bascule.protocols import edn, transit
from bascule.protocols.bencode import Framer
from bascule.protocols.clojure import Keyword

PATIENCE = 60.0  # seconds after which a test fails rather than hangs


class PodError(Exception):
    """What a call raised: the message, and ex-data as a map."""

    def __init__(self, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.data = data


class PodClient:
    """One `bascule pod` process and the conversation with it."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        describe: bool = True,
        command: Any = None,
        payload: str = "json",
        env: dict[str, str] | None = None,
    ) -> None:
        self.payload = payload
        if payload != "json":
            arguments = ("--format", payload, *arguments)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "bascule", "pod", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            cwd=cwd,
            env={**os.environ, **(env or {}), "BABASHKA_POD": "true"},
        )
        self._framer = Framer()
        self._frames: deque[bytes] = deque()
        self._arrived: dict[Any, deque[dict[str, Any]]] = {}  # by id
        self._ids = 0
        self._open: set[Any] = set()
        self.printed: list[tuple[str, str]] = []  # ("out" | "err", text) of blocking calls
        self.description: dict[str, Any] = {}
        if describe:
            self.description = self.describe()

    def __enter__(self) -> PodClient:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                with contextlib.suppress(OSError, ValueError):  # its input may be closed already
                    self.send("shutdown")
                with contextlib.suppress(EOFError):
                    while True:  # a client reads on until the end
                        self.receive()
                self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self.close()

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def stderr(self) -> str:
        """What the pod has said to people so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def send(self, op: str, **fields: Any) -> Any:
        """A request; its id."""
        if "id" not in fields:
            self._ids += 1
            fields["id"] = f"id-{self._ids}"
        self._open.add(fields["id"])
        self.write(bcoding.bencode({"op": op, **fields}))
        return fields["id"]

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:  # an unbuffered pipe may take a part
            view = view[self.process.stdin.write(view) :]

    def describe(self) -> dict[str, Any]:
        """The description, which must be the very next message."""
        id = self.send("describe")
        message = self.receive()
        assert message["id"] == id
        assert message["format"] == self.payload
        assert all(isinstance(each["name"], str) for each in message["namespaces"])
        self._open.discard(id)
        return message

    def vars(self, namespace: str) -> dict[str, dict[str, str]]:
        """The vars of a namespace, by name."""
        (found,) = [each for each in self.description["namespaces"] if each["name"] == namespace]
        return {each["name"]: each for each in found["vars"]}

    def start(self, var: str, *args: Any, **keywords: Any) -> Any:
        """Begin a call; its id."""
        return self.send("invoke", var=var, args=self.encode(args, keywords))

    def encode(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> str | bytes:
        """Arguments as clients write them: Clojure's are lists, or nil when there are none."""
        if self.payload == "json":
            given = [*args, {"py/kwargs": keywords}] if keywords else list(args)
            return json.dumps(given) if given else "null"
        pairs = [part for name, value in keywords.items() for part in (Keyword(name.replace("_", "-")), value)]
        if self.payload == "edn":
            return b"(%b)" % edn.dumps([*args, *pairs])[1:-1] if args or pairs else "nil"
        given = [*args, *pairs]
        # In one document: the list's tag takes the first number of its cache.
        return transit_list(given) if given else '["~#\'",null]'

    def decode(self, text: str) -> Any:
        """A payload."""
        if self.payload == "json":
            return json.loads(text)
        return (edn if self.payload == "edn" else transit).loads(text.encode())

    def invoke(self, var: str, *args: Any, **keywords: Any) -> Any:
        """Call and wait.

        Raises:
            PodError: The call ended with an error.
        """
        return self.result(self.start(var, *args, **keywords))

    def result(self, id: Any) -> Any:
        """The one value of a call; what it printed goes to `printed`."""
        values = [self.decode(each["value"]) for each in self.messages(id) if "value" in each]
        assert len(values) == 1
        return values[0]

    def messages(self, id: Any) -> Iterator[dict[str, Any]]:
        """The messages with this id until its last one.

        Raises:
            PodError: The last one is an error.
        """
        while True:
            arrived = self._arrived.setdefault(id, deque())
            if not arrived:
                other = self._checked(self.receive())
                self._arrived.setdefault(other["id"], deque()).append(other)
                continue
            message = arrived.popleft()
            self.printed += [(stream, message[stream]) for stream in ("out", "err") if stream in message]
            status = message.get("status", [])
            if "error" in status:
                raise PodError(message["ex-message"], self.decode(message["ex-data"]))
            yield message
            if "done" in status:
                return

    def receive(self) -> dict[str, Any]:
        """The next message, whatever it is.

        Raises:
            EOFError: The pod closed its output.
        """
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while not self._frames:
            fd = self.process.stdout.fileno()
            if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no message within {PATIENCE} s; the pod said: {self.stderr}")
            data = os.read(fd, 1 << 16)
            if not data:
                assert self._framer.pending == 0, "the output ends within a message"
                raise EOFError(self.stderr)
            self._frames.extend(self._framer.receive_data(data))
        message = bcoding.bdecode(self._frames.popleft())
        assert isinstance(message, dict)
        return message

    def _checked(self, message: dict[str, Any]) -> dict[str, Any]:
        """What a real client does with a message that is no description; it would end where this fails."""
        assert "id" in message, message
        assert message["id"] in self._open, f"nobody waits for {message}"
        status = message.get("status", [])
        assert isinstance(status, list)
        if "value" in message:
            self.decode(message["value"])
            assert message["value"].isascii()
        if "error" in status:
            assert "done" in status
            assert isinstance(self.decode(message["ex-data"]), dict)
            assert isinstance(message["ex-message"], str)
        if "done" in status:
            self._open.discard(message["id"])
        return message


def transit_list(elements: list[Any]) -> bytes:
    """What transit writers make of a Clojure list, in which `~#list` is the first thing to be remembered."""
    plain = transit.dumps([Keyword("list"), *elements])  # as long a text in its place takes the same number
    assert plain.startswith(b'["~:list",') or plain == b'["~:list"]'
    return b'["~#list",[%b]]' % plain[len(b'["~:list",') : -1]


def error_of(client: PodClient, var: str, *args: Any) -> PodError:
    """What a call of a pod with `my_mod` fails with; the pod goes on."""
    try:
        given = client.invoke(var, *args)
    except PodError as error:
        assert client.invoke("my-mod/add", 1) == 3, "the next call works"
        return error
    raise AssertionError(f"{var} did not fail, it gave {given!r}")
