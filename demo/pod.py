"""A babashka pod's client, as a Clojure program would be: bencode over the pod's standard input and output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import bcoding

from demo.stage import Stage


class PodClient:
    """A running pod. A context manager: at its end the pod is told to shut down."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ids = 0

    def __enter__(self) -> PodClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send({"op": "shutdown", "id": "bye"})
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.communicate()

    def describe(self) -> dict[str, Any]:
        """What the pod offers."""
        self._send({"op": "describe"})
        return self._receive()

    def invoke(self, var: str, *arguments: object) -> tuple[Any, str]:
        """Call a var: its value, and what it printed meanwhile.

        Raises:
            RuntimeError: The pod answered with an error.
        """
        self._ids += 1
        self._send({"op": "invoke", "id": str(self._ids), "var": var, "args": json.dumps(arguments)})
        value, printed = None, ""
        while True:
            message = self._receive()
            printed += message.get("out", "")
            if "value" in message:
                value = json.loads(message["value"])
            if "error" in message.get("status", ()):
                raise RuntimeError(message["ex-message"])
            if "done" in message.get("status", ()):
                return value, printed

    def wait(self) -> int:
        """The exit status, once it left."""
        return self._process.wait(10)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(bcoding.bencode(message))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        message: dict[str, Any] = bcoding.bdecode(self._process.stdout)
        return message


def play(stage: Stage, bascule: str) -> None:
    """Speak with a real `bascule pod`."""
    with PodClient([bascule, "pod", "--workers", "2", "statistics", "textwrap"]) as pod:
        description = pod.describe()
        names = [namespace["name"] for namespace in description["namespaces"]]
        stage.check(
            "describe", ", ".join(names), {"statistics", "textwrap", "py"} <= set(names), "namespaces are missing"
        )
        stage.expect("(statistics/mean [1 2 3 6])", pod.invoke("statistics/mean", [1, 2, 3, 6])[0], 3)
        stage.expect(
            '(textwrap/shorten "..." 12)', pod.invoke("textwrap/shorten", "Hello  wide world", 12)[0], "Hello [...]"
        )
        third, sixth = (pod.invoke("py/init", "fractions:Fraction", 1, below)[0] for below in (3, 6))
        stage.check('(py/init "fractions:Fraction" 1 3)', str(third), "py/handle" in third, "a handle was expected")
        half = pod.invoke("py/op", "add", third, sixth)[0]
        stage.expect('(py/str (py/op "add" third sixth))', pod.invoke("py/str", half)[0], "1/2")
        stage.expect(
            '(py/call "builtins:print" "hello")', pod.invoke("py/call", "builtins:print", "hello"), (None, "hello")
        )
    stage.expect("the pod's exit status after shutdown", pod.wait(), 0)
