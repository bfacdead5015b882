"""An allow-list means what it says through every door that has one: no helper of ours calls what is not on it."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from configured import Configured, pool
from pod_client import PodClient, PodError
from test_http import Web, call, many

import bascule
from bascule.bridge.cli.main import main
from bascule.bridge.errors import BadArguments, Denied

ALLOW = 'allow = ["operator:add", "operator:neg", "math:pi", "builtins:abs"]\n'
TOKEN = secrets.token_urlsafe(32)
WRONG = "os:getpid"


@pytest.fixture(scope="module")
def limited() -> Iterator[Path]:
    """The socket of a listener with an allow-list."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:
        socket = Path(folder) / "x.sock"
        service = Configured(Path(folder), pool() + f'[listeners.x]\nunix = "{socket}"\n{ALLOW}')
        try:
            yield socket
        finally:
            service.stop()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.reduce(WRONG, [1, 2]),
        lambda client: client.reduce("operator:add", [1, 2], each=WRONG),
        lambda client: list(client.map(WRONG, [1])),
        lambda client: list(client.scatter(WRONG, [1])),
        lambda client: client.everywhere(WRONG),
        lambda client: client.submit(WRONG).result(),
        lambda client: client.call(WRONG, timeout=5),
        lambda client: list(client.stream(WRONG)),
        lambda client: client.const("math:pi", "fractions:Fraction"),
        lambda client: client.call("bascule.workers.folding:fold", [1, 2], "operator:add"),
        lambda client: client.call("fold(pickle:loads)", [b"."]),
    ],
)
def test_a_client_gets_nothing_done_that_is_not_on_the_list(limited: Path, ask: Callable[[Any], Any]) -> None:
    with bascule.connect(str(limited)) as client, pytest.raises(Denied):
        ask(client)


def test_a_client_gets_all_done_that_is_on_the_list(limited: Path) -> None:
    with bascule.connect(str(limited)) as client:
        assert client.reduce("operator:add", range(1000), each="operator:neg", chunk=7) == -499_500
        assert list(client.map("operator:neg", [1, 2])) == [-1, -2]
        assert client.everywhere("builtins:abs", -1) == [1, 1]
        assert client.const("math:pi", "int") == 3
        part = client.call("fold_part(operator:add)", [1, 2])
        assert client.call("finish_parts(operator:add)", [part, part]) == 6
        with pytest.raises(BadArguments, match="not made by a worker"):
            client.call("finish_parts(operator:add)", [b"cos\nsystem\n(S'true'\ntR." + part[-32:]])


def test_the_shell_says_what_is_not_on_the_list(limited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shell(*words: str) -> tuple[int, str, str]:
        status = main([words[0], "--socket", str(limited), *words[1:]])
        told = capsys.readouterr()
        return status, told.out, told.err

    assert shell("map", "operator:neg", "--reduce", "operator:add", "1", "2") == (0, "-3\n", "")
    for words in (
        ("map", WRONG, "--reduce", "operator:add", "1", "2"),
        ("map", "operator:neg", "--reduce", WRONG, "1", "2"),
        ("map", WRONG, "1"),
        ("call", "--everywhere", WRONG),
    ):
        status, out, err = shell(*words)
        assert (status, out, "does not allow os:getpid" in err) == (1, "", True), err


@pytest.mark.parametrize("payload", ["json", "edn", "transit+json"])
def test_a_pod_gets_done_what_is_on_the_list_and_nothing_else(limited: Path, payload: str) -> None:
    command = [sys.executable, "-m", "bascule", "pod", "--attach", str(limited), "--format", payload]
    with PodClient(command=command, payload=payload) as pod:
        assert pod.invoke("py/reduce", "operator:add", list(range(100)), {"each": "operator:neg", "chunk": 3}) == -4950
        assert pod.invoke("py/scatter", "operator:neg", [1, 2], {"progress": False}) == [-1, -2]
        assert pod.invoke("py/everywhere", "builtins:abs", [-1]) == [1, 1]
        assert pod.invoke("py/const", "math:pi", "int") == 3
        run = pod.invoke("py/-results", WRONG)
        for name, *args in (
            ("py/reduce", WRONG, [1, 2]),
            ("py/reduce", "operator:add", [1, 2], {"each": WRONG}),
            ("py/reduce", "operator:add", [1, 2, 3], {"each": WRONG, "chunk": 2}),
            ("py/scatter", WRONG, [1]),
            ("py/pmap", WRONG, [1]),
            ("py/everywhere", WRONG),
            ("py/map", WRONG, [[1]]),
            ("py/within", 5, WRONG),
            ("py/fresh", WRONG),
            ("py/-calling", WRONG),
            ("py/-keyed", "k", "py/call", WRONG),
            ("py/-exchange", run, [1], True),
            ("py/const", "math:pi", "fractions:Fraction"),
        ):
            with pytest.raises(PodError) as caught:
                pod.invoke(name, *args)
            assert caught.value.data["kind"] == "denied", (name, args)


def test_http_gets_done_what_is_on_the_list_and_nothing_else(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    web = Web(tmp_path, f'token_file = "{tokens}"\n{ALLOW}')

    def ask(path: str, sent: Any, kind: str = "application/json") -> Any:
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        _, data = web.ask("POST", path, body, authorization=f"Bearer {TOKEN}", content_type=kind)
        return data.decode()

    try:
        assert '"result":-6' in ask(
            "/rpc", many("bascule.reduce", "operator:add", items=[1, 2, 3], each="operator:neg")
        )
        for sent in (
            call(WRONG),
            many("bascule.reduce", WRONG, items=[1, 2]),
            many("bascule.reduce", "operator:add", items=[1, 2], each=WRONG),
            many("bascule.map", WRONG, items=[1]),
            many("bascule.everywhere", WRONG),
        ):
            assert '"kind":"denied"' in ask("/rpc", sent), sent
        assert '"kind":"denied"' in ask("/stream", many("bascule.map", WRONG, items=[1]))
        assert '"kind":"denied"' in ask(f"/map?function={WRONG}", b"1\n", "application/x-ndjson")
    finally:
        web.service.stop()
