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
        with contextlib.suppress(ConnectionError):  # it is refused by its headers, and answered before its body is sent
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


def test_a_reload_takes_other_tokens_that_the_file_has_by_then(runtime_folder: Path) -> None:
    tokens = runtime_folder / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    tokens.chmod(0o600)
    web = Web(runtime_folder, f'token_file = "{tokens}"\nallow = ["math:*"]\n')
    try:
        sent = json.dumps(call("math:sqrt", 4)).encode()

        def status(token: str) -> int:
            return web.ask("POST", "/rpc", sent, authorization=f"Bearer {token}")[0].status

        other = secrets.token_urlsafe(32)
        assert (status(TOKEN), status(other)) == (200, 401)
        tokens.write_text(f"{other}\n")
        assert web.service.command("reload").stdout == "http: its certificate or its tokens changed\n"
        assert (status(TOKEN), status(other)) == (401, 200)
        assert web.service.command("reload").stdout == "nothing has changed\n"
    finally:
        web.service.stop()
        for name in ("bascule.toml", "tokens"):
            (runtime_folder / name).unlink()


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


def many(method: str, function: str, **params: Any) -> dict[str, Any]:
    timeout = {"timeout": params.pop("timeout")} if "timeout" in params else {}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"function": function, **params}, **timeout}


def told(data: bytes) -> list[tuple[str, Any]]:
    """Server-sent events: their names and values."""
    events = []
    for event in data.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n"))
        events.append((lines.get("event", ""), json.loads(lines["data"])))
    return events


def test_a_function_is_mapped_over_items_by_one_request(web: Web) -> None:
    def mapped(function: str, items: list[Any], **more: Any) -> Any:
        return web.rpc(many("bascule.map", function, items=items, **more))

    assert mapped("math:sqrt", [4, 9])["result"] == [2, 3]
    assert mapped("math:pow", [[2, 3], [3, 2]], star=True, chunk=1)["result"] == [8, 9]
    assert mapped("math:sqrt", [])["result"] == []
    error = mapped("math:sqrt", [4, -1, 9])["error"]
    assert (error["code"], error["data"]["class"]) == (-32000, "ValueError")
    first, wrong, last = mapped("math:sqrt", [4, -1, 9], errors="return")["result"]
    assert (first, wrong["error"]["class"], last) == (2, "ValueError", 3)
    fine, unfit = mapped("builtins:eval", ["1", "object()"], errors="return")["result"]
    assert (fine, unfit["error"]["kind"]) == (1, "not_encodable")
    assert mapped("time:sleep", [60, 60], timeout=0.2)["error"]["data"]["kind"] == "timeout"


def test_what_is_idempotent_is_run_again_over_http(web: Web, tmp_path: Path) -> None:
    once = tmp_path / "once"
    dies = f"import os, pathlib; f = pathlib.Path({str(once)!r}); f.exists() or (f.touch(), os.kill(os.getpid(), 9))"
    request = many("bascule.map", "builtins:exec", items=["0", dies], idempotent=True, chunk=1)
    assert web.rpc(request)["result"] == [None, None]


def test_results_are_told_as_they_are_completed(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = f"[None for _ in iter(lambda: __import__('os').path.exists({str(gate)!r}), True)] and 'slow' or 'slow'"
    request = many("bascule.map", "builtins:eval", items=[wait, "'quick'", "1 / 0"], errors="return", chunk=1)
    connection = UnixConnection(web.path)
    connection.request("POST", "/stream", json.dumps(request).encode(), {"content-type": "application/json"})
    response = connection.getresponse()
    seen = b""
    while b"quick" not in seen:
        seen += response.readline()
    gate.touch()
    events = told(seen + response.read())
    connection.close()
    rows = {value["index"]: value for name, value in events if name == ""}
    assert rows[0]["result"] == "slow"
    assert rows[1]["result"] == "quick"
    assert rows[2]["error"]["class"] == "ZeroDivisionError"
    assert [value for name, value in events if name == "progress"][-1] == {"done": 2, "failed": 1, "total": 3}
    assert events[-1] == ("end", None)
    _, data = web.ask("POST", "/stream", json.dumps(many("bascule.map", "math:sqrt", items=[-1])).encode())
    (name, error), *_ = told(data)
    assert (name, error["class"]) == ("error", "ValueError")


def test_the_same_call_is_made_on_each_worker_over_http(web: Web) -> None:
    def each_has_answered() -> bool:
        answered = web.rpc(many("bascule.everywhere", "os:getpid"))["result"]
        workers = web.service.told("status")["workers"]
        return sorted(answered) == sorted(worker["pid"] for worker in workers if worker["state"] == "active")

    eventually(each_has_answered)
    copies = web.rpc(many("bascule.everywhere", "math:sqrt", args=[16], copies=3))
    assert copies["result"] == [4, 4, 4]
    failed = web.rpc(many("bascule.everywhere", "math:sqrt", args=[-1]))
    assert failed["error"]["data"]["class"] == "ValueError"


def test_items_are_reduced_in_the_workers_over_http(web: Web) -> None:
    numbers = list(range(1000))
    assert web.rpc(many("bascule.reduce", "operator:add", items=numbers))["result"] == 499500
    each = web.rpc(many("bascule.reduce", "operator:add", items=numbers, each="operator:neg", chunk=9, idempotent=True))
    assert each["result"] == -499500
    unfit = web.rpc(many("bascule.reduce", "builtins:max", items=["object()"], each="builtins:eval"))
    assert unfit["error"]["data"]["kind"] == "not_encodable"


class Lines:
    """A `POST /map` whose body is written, and whose answer is read, as the test goes on."""

    def __init__(self, web: Web, query: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(READY_WITHIN)
        self.sock.connect(str(web.path))
        head = f"POST /map?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        self.sock.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        self.response = HTTPResponse(self.sock, method="POST")

    def send(self, text: str) -> None:
        self.sock.sendall(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def end(self) -> None:
        self.sock.sendall(b"0\r\n\r\n")

    def rows(self) -> Iterator[Any]:
        self.response.begin()
        assert self.response.status == 200, self.response.read()
        for line in self.response:
            yield json.loads(line)

    def close(self) -> None:
        self.response.close()
        self.sock.close()


def test_lines_are_answered_while_others_are_still_sent(web: Web) -> None:
    lines = Lines(web, "function=math:sqrt&errors=return")
    lines.send("4\n")
    rows = lines.rows()
    assert next(rows) == {"index": 0, "result": 2.0}
    lines.send("-1\n\n 9")
    failed = next(rows)
    assert (failed["index"], failed["error"]["class"]) == (1, "ValueError")
    lines.end()  # which ends the last line, too
    assert list(rows) == [{"index": 2, "result": 3.0}, {"done": 2, "failed": 1}]
    lines.close()


def test_a_slow_line_holds_up_no_other_unless_they_are_wanted_in_order(web: Web, tmp_path: Path) -> None:
    there = f"__import__('os').path.exists({str(tmp_path / 'go')!r})"
    wait = f"[__import__('time').sleep(0.02) for _ in iter(lambda: {there}, True)]"
    lines = Lines(web, "function=builtins:eval&chunk=1")
    lines.send(json.dumps(wait) + '\n"1"\n')
    rows = lines.rows()
    assert next(rows) == {"index": 1, "result": 1}
    (tmp_path / "go").touch()
    assert next(rows)["index"] == 0
    lines.end()
    assert list(rows) == [{"done": 2, "failed": 0}]
    lines.close()
    ordered = Lines(web, "function=operator:add&ordered=true&star=true&chunk=3&idempotent=true&timeout=60")
    ordered.send("".join(f"[{number}, 1]\n" for number in range(1000)))
    ordered.end()
    rows = ordered.rows()
    assert [next(rows) for _ in range(1000)] == [{"index": number, "result": number + 1} for number in range(1000)]
    assert list(rows) == [{"done": 1000, "failed": 0}]
    ordered.close()


def test_no_more_lines_are_read_than_results_are(web: Web) -> None:
    lines = Lines(web, "function=builtins:str")
    lines.sock.settimeout(5.0)
    block = json.dumps("x" * 4000) + "\n"
    sent = 0
    with pytest.raises(TimeoutError):  # nobody reads the results: what is sent waits in the end
        while sent < 256 << 20:
            lines.send(block * 8)
            sent += len(block) * 8
    assert sent > 0
    lines.close()
    assert web.rpc(call("math:sqrt", 4))["result"] == 2.0


@pytest.mark.parametrize(
    ("query", "body", "said"),
    [
        ("function=math:sqrt", "4\n-1\n", "ValueError"),
        ("function=math:sqrt&ordered=true", "4\n{\n", "line 2 is no JSON"),
        ("function=math:sqrt&star=true", "[4]\n4\n", "line 2: with star"),
        ("function=math:sqrt", f'"{"x" * 70_000}"\n', "line 1 is longer than 65536 bytes"),
        ("function=time:sleep&timeout=0.5", "60\n", "time"),
    ],
)
def test_a_map_of_lines_that_ends_early_says_why(web: Web, query: str, body: str, said: str) -> None:
    lines = Lines(web, query)
    lines.send(body)
    *rows, last = lines.rows()
    assert said in json.dumps(last["error"]), last
    assert [row["result"] for row in rows] in ([], [2.0])
    lines.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "needs function"),
        ("function=math:sqrt&nothing=1", "are an object with some of"),
        ("function=math:sqrt&chunk=0", "chunk is a whole number above 0"),
        ("function=math:sqrt&errors=no", "errors is"),
        ("function=math:sqrt&timeout=soon", "timeout is a number of seconds"),
        ("function=math:sqrt&function=math:log", "function is given twice"),
    ],
)
def test_a_wrong_map_of_lines_is_refused(web: Web, query: str, said: str) -> None:
    response, data = web.ask("POST", f"/map?{query}", b"1\n", content_type="application/x-ndjson")
    assert response.status == 400
    assert said in json.loads(data)["error"]


def test_lines_must_be_said_to_be_lines_and_who_leaves_takes_them_back(web: Web) -> None:
    response, _ = web.ask("POST", "/map?function=math:sqrt", b"1\n")
    assert response.status == 415
    lines = Lines(web, "function=time:sleep&chunk=1")
    lines.send("60\n" * 10)
    eventually(lambda: web.service.told("calls"))
    lines.close()
    eventually(lambda: not web.service.told("calls"))


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("bascule.map", [1], "the params of bascule.map are an object"),
        ("bascule.map", {"function": "math:sqrt"}, "needs items"),
        ("bascule.map", {"items": [1]}, "needs function"),
        ("bascule.map", {"function": "math:sqrt", "items": 1}, "items is a list, not 1"),
        ("bascule.map", {"function": "math:sqrt", "items": [1], "chunk": 0}, "chunk is a whole number above 0, not 0"),
        ("bascule.map", {"function": "math:sqrt", "items": [1], "errors": "no"}, 'errors is "raise" or "return"'),
        ("bascule.map", {"function": "math:sqrt", "items": [1], "star": True}, "with star, each item is a list"),
        ("bascule.map", {"function": "math:sqrt", "items": [1], "copies": 1}, "are an object with some of"),
        ("bascule.reduce", {"function": "math:sqrt", "items": []}, "there is nothing to reduce"),
        ("bascule.everywhere", {"function": "os:getpid", "copies": True}, "copies is a whole number above 0, not True"),
    ],
)
def test_wrong_params_of_many_calls_are_named(web: Web, method: str, params: Any, said: str) -> None:
    error = web.rpc({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})["error"]
    assert error["code"] == -32602
    assert said in error["message"]
    response, data = web.ask("POST", "/stream", json.dumps({"method": method, "params": params}).encode())
    assert response.status == 400
    assert said in data.decode().replace('\\"', '"') or "POST it to /rpc" in data.decode()


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


@pytest.mark.parametrize("path", ["/rpc", "/stream"])
def test_a_map_that_breaks_off_is_taken_back_whole(web: Web, path: str) -> None:
    connection = UnixConnection(web.path)
    body = json.dumps(many("bascule.map", "time:sleep", items=[60] * 40, chunk=1)).encode()
    connection.request("POST", path, body, {"content-type": "application/json"})
    eventually(lambda: any(row["target"] == "time:sleep" for row in web.service.told("calls")))
    connection.close()
    eventually(lambda: not web.service.told("calls"))


def test_who_reads_nothing_of_a_stream_does_not_hold_up_the_end(runtime_folder: Path, nothing_left: None) -> None:
    path = runtime_folder / "http.sock"
    service = Configured(runtime_folder, pool(size=1, drain=0.2) + f'[http]\nlisten = "unix:{path}"\n')
    try:
        body = json.dumps({"method": "builtins:iter", "params": [["x" * 1000] * 5000]}).encode()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(path))
            head = f"POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            deaf.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            eventually(lambda: "streaming" in [row["state"] for row in service.told("calls")])
            assert service.stop() == 0
    finally:
        service.stop()
        (runtime_folder / "bascule.toml").unlink()


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


@pytest.fixture
def fresh() -> Iterator[Web]:
    """A service that no other test has called: the page shows the slowest functions alone."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:
        web = Web(Path(folder))
        try:
            yield web
        finally:
            web.service.stop()


def test_the_dashboard_shows_a_worker_die_and_another_come(
    fresh: Web, tmp_path: Path, needs: Callable[..., None]
) -> None:
    web = fresh
    needs("chromium", "chromedriver")
    with chromedriver(tmp_path) as driver, tunnel(web.path) as port:
        browser = Browser(driver, tmp_path / "profile")
        try:
            browser.open(f"http://localhost:{port}/")
            browser.wait_for("document.querySelectorAll('[data-worker]').length >= 3")
            browser.wait_for("document.getElementById('state').textContent == 'live'")
            with web.service.client() as client:
                futures = [client.submit("served:rest", 0.3) for _ in range(4)]
                assert [future.result(READY_WITHIN) for future in futures]
                browser.wait_for(
                    "[...document.querySelectorAll('#slowest td')].some(c => c.textContent == 'served:rest')"
                )
                victim = next(row for row in client.status()["workers"] if row["state"] == "active")
                browser.wait_for(f"!!document.querySelector('[data-worker=\"{victim['name']}\"]')")
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
