"""The HTTP door: JSON-RPC, streams as events, the same policy and tokens; and the dashboard in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, chromedriver, tunnel
from configured import Configured, eventually, pool
from running_service import READY_WITHIN

TOKEN = secrets.token_urlsafe(32)


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=READY_WITHIN)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(READY_WITHIN)
        self.sock.connect(self._path)


class Web:
    """A service with an HTTP door on a Unix socket, another's on TCP."""

    def __init__(self, folder: Path, more: str = "", options: tuple[str, ...] = ()) -> None:
        self.path = folder / "http.sock"
        self.service = Configured(folder, pool() + f'[http]\nlisten = "unix:{self.path}"\n{more}', *options)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = UnixConnection(self.path)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("content-type", "application/json")
        with contextlib.suppress(BrokenPipeError):  # it is refused by its headers, and answered before its body is sent
            connection.request(method, path, body, given)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def rpc(self, sent: Any) -> Any:
        response, data = self.ask("POST", "/rpc", json.dumps(sent).encode())
        assert response.status == 200, data
        return json.loads(data)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:
        web = Web(Path(folder), "max_body = 65536\n")
        try:
            yield web
        finally:
            web.service.stop()


def call(method: str, *params: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params), **more}


def test_a_reload_that_http_cannot_follow_leaves_its_door_open(runtime_folder: Path) -> None:
    web = Web(runtime_folder)
    try:
        wrong = [
            f'listen = "unix:{web.path}"\ntoken_file = "{runtime_folder / "tokens"}"\n',  # no such file
            f'listen = "unix:{web.path}"\ncertificate = "{web.service.file}"\n',  # no certificate
            f'listen = "unix:{web.service.file}"\n',  # a file, and no socket
            f'listen = "unix:{web.path}"\ndashboard = false\n[audit]\nfile = "{runtime_folder}"\n',  # a folder
        ]
        for http in wrong:
            web.service.write(pool() + "[http]\n" + http)
            done = web.service.command("reload")
            assert done.returncode == 1
            assert web.rpc(call("math:pow", 2, 16))["result"] == 65536.0
            assert web.ask("GET", "/")[0].status == 200
        elsewhere = runtime_folder / "other.sock"
        for path, mode in ((web.path, "0600"), (elsewhere, "0600")):
            keys = f'listen = "unix:{path}"\nmode = "{mode}"\ndashboard = false\n'
            web.service.write(pool() + "[http]\n" + keys)
            assert web.service.command("reload").returncode == 0
            before, web.path = web.path, path
            assert before.exists() is (before == path)
            assert web.ask("GET", "/")[0].status == 404
            assert web.rpc(call("math:pow", 2, 16))["result"] == 65536.0
    finally:
        web.service.stop()
        web.service.file.unlink()


def test_a_call_is_a_post_of_json_rpc(web: Web) -> None:
    assert web.rpc(call("math:pow", 2, 16)) == {"jsonrpc": "2.0", "id": 1, "result": 65536.0}
    assert web.rpc(call("builtins:dict") | {"params": {"a": [1, None]}})["result"] == {"a": [1, None]}
    error = web.rpc(call("operator:truediv", 1, 0))["error"]
    assert (error["code"], error["data"]["class"]) == (-32000, "ZeroDivisionError")
    assert web.rpc(call("math:nothing"))["error"]["code"] == -32601
    assert web.rpc(call("threading:Lock"))["error"]["data"]["kind"] == "not_encodable"
    assert web.rpc(call("time:sleep", 60, timeout=0.2))["error"]["data"]["kind"] == "timeout"


def test_a_batch_runs_side_by_side_and_notifications_are_not_answered(web: Web) -> None:
    batch = [call("math:sqrt", 4), {"jsonrpc": "2.0", "method": "math:sqrt", "params": [9]}, {"rubbish": 1}, 7]
    first, *wrong = web.rpc(batch)
    assert first["result"] == 2
    assert [each["error"]["code"] for each in wrong] == [-32600, -32600]
    response, data = web.ask(
        "POST", "/rpc", json.dumps({"jsonrpc": "2.0", "method": "math:sqrt", "params": [4]}).encode()
    )
    assert (response.status, data) == (204, b"")


def test_a_stream_is_server_sent_events(web: Web) -> None:
    response, data = web.ask(
        "POST", "/stream", json.dumps({"method": "itertools:islice", "params": ["abc", 2]}).encode()
    )
    assert response.headers["content-type"] == "text/event-stream"
    assert data == b'data: "a"\n\ndata: "b"\n\nevent: end\ndata: null\n\n'
    _, data = web.ask("POST", "/stream", json.dumps({"method": "math:nothing"}).encode())
    assert b"event: error" in data
    assert b"not_found" in data


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "said"),
    [
        ("POST", "/rpc", b"{no json", {}, 200, "this is no JSON"),
        ("POST", "/rpc", b"[" * 40_000, {}, 200, "this is no JSON"),
        ("POST", "/rpc", b"[]", {}, 200, "a batch has"),
        ("POST", "/rpc", b"{}", {"content_type": "text/plain"}, 415, "must be application/json"),
        ("POST", "/rpc", b'"' + b"x" * 70_000 + b'"', {}, 413, "at most 65536 bytes"),
        ("GET", "/rpc", None, {}, 405, "asked with POST"),
        ("GET", "/../etc/passwd", None, {}, 404, "nothing at"),
        ("GET", "/status", None, {"host": "evil.example"}, 403, "only requests to localhost"),
        ("POST", "/stream", b"[]", {}, 400, "method is the name"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_else_is_disturbed(
    web: Web, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, said: str
) -> None:
    response, data = web.ask(method, path, body, **headers)
    assert response.status == status
    assert said in data.decode()
    assert web.rpc(call("math:sqrt", 4))["result"] == 2


def test_a_request_that_breaks_off_cancels_its_call(web: Web) -> None:
    connection = UnixConnection(web.path)
    body = json.dumps(call("time:sleep", 60)).encode()
    connection.request("POST", "/rpc", body, {"content-type": "application/json"})
    eventually(lambda: any(row["target"] == "time:sleep" for row in web.service.told("calls")))
    connection.close()
    eventually(lambda: not web.service.told("calls"))


def test_status_and_metrics_are_there(web: Web) -> None:
    response, data = web.ask("GET", "/status")
    assert json.loads(data)["pools"]["default"]["size"] == 2
    assert response.headers["cache-control"] == "no-store"
    _, data = web.ask("GET", "/metrics")
    assert b"bascule_pool_size" in data


def test_tokens_and_policy_are_the_listeners_own(runtime_folder: Path, nothing_left: None) -> None:
    tokens = runtime_folder / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    web = Web(runtime_folder, f'token_file = "{tokens}"\nallow = ["math:*"]\n')
    try:
        body = json.dumps([call("math:sqrt", 4), call("os:getpid")]).encode()
        for wrong in ({}, {"authorization": "Bearer " + TOKEN[:-1]}, {"authorization": "Basic " + TOKEN}):
            response, data = web.ask("POST", "/rpc", body, **wrong)
            assert (response.status, b"math" in data) == (401, False)
        response, data = web.ask("POST", "/rpc", body, authorization=f"Bearer {TOKEN}")
        good, denied = json.loads(data)
        assert good["result"] == 2
        assert denied["error"]["data"]["kind"] == "denied"
        response, _ = web.ask("GET", f"/status?token={TOKEN}")
        assert response.status == 403  # operator = true would
        with web.service.client() as client:
            assert client.call("os:getpid")
    finally:
        web.service.stop()
        tokens.unlink()
        web.service.file.unlink()


# ---- The dashboard ------------------------------------------------------------------------------------------------


def test_the_dashboard_shows_a_worker_die_and_another_come(
    web: Web, tmp_path: Path, needs: Callable[..., None]
) -> None:
    needs("chromium", "chromedriver")
    with chromedriver(tmp_path) as driver, tunnel(web.path) as port:
        browser = Browser(driver, tmp_path / "profile")
        try:
            browser.open(f"http://localhost:{port}/")
            browser.wait_for("document.querySelectorAll('[data-worker]').length >= 3")
            assert browser.run("document.getElementById('state').textContent") == "live"
            with web.service.client() as client:
                futures = [client.submit("math:factorial", 20) for _ in range(300)]
                assert len({future.result(READY_WITHIN) for future in futures}) == 1
                browser.wait_for(
                    "[...document.querySelectorAll('#slowest td')].some(c => c.textContent == 'math:factorial')"
                )
                victim = next(row for row in client.status()["workers"] if row["state"] == "active")
                assert browser.run(f"!!document.querySelector('[data-worker=\"{victim['name']}\"]')")
                os.kill(victim["pid"], signal.SIGKILL)
                browser.wait_for(f"!document.querySelector('[data-worker=\"{victim['name']}\"]')")
                browser.wait_for(f"document.getElementById('events').innerText.includes('{victim['name']} ended')")
                browser.wait_for("document.getElementById('ends').textContent.includes('sigkill')")
                browser.wait_for("document.querySelectorAll('[data-worker]').length >= 3")
            browser.wait_for("document.querySelectorAll('#calls-curve polyline').length == 2")
            assert browser.complaints() == []
        finally:
            browser.close()


def test_the_dashboard_reads_well_on_a_phone_and_in_the_dark(
    web: Web, tmp_path: Path, needs: Callable[..., None]
) -> None:
    needs("chromium", "chromedriver")
    with chromedriver(tmp_path) as driver, tunnel(web.path) as port:
        browser = Browser(driver, tmp_path / "profile", mobile=True, dark=True)
        try:
            browser.open(f"http://localhost:{port}/")
            browser.wait_for("document.querySelectorAll('[data-worker]').length >= 1")
            assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")  # nothing sticks out
            assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches")
            assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
            assert browser.run("getComputedStyle(document.body).color") == "rgb(228, 232, 239)"
        finally:
            browser.close()
