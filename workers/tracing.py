"""The trace context of the call that runs here, for code that makes spans or calls of its own.

    from bascule.workers.tracing import traceparent
    from opentelemetry.propagate import extract

    with tracer.start_as_current_span("fit", context=extract({"traceparent": traceparent() or ""})):
        ...

It is the W3C's `traceparent` of the bridge's span for this call. A client of a service that is connected with
`tracing=True` in here hands it on by itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_MOST: Final = 4096
_known: Final[dict[int, str]] = {}  # by call, the latest last


def remember(call: int, parent: str) -> None:
    """The bridge says so of a call that comes next."""
    _known[call] = parent
    if len(_known) > _MOST:
        _known.pop(next(iter(_known)), None)


def traceparent() -> str | None:
    """Of the call that runs in this thread; None where there is none, or where the bridge does no tracing."""
    from bascule.workers.loop import Loop

    loop = Loop.current
    if loop is None or not _known:
        return None
    runner, _ = loop.state.capture.owner_here()
    return None if runner is None else _known.get(runner.call_id)
