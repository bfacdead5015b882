"""Spans of calls, at a collector of the test's own: the context comes in by every door, and reaches user code."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
from configured import SERVED, Configured, eventually, pool
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from pod_client import PodClient, PodError
from running_service import READY_WITHIN
from test_callbacks import FIBONACCI, Answering

import bascule
from bascule.bridge.errors import PythonError, Timeout

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Collector:
    """What an OTLP collector does, as far as we need it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.headers: list[str | None] = []
        spans, headers = self.spans, self.headers

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                headers.append(self.headers.get("x-key"))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def named(self, name: str) -> list[Any]:
        return [span for span in list(self.spans) if span.name == name]

    def the(self, name: str) -> Any:
        """The only span of that name."""
        (span,) = eventually(lambda: self.named(name))
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # the library's own setting: milliseconds between batches


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_the_context_of_each_client_reaches_the_worker(runtime_folder: Path, collector: Collector, soon: None) -> None:
    http = runtime_folder / "http.sock"
    tables = (
        f'[tracing]\nendpoint = "{collector.endpoint}"\nheaders = {{ "x-key" = "k" }}\n[http]\nlisten = "unix:{http}"\n'
    )
    service = Configured(runtime_folder, pool() + tables)
    where = "served:traceparent"
    try:
        with bascule.connect(service.socket, tracing=lambda: PARENT) as client:
            inside = [client.call(where) for _ in range(3)]
            assert client.submit("math:sqrt", 4).result() == 2
            assert client.everywhere("math:cos", 0, copies=2) == [1, 1]
            with pytest.raises(PythonError):
                client.call("math:log", -1)
            with pytest.raises(Timeout):
                client.call("time:sleep", 60, timeout=0.2)

        async def use_trio() -> str:
            async with bascule.connect_trio(service.socket, tracing=lambda: PARENT) as client:
                return str(await client.call("served:traceparent"))

        inside.append(trio.run(use_trio))
        inside.append(_post(http, where, PARENT))
        spans = eventually(lambda: len(found := collector.named(where)) == 5 and found)
        assert {span.trace_id.hex() for span in spans} == {TRACE}
        assert {span.parent_span_id.hex() for span in spans} == {SPAN}
        # What user code was told is the bridge's span, so that its own spans and calls are children of it.
        assert {f"00-{TRACE}-{span.span_id.hex()}-01" for span in spans} == set(inside)
        span = spans[0]
        assert span.end_time_unix_nano > span.start_time_unix_nano > 0
        told = attributes(span)
        assert told["bascule.pool"] == "default"
        assert told["bascule.worker"].startswith("default/")
        assert told["bascule.outcome"] == "ok"
        assert len(eventually(lambda: len(found := collector.named("math:cos")) == 2 and found)) == 2
        assert collector.the("math:sqrt").parent_span_id.hex() == SPAN
        assert attributes(collector.the("math:log"))["bascule.outcome"] == "error"
        assert attributes(collector.the("time:sleep"))["bascule.outcome"] == "timeout"
        assert set(collector.headers) == {"k"}
    finally:
        service.stop()
        service.file.unlink()


@pytest.mark.parametrize("payload", ["json", "edn", "transit+json"])
def test_a_pods_client_says_of_a_call_what_it_belongs_to(
    runtime_folder: Path, collector: Collector, soon: None, payload: str
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with PodClient("served", payload=payload, cwd=SERVED, env=environment) as pod:
        inside = pod.invoke("py/-traced", PARENT, "served/traceparent")
        assert inside.split("-")[1] == TRACE
        assert pod.invoke("py/-keyed", "k", "py/-traced", PARENT, "py/call", "math:log", 1) == 0
        assert pod.invoke("py/-traced", PARENT, "py/scatter", "math:cos", [0, 0], {"progress": False}) == [1, 1]
        run = pod.invoke("py/-traced", PARENT, "py/-results", "math:sin")
        assert list(pod.invoke("py/-exchange", run, [0], True)[0][0]) == [0, 0]
        assert pod.invoke("py/call", "math:exp", 0) == 1  # which belongs to nothing
        with pytest.raises(PodError, match="the traceparent must be text"):
            pod.invoke("py/-traced", 1, "py/call", "math:exp", 0)
    names = ("served:traceparent", "math:log", "math:cos", "math:cos", "math:sin")

    def arrived() -> list[Any]:
        found = [span for name in set(names) for span in collector.named(name)]
        return found if len(found) >= len(names) else []

    spans = eventually(arrived)
    assert sorted(span.name for span in spans) == sorted(names)
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans} == {(TRACE, SPAN)}
    (alone,) = eventually(lambda: collector.named("math:exp"))
    assert alone.trace_id.hex() != TRACE


def test_what_a_worker_calls_elsewhere_belongs_to_its_call(
    runtime_folder: Path, collector: Collector, soon: None
) -> None:
    service = Configured(runtime_folder, pool() + f'[tracing]\nendpoint = "{collector.endpoint}"\n')
    try:
        provider = TracerProvider()
        client = bascule.connect(service.socket, tracing=True)
        with client, provider.get_tracer("test").start_as_current_span("ours") as ours:
            assert client.call("served:call_on", str(service.socket), "math:sqrt", 16) == 4
        outer, inner = collector.the("served:call_on"), collector.the("math:sqrt")
        assert outer.parent_span_id.hex() == f"{ours.get_span_context().span_id:016x}"
        assert inner.parent_span_id == outer.span_id
        assert inner.trace_id == outer.trace_id
    finally:
        service.stop()
        service.file.unlink()


def test_a_call_in_the_course_of_a_callback_is_a_child_of_the_call_that_called_back(
    tmp_path: Path, runtime_folder: Path, collector: Collector, soon: None
) -> None:
    (tmp_path / "recursive.py").write_text(FIBONACCI)
    tables = f'[tracing]\nendpoint = "{collector.endpoint}"\n'
    service = Configured(runtime_folder, pool(paths=[str(tmp_path)]) + tables)
    try:
        client = Answering(service.socket)
        assert client.call(3) == 2  # 3 asks for 2 and 1, 2 asks for 1 and 0
        client.close()
        spans = eventually(lambda: len(found := collector.named("recursive:fibonacci")) == 5 and found)
        by_id = {span.span_id: span for span in spans}
        above = [by_id.get(span.parent_span_id) for span in spans]
        (root,) = (span for span, parent in zip(spans, above, strict=True) if parent is None)
        inner = [span for span in spans if span.parent_span_id == root.span_id]
        assert len(inner) == 2
        (deeper,) = (each for each in inner if any(span.parent_span_id == each.span_id for span in spans))
        assert sum(span.parent_span_id == deeper.span_id for span in spans) == 2
        assert {span.trace_id for span in spans} == {root.trace_id}
    finally:
        service.stop()
        service.file.unlink()


def test_tracing_begins_and_ends_with_a_reload(runtime_folder: Path, collector: Collector, soon: None) -> None:
    service = Configured(runtime_folder, pool(size=1))
    try:
        with bascule.connect(service.socket, tracing=lambda: PARENT) as client:
            assert client.call("served:traceparent") is None  # what is told to a service that traces nothing is dropped
            service.write(pool(size=1) + f'[tracing]\nendpoint = "{collector.endpoint}"\nsample = 0\n')
            assert service.command("reload").returncode == 0
            assert client.call("served:traceparent") is not None
        with service.client() as client:
            assert client.call("math:sqrt", 4) == 2  # nobody has asked for this one to be recorded
            service.write(pool(size=1))
            assert service.command("reload").returncode == 0  # what waited has been sent
            assert client.call("served:traceparent") is None
            assert [span.name for span in collector.spans] == ["served:traceparent"]
    finally:
        service.stop()
        service.file.unlink()


def test_a_collector_that_is_not_there_costs_spans_and_nothing_else(runtime_folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        service = Configured(runtime_folder, pool(size=1) + f'[tracing]\nendpoint = "{endpoint}"\n')
        try:
            with service.client() as client:
                assert [client.call("math:sqrt", 4) for _ in range(100)] == [2] * 100
        finally:
            assert service.stop() == 0
            service.file.unlink()


def _post(path: Path, method: str, context: str) -> str:
    """A call over HTTP with the header that carries a trace context."""
    from http.client import HTTPConnection

    connection = HTTPConnection("localhost", timeout=READY_WITHIN)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(READY_WITHIN)
    connection.sock.connect(str(path))
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method})
    connection.request("POST", "/rpc", body, {"content-type": "application/json", "traceparent": context})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["result"])


def test_a_bridge_for_one_client_is_told_by_its_environment(
    runtime_folder: Path, collector: Collector, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bascule.protocols import etf
    from bascule.protocols.calls import Op, encode_call
    from bascule.protocols.envelope import REST, Codec, Kind

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("TRACEPARENT", PARENT)
    other = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    frames = [
        (Kind.CALL, 1, encode_call(Op.CALL, "math:sqrt", etf.dumps([[4]]))),
        (Kind.TRACE, 2, other.encode()),  # what the node says of one call counts before what it was started with
        (Kind.CALL, 2, encode_call(Op.CALL, "math:cos", etf.dumps([[0]]))),
    ]
    said = b"".join(
        (REST.size + len(body)).to_bytes(4, "big") + REST.pack(kind, Codec.ETF, 0, number, 0, 0) + body
        for kind, number, body in frames
    )
    port = subprocess.Popen([sys.executable, "-m", "bascule", "port"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port.communicate(said, timeout=READY_WITHIN)
    assert collector.the("math:sqrt").parent_span_id.hex() == SPAN
    assert collector.the("math:cos").trace_id.hex() == "ab" * 16
    with_context = [sys.executable, "-m", "bascule", "call", "math:sqrt", "16"]
    assert subprocess.run(with_context, stdout=subprocess.PIPE, check=True, timeout=READY_WITHIN).stdout == b"4.0\n"
    eventually(lambda: len(collector.named("math:sqrt")) == 2)  # the bridge of this one call traces, too


def test_an_erlang_node_says_of_a_call_what_it_belongs_to(
    runtime_folder: Path,
    collector: Collector,
    soon: None,
    monkeypatch: pytest.MonkeyPatch,
    needs: Callable[..., None],
) -> None:
    needs("erl", "erlc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    ebin = runtime_folder / "ebin"
    ebin.mkdir()
    sources = Path(bascule.__file__).parent.parent / "deploy" / "erlang" / "py" / "src"
    subprocess.run(["erlc", "-o", str(ebin), *map(str, sources.glob("*.erl"))], check=True, timeout=100)
    (ebin / "py.app").write_bytes((sources / "py.app.src").read_bytes())
    program = (
        "{ok, _} = application:ensure_all_started(py), "
        f'4.0 = py:func(math, fabs, [-4], [], #{{traceparent => <<"{PARENT}">>}}), '
        "application:stop(py), init:stop()."
    )
    subprocess.run(["erl", "-noshell", "-pa", str(ebin), "-eval", program], check=True, timeout=100)
    span = collector.the("math:fabs")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    shutil.rmtree(ebin)
