"""A service that is described by a file, and the operator's commands on it."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from running_service import READY_WITHIN, Service

from bascule.bridge.cli.main import main

SERVED = Path(__file__).resolve().parent


class Done(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


class Configured(Service):
    """`bascule serve --config`."""

    def __init__(self, folder: Path, text: str, *options: str) -> None:
        self.file = folder / "bascule.toml"
        self.write(text)
        super().__init__(folder, "--config", str(self.file), *options)
        eventually(lambda: "listening on" in self.log())

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def command(self, *words: str) -> Done:
        """One of the operator's commands, run in this process: a fresh one takes long to start."""
        name, *rest = words
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([name, "--socket", str(self.socket), *rest])
        return Done(status, out.getvalue(), err.getvalue())

    def told(self, *words: str) -> Any:
        """What a command prints as JSON."""
        name, *rest = words
        done = self.command(name, "--json", *rest)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextlib.contextmanager
def configured(text: str) -> Iterator[Configured]:
    """A service in a folder of its own, whose name is short since sockets are below it."""
    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:
        service = Configured(Path(folder), text)
        try:
            yield service
        finally:
            service.stop()


def pool(**keys: Any) -> str:
    """A table `[pools.default]`."""
    from bascule.bridge.config_words import as_toml

    keys = {"size": 2, "paths": [str(SERVED)], **keys}
    return "[pools.default]\n" + "".join(f"{name} = {as_toml(value)}\n" for name, value in keys.items())


def eventually(what: Callable[[], Any]) -> Any:
    """Wait until it is true; what it is then."""
    deadline = time.monotonic() + READY_WITHIN
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found
