"""Bascule's processes, ready to be measured: a port on two pipes, a pod, a service with a connected client."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import REST, Codec, Kind
from benchmarks.pipes import Piped, packet

ROOT = Path(__file__).resolve().parent.parent
F = "benchmarks.subject:f"
ECHO = "benchmarks.subject:echo"

# [[1, 2]] as Erlang's term_to_binary writes it: the arguments 1 and 2.
_ONE_AND_TWO = b"\x83l\x00\x00\x00\x01k\x00\x02\x01\x02j"


def executable() -> str:
    """The `bascule` command of this environment."""
    beside = Path(sys.executable).parent / "bascule"
    found = str(beside) if beside.exists() else shutil.which("bascule")
    if found is None:
        raise FileNotFoundError("the command `bascule` is not installed beside this Python: run `make bench`")
    return found


def python_path() -> str:
    """PYTHONPATH for processes that import the benchmarks: what was set comes first, the compiled Bascule perhaps."""
    return os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))


def port(workers: int = 1) -> Piped:
    """`bascule port`, once its first call is answered."""
    piped = Piped([executable(), "port", "--packet", "4", "--workers", str(workers), "--path", str(ROOT)])
    for number in range(workers * 8):
        piped.round_trip(call_frame(number + 1))
    return piped


def call_frame(call_id: int) -> bytes:
    """A port's frame: f(1, 2), in ETF."""
    return packet(REST.pack(Kind.CALL, Codec.ETF, 0, call_id, 0, 0) + encode_call(Op.CALL, F, _ONE_AND_TWO))


def elsewhere(function: Callable[..., None], *arguments: str) -> list[str]:
    """The command that runs a function of the benchmarks in a process of its own."""
    code = f"import sys; from {function.__module__} import {function.__name__} as run; run(*sys.argv[1:])"
    return [sys.executable, "-c", code, *arguments]


@contextmanager
def service(
    workers: int = 2, *, warm: bool = True, config: Path | None = None
) -> Iterator[tuple[Any, subprocess.Popen[bytes]]]:
    """`bascule serve` and a connected blocking client; warm: once its workers have answered calls.

    A configuration file tells the pools itself.
    """
    import bascule

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "bascule.sock"
        command = [executable(), "serve", "--socket", str(path)]
        command += ["--workers", str(workers), "--path", str(ROOT)] if config is None else ["--config", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while not _listens(path):
                if process.poll() is not None:
                    raise RuntimeError(f"bascule serve ended with status {process.returncode}")
                time.sleep(0.01)
            with bascule.connect(str(path)) as client:
                for pending in [client.submit(F, 1, 2) for _ in range(workers * 64 if warm else 0)]:
                    pending.result()
                yield client, process
        finally:
            process.terminate()
            process.wait()


def _listens(path: Path) -> bool:
    """Whether somebody does there: the file is there a little sooner."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def workers(client: Any) -> list[int]:
    """The pids of the service's workers, spares included, once all are ready."""
    while True:
        found = client.status()["workers"]
        if all(worker["state"] != "starting" for worker in found):
            return [worker["pid"] for worker in found]
        time.sleep(0.01)


def memory(pid: int, field: str) -> int:
    """A line of /proc/PID/status that is in kB (VmRSS, VmHWM), in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)
