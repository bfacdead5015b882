"""Functions of mounted contracts over HTTP: `POST /<namespace>/<function>`, the argument is the body.

The form is that of Gugugu's own example: the answer is the encoded result, metadata are headers both ways, a name that
nobody mounted is 404. See `bascule.bridge.contracts.live.over_http` for what is said of errors, and for a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bascule.bridge.contracts.live.over_http import metadata_of, status_of, target_of
from bascule.bridge.errors import CallError, NotFound
from bascule.workers.contracts import wire
from bascule.workers.contracts.mounting import CONTRACT_NAME

if TYPE_CHECKING:
    from bascule.bridge.http.app import Request, Respond


class Contracts:
    """Answers such requests, and remembers which namespaces are mounted: no other function is called this way."""

    def __init__(self) -> None:
        self._mounted: set[str] = set()

    async def call(self, request: Request, respond: Respond) -> None:
        """One request."""
        target = target_of(request.path)
        try:
            if not target:
                raise NotFound(f"there is nothing at {request.path[:200]}")
            argument = wire.read_json(request.body)
            answer = await self._ask(request, target, argument)
            body, more = wire.write_json(answer["value"]), _headers(answer["meta"])
        except wire.WireError as error:
            await respond.json({"error": f"the argument is wrong: {error}"}, 400)
        except CallError as error:
            told: dict[str, Any] = {"error": error.message or str(error)}
            if "raised" in error.details:
                told.update(raised=error.details["raised"], value=error.details.get("value"))
            await respond.json(told, status_of(error))
        else:
            await respond.whole(200, body, more=more)

    async def _ask(self, request: Request, target: str, argument: Any) -> Any:
        client = await request.client()
        namespace = target.partition(":")[0]
        if namespace not in self._mounted:
            await client.call(f"{namespace}:{CONTRACT_NAME}")
            self._mounted.add(namespace)
        return await client.call(target, argument, meta=metadata_of(request.headers))


def _headers(meta: Any) -> list[tuple[bytes, bytes]]:
    """An implementation's metadata; what can't be a header is left out."""
    pairs = [(str(name), str(value)) for name, value in dict(meta).items()]
    return [
        (name.lower().encode(), value.encode())
        for name, value in pairs
        if name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
        and value.isascii()
        and value.isprintable()
    ]
