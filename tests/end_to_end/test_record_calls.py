"""`bascule serve --record`: what clients of a service call becomes a trace, stubs and an allow-list."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

import bascule


@pytest.fixture
def recorded(tmp_path: Path, runtime_folder: Path) -> Path:
    """The trace of a service that was called in every way, and has ended."""
    trace = tmp_path / "calls.jsonl"
    socket = runtime_folder / "s.sock"
    command = [sys.executable, "-m", "bascule", "serve", "--socket", str(socket), "--workers", "1"]
    process = subprocess.Popen([*command, "--record", str(trace)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        while "listening" not in process.stderr.readline():
            assert process.poll() is None
        with bascule.connect(socket) as client:
            assert client.call("os.path:join", "a", "b") == "a/b"
            assert client.call("math:pow", 2, 16) == 65536.0
            with pytest.raises(ValueError, match="math domain"):
                client.call("math:sqrt", -1)
            assert list(client.map("math:isqrt", [1, 4])) == [1, 2]
            third = client.object("fractions:Fraction", 1, 3)
            assert third.denominator == 3
            assert str(third + third) == "2/3"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    return trace


def bascule_says(*arguments: object) -> str:
    command = [sys.executable, "-m", "bascule", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ}).stdout


def test_calls_through_a_door_become_stubs_and_an_allow_list(recorded: Path, tmp_path: Path) -> None:
    told = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert {line["location"].partition(":")[0] for line in told} == {"service"}
    by_name = {line["function"]["v"]["name"]: line for line in told if isinstance(line["function"]["v"], dict)}
    assert by_name["pow"]["returns"] == {"t": "float"}
    assert by_name["sqrt"]["raises"] == {"t": "ValueError"}
    assert by_name["join"]["target"] == "os.path:join"
    assert by_name["add"]["bound_params"]["pos_only"][0][1] == {"t": {"module": "fractions", "name": "Fraction"}}

    bascule_says("record", "--calls", recorded, "-o", tmp_path / "stubs")
    assert "def isqrt(n: int, /)" in (tmp_path / "stubs" / "math.pyi").read_text()

    suggested = tomllib.loads(bascule_says("policy", "suggest", recorded))
    assert suggested["allow"] == ["fractions:Fraction", "math:isqrt", "math:pow", "math:sqrt", "os.path:join"]
    assert suggested["objects"] is True
    whole = tomllib.loads(bascule_says("policy", "suggest", "--modules", recorded))
    assert whole["allow"] == ["fractions:*", "math:*", "os.path:*"]
