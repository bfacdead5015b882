"""What would kill or hang a pod's client for good is never sent, whatever Python does.

`PodClient` dies where a real client does: of a message without an id or of an id that nobody waits for, of a status
that is no list, of a value or ex-data that can't be read, of ex-data that is no map, of bytes that are no bencode.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from configured import eventually
from pod_client import PodClient, PodError

pytestmark = pytest.mark.usefixtures("nothing_left")

DEADLY = """
import atexit, ctypes, os, subprocess, sys, threading, warnings
print("while importing")
os.write(1, b"d3:fooi1ee")
atexit.register(print, "at exit")

def quiet(): return 1
def prints(): print("d2:id1:x6:statusl4:doneee"); sys.stdout.flush()
def writes(): os.write(1, b"d6:status4:donee")
def raw_stdout(): sys.__stdout__.write("i1e"); sys.__stdout__.flush()
def from_c(): ctypes.CDLL(None).puts(b"from C"); ctypes.CDLL(None).fflush(None)
def child(): subprocess.run(["sh", "-c", "echo out; echo err >&2"], check=True)
def later(): threading.Thread(target=print, args=("from a thread",)).start()
def warns(): warnings.warn("careful")
def forks():
    pid = os.fork()
    if pid == 0:
        print("in a child")
        return 2
    os.waitpid(pid, 0)
    return 1

class Odd(Exception):
    def __str__(self): raise RuntimeError("no")
def raises_odd(): raise Odd
def raises_bytes(): raise ValueError(b"\\xff\\0", "\\ud800", float("nan"), {1: {2}}, object())
def raises_deep():
    error = None
    for number in range(200):
        try:
            raise ValueError(number) from error
        except ValueError as caught:
            error = caught
    raise error
def raises_long(): raise ValueError("x" * 2_000_000)
def raises_group(): raise BaseException("base")
def exits(): sys.exit("bye")
def interrupts(): raise KeyboardInterrupt
def recursion(): return recursion()
def closes(): os.close(1); os.close(2)

def circle():
    found = []
    found.append(found)
    return found
def nan(): return [float("nan"), float("inf")]
def surrogate(): return "\\ud800"
def alike(): return {float("nan"), float("-nan") + 0.0}
def odd_keys(): return {(1, 2): 1, None: 2, b"x": 3, "py/handle": 4}
def looks_like_a_tag(): return {"py/handle": "x"}
def huge(): return 10 ** 5000
def generator(): yield 1
def everything(): return [object(), print, int, ..., range(3), 1j, b"x", {1}, memoryview(b"x")]
"""
FUNCTIONS = [node.name for node in ast.parse(DEADLY).body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("payload", ["json", "edn", "transit+json"])
def test_nothing_that_python_does_kills_the_client(tmp_path: Path, payload: str) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    with PodClient("deadly", cwd=tmp_path, payload=payload) as pod:
        answered = 0
        for name in FUNCTIONS:
            try:
                pod.invoke(f"deadly/{name.replace('_', '-')}")
            except PodError as error:
                assert error.data["kind"]
            answered += 1
            assert pod.invoke("deadly/quiet") == 1, f"after {name}"
        for bad in (b"d2:op6:invokee", b"d2:idi7e2:op4:nopee", b"d2:id1:x2:op7:load-ns2:ns4:nonee", b"de"):
            pod._open |= {7, "x"}  # what is answered to them is expected
            pod.write(bad)
        assert pod.invoke("deadly/quiet") == 1
        assert answered == len(FUNCTIONS)


def heeds_signals(pid: int) -> bool:
    """Whether SIGTERM has no longer its usual effect on a process that has just been started."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pod_that_is_told_to_end_while_it_starts_answers_what_it_was_asked(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A client that remembers the description calls at once, and waits without end for what is never answered."""
    (tmp_path / "slow.py").write_text("import time; time.sleep(600)\n")
    with PodClient("slow", cwd=tmp_path, describe=False) as pod:
        calls = [pod.start("slow/f"), pod.start("slow/import-error"), pod.start("py/call", "time:sleep", 600)]
        required = pod.send("load-ns", ns="slow")
        eventually(lambda: heeds_signals(pod.process.pid))
        pod.process.send_signal(number)
        for id in calls:
            with pytest.raises(PodError):
                list(pod.messages(id))
        assert next(pod.messages(required))["name"] == "slow"
        with pytest.raises(EOFError):
            pod.receive()
        assert pod.process.wait(60) == 0


def test_a_pod_that_is_told_to_end_before_its_client_connects_takes_its_file_along(tmp_path: Path) -> None:
    env = {**os.environ, "BABASHKA_POD_TRANSPORT": "socket"}
    process = subprocess.Popen([sys.executable, "-m", "bascule", "pod"], cwd=tmp_path, env=env)
    eventually(lambda: list(tmp_path.glob(".babashka-pod-*.port")))
    process.terminate()
    assert process.wait(60) == 0
    assert not list(tmp_path.iterdir())
