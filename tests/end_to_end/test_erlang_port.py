"""`bascule port` as an Erlang node sees it, spoken to without one: when it starts, what it says, when it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bascule.protocols import calls, etf
from bascule.protocols.envelope import REST, REST_SIZE, Codec, Kind
from bascule.protocols.framing import PacketReader, encode_packet

PATIENCE = 90.0
ETF = int(Codec.ETF)


class Node:
    """The other end of the port."""

    def __init__(self, process: subprocess.Popen[bytes], packet: int) -> None:
        self.process = process
        self._packet = packet
        self._reader = PacketReader(packet)
        self._frames: list[bytes] = []
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self._stdout = process.stdin, process.stdout

    def write(self, kind: int, call_id: int, payload: bytes, *, codec: int = ETF, flags: int = 0) -> None:
        self.stdin.write(b"".join(encode_packet(self._packet, REST.pack(kind, codec, flags, call_id, 0, 0), payload)))

    def call(self, call_id: int, target: str, *args: object, op: int = calls.Op.CALL) -> None:
        arguments = etf.dumps([list(args)], style=int(calls.Style.STR_AS_BINARY))
        self.write(Kind.CALL, call_id, calls.encode_call(op, target, arguments))

    def read(self) -> tuple[int, int, object]:
        """Kind, call id and payload of the next frame."""
        while not self._frames:
            data = self._stdout.read(65536)
            assert data, f"the port program ended: {self.end()}"
            self._frames += self._reader.receive_data(data)
        frame = self._frames.pop(0)
        kind, codec, _flags, call_id, session, _deadline = REST.unpack_from(frame)
        assert (codec, session) == (ETF, 0)
        payload = frame[REST_SIZE:]
        return kind, call_id, payload if kind == Kind.OUTPUT else etf.loads(payload)

    def close(self) -> None:
        """As the node closes its port."""
        self.stdin.close()
        self.process.stdin = None

    def end(self) -> tuple[int, str]:
        """Exit status and what was said to people."""
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        assert stdout == b""
        return self.process.returncode, stderr.decode()


@contextmanager
def started(*options: str, packet: int = 4) -> Iterator[Node]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bascule", "port", "--packet", str(packet), "--workers", "1", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    try:
        yield Node(process, packet)
    finally:
        process.kill()
        process.communicate()


pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("packet", [1, 2, 4])
def test_a_call_is_answered_in_the_same_packet_size(packet: int) -> None:
    with started(packet=packet) as node:
        node.call(7, "math:pow", 2, 16)
        assert node.read() == (Kind.REPLY, 7, 65536.0)
        node.close()
        assert node.end() == (0, "")


def test_a_hello_is_answered_with_what_runs_here() -> None:
    with started() as node:
        node.write(Kind.CONTROL, 1, etf.dumps({"op": "hello", "version": 1}, style=3))
        kind, call_id, answer = node.read()
        assert (kind, call_id) == (Kind.CONTROL, 1)
        assert isinstance(answer, dict)
        assert (answer["op"], answer["version"], answer["pools"]) == ("hello", 1, ["default"])
        assert isinstance(answer["bascule"], str)


def test_goodbye_ends_it() -> None:
    with started() as node:
        node.write(Kind.CONTROL, 1, etf.dumps({"op": "bye"}, style=3))
        assert node.end() == (0, "")


@pytest.mark.parametrize("moment", range(0, 40, 4))
def test_a_port_that_is_closed_while_the_bridge_starts_leaves_nothing(moment: int) -> None:
    with started() as node:
        try:
            node.process.wait(moment / 100)
        except subprocess.TimeoutExpired:
            node.close()
        assert node.end() == (0, "")


def test_a_frame_that_no_node_says_ends_it_and_is_named() -> None:
    with started() as node:
        node.stdin.write(b"\0\0\0\5hello")
        status, told = node.end()
        assert status == 1
        assert "a frame of 5 bytes is shorter than its header" in told


def test_a_length_beyond_the_limit_ends_it_before_anything_is_kept() -> None:
    with started() as node:
        node.stdin.write(b"\x7f\xff\xff\xff")
        status, told = node.end()
        assert status == 1
        assert "over the limit" in told


def test_arguments_that_are_no_term_are_refused_and_the_next_call_works() -> None:
    with started() as node:
        node.write(Kind.CALL, 1, calls.encode_call(calls.Op.CALL, "math:pow", b"\x83\xff"))
        kind, call_id, error = node.read()
        assert (kind, call_id) == (Kind.ERROR, 1)
        assert isinstance(error, dict)
        assert error["kind"] == "bad_arguments"
        node.call(2, "math:pow", 2, 16)
        assert node.read() == (Kind.REPLY, 2, 65536.0)


def test_what_user_code_prints_is_a_frame_before_its_answer() -> None:
    with started() as node:
        node.call(1, "print", "größe", op=calls.Op.BUILTIN)
        assert node.read() == (Kind.OUTPUT, 1, "größe\n".encode())
        assert node.read() == (Kind.REPLY, 1, None)
        node.call(2, "os:system", "echo from a child")
        assert node.read() == (Kind.OUTPUT, 2, b"from a child\n")
        assert node.read() == (Kind.REPLY, 2, 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--python", "/no/such/python"], "/no/such/python"),
        (["--workers", "0"], "less than 1"),
        (["--no-such-option"], "--no-such-option"),
        (["--scheduler", "nonsense"], "nonsense"),
        (["--cache", "/no/such/bascule.toml"], "/no/such/bascule.toml: No such file"),
    ],
)
def test_wrong_options_are_named(options: list[str], told: str) -> None:
    with started(*options) as node:
        status, said = node.end()
        assert status == 2
        assert told in said


def test_the_command_imports_nothing_heavy_before_it_serves() -> None:
    heavy = {"trio", "pydantic", "rich", "asyncio", "inspect", "typing", "dataclasses"}
    code = f"import sys, bascule.bridge.cli.port; print(sorted({heavy!r} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
