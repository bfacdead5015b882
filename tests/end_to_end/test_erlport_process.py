"""`bascule-erlport` as a process, spoken to without a node: how it starts, what it makes of bad input, when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.protocols.erlport import external
from bascule.protocols.erlport.terms import Atom

EXECUTABLE = str(Path(sys.executable).parent / "bascule-erlport")
START = [EXECUTABLE, "-u", "-m", "erlport.cli", "--packet=4", "--use_stdio", "--compressed=0", "--buffer_size=65536"]
PATIENCE = 90.0

pytestmark = pytest.mark.usefixtures("nothing_left")


class Node:
    """The other end of the port."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self._stdout = process.stdin, process.stdout

    def send(self, *elements: object) -> None:
        self.write(external.encode(tuple(elements)))

    def write(self, frame: bytes) -> None:
        self.stdin.write(len(frame).to_bytes(4, "big") + frame)

    def call(self, number: int, module: str, function: str, *arguments: object) -> None:
        self.send(Atom(b"C"), number, Atom(module.encode()), Atom(function.encode()), list(arguments))

    def read(self) -> tuple[object, ...]:
        head = self._stdout.read(4)
        assert len(head) == 4, self.end()
        frame = b""
        length = int.from_bytes(head, "big")
        while len(frame) < length:
            frame += self._stdout.read(length - len(frame))
        term, rest = external.decode(frame)
        assert rest == b""
        return term

    def end(self) -> tuple[int, str]:
        """Close the port; the exit status, and what was said to people."""
        self.stdin.close()
        self.process.stdin = None
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        assert stdout == b""
        return self.process.returncode, stderr.decode()


@contextmanager
def started(**environment: str) -> Iterator[Node]:
    process = subprocess.Popen(
        START,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **environment},
    )
    try:
        yield Node(process)
    finally:
        process.kill()
        process.communicate()


def test_it_tells_the_version_as_python_does() -> None:
    told = subprocess.run([EXECUTABLE, "-V"], capture_output=True, text=True, check=True)
    assert told.stdout == f"Python {sys.version.split()[0]}\n"


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--packet=3", "--packet=3: expected 1, 2 or 4"),
        ("--compressed=x", "--compressed=x: expected 0 to 9"),
        ("--buffer_size=0", "--buffer_size=0: expected 1 to"),
        ("--other", "unknown option --other"),
    ],
)
def test_a_wrong_option_is_named(option: str, reason: str) -> None:
    told = subprocess.run([*START, option], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (told.returncode, reason in told.stderr, "usage:" in told.stderr) == (1, True, True)


def test_a_wrong_number_of_threads_is_named() -> None:
    told = subprocess.run(
        START,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BASCULE_ERLPORT_THREADS": "none"},
    )
    assert (told.returncode, "BASCULE_ERLPORT_THREADS=none: expected a number" in told.stderr) == (1, True)


def test_rubbish_is_reported_and_harms_no_call() -> None:
    with started() as node:
        for frame in (b"garbage", b"", b"\x83", external.encode((Atom(b"X"), 1)), external.encode((Atom(b"r"), 9, 1))):
            node.write(frame)
        node.call(1, "operator", "add", 1, 2)
        assert node.read() == (Atom(b"r"), 1, 3)
        status, told = node.end()
    assert status == 0
    assert told.count("bascule-erlport: ") == 5
    assert "Erlang answers call 9, which nobody waits for" in told


def test_a_frame_beyond_the_limit_is_refused_to_its_caller() -> None:
    with started() as node:
        head = external.encode((Atom(b"C"), 7, Atom(b"m"), Atom(b"f"), []))[:-1]
        length = (1 << 28) + 1
        node.stdin.write(length.to_bytes(4, "big") + head)
        left = length - len(head)
        block = bytes(1 << 20)
        while left:
            left -= node.stdin.write(block[: min(left, len(block))])
        node.call(8, "operator", "add", 1, 2)
        kind, number, error = node.read()
        assert (kind, number) == (Atom(b"e"), 7)
        assert isinstance(error, tuple)
        assert error[1] == b"erlport.erlang.InvalidMessage"
        assert "over the limit" in error[2].to_string()
        assert node.read() == (Atom(b"r"), 8, 3)


@pytest.mark.parametrize("left", [b"", b"\x00", b"\x00\x00\x00\x10\x83h"])
def test_the_end_of_the_input_is_the_end_wherever_it_comes(left: bytes) -> None:
    with started() as node:
        node.call(1, "operator", "add", 1, 2)
        assert node.read() == (Atom(b"r"), 1, 3)
        node.stdin.write(left)
        assert node.end() == (0, "")


def test_a_thread_that_waits_for_erlang_is_told_that_the_port_is_closed(tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(
        "import pathlib\nfrom erlport import Atom, erlang\n"
        "def ask(path):\n"
        "    try:\n        erlang.call(Atom(b'erlang'), Atom(b'self'), [])\n"
        "    except Exception as error:\n        pathlib.Path(path.decode()).write_text(type(error).__name__)\n"
    )
    told = tmp_path / "told"
    with started(PYTHONPATH=str(tmp_path)) as node:
        node.call(1, "asking", "ask", str(told).encode())
        assert node.read()[0] == Atom(b"C")
        node.stdin.close()
        node.process.stdin = None
        assert node.read() == (Atom(b"r"), 1, None)
        assert node.process.wait(PATIENCE) == 0
    assert told.read_text() == "PortClosed"


def test_what_runs_may_finish_when_the_input_ends(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import atexit, pathlib, time\n"
        "def write(path):\n    print('begun')\n    time.sleep(0.2)\n"
        "    pathlib.Path(path.decode()).write_text('done')\n"
        "    atexit.register(lambda: pathlib.Path(path.decode() + '.exit').write_text('left'))\n"
    )
    done = tmp_path / "done"
    with started(PYTHONPATH=str(tmp_path)) as node:
        node.call(1, "slow", "write", str(done).encode())
        assert node.read()[0] == Atom(b"P")
        node.stdin.close()
        node.process.stdin = None
        assert node.process.wait(PATIENCE) == 0
    assert (done.read_text(), (tmp_path / "done.exit").read_text()) == ("done", "left")


def test_it_runs_in_another_interpreter(interpreters: dict[tuple[int, int], str], tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(
        "import sys\nfrom erlport import Atom, erlang\nfrom erlport.erlterms import Map\n"
        "def version():\n    return tuple(sys.version_info[:2])\n"
    )
    for version, executable in interpreters.items():
        with started(BASCULE_ERLPORT_PYTHON=executable, PYTHONPATH=str(tmp_path)) as node:
            node.call(1, "told", "version")
            assert node.read() == (Atom(b"r"), 1, version)
            assert node.end() == (0, "")


def test_an_interpreter_that_is_not_there_is_named() -> None:
    told = subprocess.run(
        START,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BASCULE_ERLPORT_PYTHON": "/nowhere/python"},
    )
    assert (told.returncode, "BASCULE_ERLPORT_PYTHON=/nowhere/python: No such file" in told.stderr) == (1, True)


def test_erlports_own_modules_on_the_path_are_not_taken(tmp_path: Path) -> None:
    package = tmp_path / "erlport"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('ErlPort has been imported')\n")
    with started(PYTHONPATH=str(tmp_path)) as node:
        node.call(1, "erlport", "Atom", b"a")
        assert node.read() == (Atom(b"r"), 1, Atom(b"a"))


def test_a_node_that_is_gone_while_much_is_printed_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text("def talk():\n    while True:\n        print('x' * 1000)\n")
    with started(PYTHONPATH=str(tmp_path)) as node:
        node.call(1, "talking", "talk")
        assert node.read()[0] == Atom(b"P")
        node.stdin.close()
        assert node.process.stdout is not None
        node.process.stdout.close()
        assert node.process.wait(PATIENCE) == 0
        node.process.stdin = node.process.stdout = None
