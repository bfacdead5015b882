"""Where a client takes the trace context from that it sends ahead of each call.

With `tracing=True` it is OpenTelemetry's current span, where the program has loaded OpenTelemetry; in a worker, else,
the call that runs. A function says it otherwise. Nothing is imported for it here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

Source = Callable[[], str | None]
"""Gives the W3C `traceparent` of what goes on, or None."""


def source_of(tracing: Source | bool) -> Source | None:
    """What a client was told, as a source; None: no context is sent."""
    if tracing is True:
        return current
    return tracing or None


def current() -> str | None:
    """The context of what this thread or task does now."""
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    if propagate is None and "opentelemetry.trace" in sys.modules:
        propagate = importlib.import_module("opentelemetry.propagate")
    carrier: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(carrier)
    if "traceparent" in carrier:
        return carrier["traceparent"]
    worker: Any = sys.modules.get("bascule.workers.tracing")
    return None if worker is None else worker.traceparent()
