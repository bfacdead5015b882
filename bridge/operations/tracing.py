"""OpenTelemetry: a span for each call, from its acceptance to its end, and the trace context handed through.

The extra `bascule[otel]`, imported only where `[tracing]` names a collector. Without it `core.tracing` is None, and a
call pays one test for that when it is sent to a worker.

    client  TRACE id 7 "00-4bf9...-00f0...-01", CALL id 7     the client's span is the parent of ours
    worker  {op: "trace", call: wire id, parent: "00-..."}    ours is the parent of what user code begins

A call that is made in the course of a callback is a child of the call that called back, unless its client says
otherwise. All of it runs in the router's thread but for the sending, which a thread of the library's does in batches; a
collector that does not answer costs spans and nothing else.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import bascule
from bascule.bridge.router.calls import Call, NestedCall

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from opentelemetry.context import Context

    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session, Worker

_TIMEOUT: Final = 5.0  # seconds that the collector has for a batch, and we for the last one
_MOST_CONTEXTS: Final = 100_000  # that came ahead of calls which have not come
_MOST_CHARACTERS: Final = 500  # of a target


class Tracing:
    """The spans of one core's calls.

    Args:
        core: Whose.
        endpoint: The collector's URL.
        headers: What it wants to hear beside.
        sample: The share that is recorded of the calls that come without a context.
        service: Its name in the spans.
        parent: The context of calls that come without one.
    """

    def __init__(
        self,
        core: RouterCore,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
        *,
        sample: float = 1.0,
        service: str = "bascule",
        parent: str | None = None,
    ) -> None:
        self._core = core
        self._default = parent
        self._told: dict[tuple[int, Hashable], bytes] = {}  # by session and client's id: contexts of calls to come
        self._spans: dict[Call, Span] = {}
        self._propagator = TraceContextTextMapPropagator()
        resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: bascule.__version__})
        # Its spans are ours alone: the process-wide provider belongs to whoever embeds us.
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(sample)), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", headers=dict(headers or {}), timeout=_TIMEOUT)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("bascule", bascule.__version__)

    def heard(self, session: Session, client_id: Hashable, context: bytes) -> None:
        """A client's TRACE: the context of the call of that id, which comes next."""
        self._told[session.id, client_id] = context
        if len(self._told) > _MOST_CONTEXTS:
            del self._told[next(iter(self._told))]

    def sent(self, call: Call, worker: Worker) -> None:
        """A call is about to be written to a worker, which hears of the context first."""
        span = self._spans.get(call)
        if span is None:
            span = self._begin(call)
        else:
            span.add_event("sent again")  # its first worker died, or had not the objects
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        span.set_attribute("bascule.worker", worker.name)
        self._core.control(worker, {"op": "trace", "call": call.wire_id, "parent": carrier["traceparent"]})

    def ended(self, session: Session, target: bytes, outcome: str, call: Call | None) -> None:
        """A call has its outcome; or was refused, then there is no `Call` and no span."""
        if call is None:
            return
        span = self._spans.pop(call, None) or self._begin(call)
        self._spans.pop(call, None)
        span.set_attribute("bascule.outcome", outcome)
        if outcome != "ok":
            span.set_status(Status(StatusCode.ERROR, outcome))
        span.end()

    def close(self) -> None:
        """Send what waits, as far as the collector takes it in time; then no more. It blocks."""
        self._provider.force_flush(int(_TIMEOUT * 1000))
        self._provider.shutdown()

    def _begin(self, call: Call) -> Span:
        session = call.session
        started = time.time_ns() - int((self._core.now - call.accepted_at) * 1e9)
        span: Any = self._tracer.start_span(
            call.target[:_MOST_CHARACTERS].decode(errors="replace") or "an object's",
            context=self._parent(call),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "bascule",
                "bascule.pool": call.pool.policy.name,
                "bascule.session": session.id,
                "bascule.client": session.identity,
                "bascule.listener": "" if session.grant is None else session.grant.listener,
            },
            start_time=started,
        )
        self._spans[call] = span
        return span  # type: ignore[no-any-return]

    def _parent(self, call: Call) -> Context | None:
        told = self._told.pop((call.session.id, call.client_id), None)
        if told is not None:
            return self._propagator.extract({"traceparent": told.decode("ascii", "replace")})
        if isinstance(call, NestedCall) and call.parent.call is not None:
            span = self._spans.get(call.parent.call)
            return None if span is None else set_span_in_context(span)
        return None if self._default is None else self._propagator.extract({"traceparent": self._default})


def trace_alone(core: RouterCore, endpoint: str) -> Tracing:
    """Trace all calls of a bridge that serves one client and has no configuration: the environment says how."""
    service = os.environ.get("OTEL_SERVICE_NAME", "bascule")
    tracing = Tracing(core, endpoint, service=service, parent=os.environ.get("TRACEPARENT"))
    core.tracing, core.audit = tracing, tracing.ended
    return tracing
