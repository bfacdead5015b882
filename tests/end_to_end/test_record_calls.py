"""`--record`: what clients call through any door becomes a trace, stubs and an allow-list."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tomllib
from pod_client import PodClient
from test_erlang_port import started as started_port
from test_erlport_process import started as started_erlport
from test_http import Web
from test_http import call as json_rpc

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
            assert client.call("asyncio:sleep", 0, "slept") == "slept"
            assert client.reduce("math:gcd", [12, -18], each="operator:neg") == 6
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
    assert (by_name["sleep"]["returns"], by_name["sleep"]["awaited"]) == ({"t": "coroutine"}, {"t": "str"})
    assert by_name["join"]["target"] == "os.path:join"
    assert by_name["add"]["bound_params"]["pos_only"][0][1] == {"t": {"module": "fractions", "name": "Fraction"}}

    bascule_says("record", "--calls", recorded, "-o", tmp_path / "stubs")
    assert "def isqrt(n: int, /)" in (tmp_path / "stubs" / "math.pyi").read_text()

    suggested = tomllib.loads(bascule_says("policy", "suggest", recorded))
    named = ["asyncio:sleep", "fractions:Fraction"]
    named += ["math:gcd", "math:isqrt", "math:pow", "math:sqrt", "operator:neg", "os.path:join"]
    assert suggested["allow"] == named
    assert suggested["objects"] is True
    whole = tomllib.loads(bascule_says("policy", "suggest", "--modules", recorded))
    assert whole["allow"] == ["asyncio:*", "fractions:*", "math:*", "operator:*", "os.path:*"]


# The same three uses through every door. What a client is called is the second half of the place.


def _pod(folder: Path, payload: str) -> str:
    trace = folder / "calls.jsonl"
    with PodClient("fractions", "math", "--record", str(trace), payload=payload) as pod:
        assert pod.invoke("math/pow", 2, 16) == 65536.0
        assert pod.invoke("py/str", pod.invoke("fractions/Fraction", 1, 3)) == "1/3"
        with pytest.raises(Exception, match="math domain"):
            pod.invoke("math/sqrt", -1)
    return "pod:stdio"


def _attached_pod(folder: Path, payload: str) -> str:
    from running_service import Service

    service = Service(folder, "--record", str(folder / "calls.jsonl"))
    try:
        command = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket), "fractions", "math"]
        with PodClient(command=[*command, "--format", payload], describe=False) as pod:
            pod.payload = payload
            pod.description = pod.describe()
            assert pod.invoke("math/pow", 2, 16) == 65536.0
            assert pod.invoke("py/str", pod.invoke("fractions/Fraction", 1, 3)) == "1/3"
            with pytest.raises(Exception, match="math domain"):
                pod.invoke("math/sqrt", -1)
    finally:
        service.stop()
    return "pod:"


def _http(folder: Path) -> str:
    web = Web(folder, more="", options=("--record", str(folder / "calls.jsonl")))
    try:
        assert web.rpc(json_rpc("math:pow", 2, 16))["result"] == 65536.0
        assert web.rpc(json_rpc("fractions:Fraction", 1, 3))["result"] == "1/3"
        assert "math domain" in json.dumps(web.rpc(json_rpc("math:sqrt", -1)))
    finally:
        web.service.stop()
    return "http"


def _port(folder: Path) -> str:
    with started_port("--record", str(folder / "calls.jsonl")) as node:
        for number, (target, *arguments) in enumerate(
            [("math:pow", 2, 16), ("fractions:Fraction", 1, 3), ("math:sqrt", -1)], 1
        ):
            node.call(number, target, *arguments)
            assert node.read()[1] == number
        node.close()
        assert node.end()[0] == 0
    return "port:stdio"


def _erlport(folder: Path) -> str:
    with started_erlport(BASCULE_ERLPORT_RECORD=str(folder / "calls.jsonl")) as node:
        for number, (module, name, *arguments) in enumerate(
            [("math", "pow", 2, 16), ("fractions", "Fraction", 1, 3), ("math", "sqrt", -1)], 1
        ):
            node.call(number, module, name, *arguments)
            assert node.read()[1] == number
        assert node.end() == (0, "")
    return "erlport:erlang"


DOORS: dict[str, Callable[[Path], str]] = {
    "pod, json": lambda folder: _pod(folder, "json"),
    "pod, edn": lambda folder: _pod(folder, "edn"),
    "pod, transit": lambda folder: _pod(folder, "transit+json"),
    "pod of a service": lambda folder: _attached_pod(folder, "edn"),
    "http": _http,
    "port": _port,
    "erlport": _erlport,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_tells_the_same(door: str, runtime_folder: Path, tmp_path: Path, nothing_left: None) -> None:
    trace = tmp_path / "calls.jsonl"
    place = DOORS[door](tmp_path)
    told = [json.loads(line) for line in trace.read_text().splitlines()]
    assert {line["location"][: len(place)] for line in told} == {place}
    by_target = {line["target"]: line for line in told if "target" in line}
    assert by_target["math:pow"]["bound_params"]["pos_only"] == [["x", {"t": "int"}], ["y", {"t": "int"}]]
    assert by_target["math:pow"]["returns"] == {"t": "float"}
    assert by_target["math:sqrt"]["raises"] == {"t": "ValueError"}
    assert by_target["fractions:Fraction"]["function"]["v"] == {"module": "fractions", "name": "Fraction"}

    steps = [
        ("counts", trace, "-o", tmp_path / "grouped.jsonl"),
        ("infer", tmp_path / "grouped.jsonl", "--label", "nodes", "-o", tmp_path / "one.json"),
        ("combine", tmp_path / "one.json", tmp_path / "one.json", "-o", tmp_path / "api.json"),
        ("write", tmp_path / "api.json", "-o", tmp_path / "stubs"),
    ]
    for step in steps:
        bascule_says("record", *step)
    assert "usage.nodes: 1" in (tmp_path / "stubs" / "math.pyi").read_text()
    suggested = tomllib.loads(bascule_says("policy", "suggest", trace))
    assert set(suggested["allow"]) >= {"fractions:Fraction", "math:pow", "math:sqrt"}


@pytest.mark.parametrize("command", ["pod", "port"])
def test_a_trace_that_cannot_be_written_is_told_before_anything_starts(command: str, nothing_left: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bascule", command, "--record", "/nowhere/calls.jsonl"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"bascule {command}: --record: /nowhere/calls.jsonl: No such file or directory" in done.stderr
