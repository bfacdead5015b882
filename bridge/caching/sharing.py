"""How a worker is told to look by what a call means: so that clients of other formats share one computation.

The bridge knows a call by its bytes, and a pod that speaks JSON says the same in other bytes than an Erlang node. So a
call that it must have run travels as KEPT: its target is followed by a line that names the store. The worker, who
decodes the arguments anyway, makes a key of them, looks, computes if need be, and keeps the result as a value (see
`bascule.workers.persist.shared`), in the same store and under the same function as the bridge's own answers.
"""

from __future__ import annotations

import functools
import json

from bascule.bridge.caching.policy import Rule
from bascule.protocols.calls import HEAD, HEAD_SIZE, Op
from bascule.protocols.limits import MAX_TARGET
from bascule.workers.persist.places import absolute


def shared_call(payload: bytes, rule: Rule, target: str, pool: str, *, fresh: bool) -> bytes:
    """The payload of a CALL as that of a KEPT; unchanged where there is no store that its worker could look into."""
    line = _line(rule, target, pool, fresh)
    if not line:
        return payload
    _, want, style, length, _ = HEAD.unpack_from(payload)
    if length + len(line) > MAX_TARGET:
        return payload
    end = HEAD_SIZE + length
    return HEAD.pack(Op.KEPT, want, style, length + len(line), 0) + payload[HEAD_SIZE:end] + line + payload[end:]


@functools.lru_cache(maxsize=1024)
def _line(rule: Rule, target: str, pool: str, fresh: bool) -> bytes:
    if not rule.share or rule.store.startswith("memory:"):
        return b""
    told = {
        "store": absolute(rule.store),
        "function": target,
        "pool": pool,
        "version": rule.version,
        "ttl": rule.lifetime.ttl,
        "fresh": fresh,
    }
    return b"\n" + json.dumps(told).encode()
