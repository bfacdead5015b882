"""Errors that the bridge itself answers with, in the shape that a worker's errors have, in the caller's format.

The bridge encodes here and decodes nothing: what stands in these maps is its own.
"""

from __future__ import annotations

from typing import Any

import msgpack

from bascule.protocols.envelope import Codec
from bascule.protocols.errors import ErrorKind


def error_map(
    kind: ErrorKind, message: str, *, worker: str | None = None, call: int = 0, elapsed_ms: float = 0.0, **details: Any
) -> dict[str, Any]:
    """An error without a Python exception behind it. `details` says more, as data."""
    return {
        "kind": kind.value,
        "class": None,
        "module": None,
        "message": message,
        "traceback": None,
        "frames": [],
        "notes": [],
        "cause": None,
        "worker": worker,
        "call": call,
        "elapsed_ms": elapsed_ms,
        "details": details,
    }


def encode_error(codec: int, error: dict[str, Any]) -> bytes:
    """An error map as the payload of an ERROR frame."""
    if codec == Codec.ETF:
        from bascule.protocols import etf

        return etf.dumps_error(error)
    if codec == Codec.JSON:
        from bascule.protocols import jsonic

        return jsonic.dumps(error)
    if codec == Codec.EDN:
        from bascule.protocols import edn

        return edn.dumps_error(error)
    if codec == Codec.TRANSIT:
        from bascule.protocols import transit

        return transit.dumps_error(error)
    payload: bytes = msgpack.packb(error)
    return payload
