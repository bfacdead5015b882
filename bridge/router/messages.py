"""CONTROL payloads: msgpack maps with an "op". Read from workers and clients alike, so nothing in them is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload


def read_control(payload: Payload) -> dict[str, Any]:
    """The message, or an empty map when it is no message: callers ask for "op" and know none of that name."""
    try:
        message = msgpack.unpackb(payload, strict_map_key=False)
    except Exception:  # what rubbish makes msgpack raise is a long list
        return {}
    return message if isinstance(message, dict) else {}


def write_control(message: dict[str, Any]) -> bytes:
    """The payload of a CONTROL frame."""
    payload: bytes = msgpack.packb(message)
    return payload
