"""The blocking client: any number of threads may use one, and it needs no thread of its own to be quick.

    with bascule.connect() as client:
        client.call("math:pow", 2, 16)

A call is encoded, written and awaited by the thread that makes it (`link` says how threads share the socket). `submit`
gives a future and gathers what it is given, so that ten thousand small calls leave in a few writes; they leave when
much has gathered, when somebody waits for a result, and within milliseconds anyhow: that much a `Housekeeper` does.

When the service was restarted, the next call connects again. What was under way and may have run fails with
`Disconnected`; proxies from before say `HandleLost`. Nothing is run twice, unless it was said to be idempotent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bascule.bridge.client.connection import OVERDUE, Connection
from bascule.bridge.client.encoding import want_of
from bascule.bridge.client.futures import Answer, Future, SafeAnswer, SafeFuture
from bascule.bridge.client.gathering import Gathering
from bascule.bridge.client.names import Name
from bascule.bridge.client.operations import Wanted
from bascule.bridge.client.places import PrivatePlace, SocketPlace, place_of
from bascule.bridge.client.printing import OnOutput
from bascule.bridge.client.proxy import release
from bascule.bridge.client.tracing import Source
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag

_IDEMPOTENT, _CAST, _FRESH = int(Flag.IDEMPOTENT), int(Flag.CAST), int(Flag.FRESH)
_CALL = int(Op.CALL)
_STARTS_WITHIN: Final = 60.0  # seconds for the first worker of a private bridge


def connect(
    path: str | os.PathLike[str] | None = None,
    *,
    pool: str | None = None,
    timeout: float | None = None,
    output: OnOutput | None = None,
    name: str | None = None,
    patience: float = 5.0,
    token: str | None = None,
    ca: str | None = None,
    certificate: str | None = None,
    tracing: Source | bool = False,
) -> Client:
    """Connect to a service.

    Args:
        path: Its socket, or `tls://host:port`. None: $BASCULE_SOCKET, else where `bascule serve` listens by default.
        pool: Which of its pools runs our calls. None: `default`, or the only one.
        timeout: Seconds that a call may take when it does not say itself. None: as the pool says.
        output: Told of what the called code prints, as `output(text, "stdout" or "stderr", call id)`; it must not
            use the client. None: it is written to our own sys.stdout and sys.stderr.
        name: How we introduce ourselves, for the operator to see.
        patience: Seconds that a call waits for a service that went away to come back.
        token: What is shown to a listener that wants one.
        ca: For TLS, a file with the certificate authorities (PEM) to trust. None: those of the system.
        certificate: For TLS, a file with our own certificate and key (PEM), where the listener wants one.
        tracing: True: the trace context of what goes on here is sent ahead of each call (OpenTelemetry's current span,
            or in a worker the call that runs), for a service with `[tracing]`. A function gives another `traceparent`.

    Raises:
        NoService: Nobody answers there.
        ServiceRefused: It does not know the pool or the token, or does not speak our version.
    """
    place = place_of(path, token=token, ca=ca, certificate=certificate)
    return Client(place, pool=pool, timeout=timeout, output=output, name=name, patience=patience, tracing=tracing)


def local(
    *,
    workers: int = 1,
    python: str | None = None,
    paths: Sequence[str] = (),
    timeout: float | None = None,
    output: OnOutput | None = None,
    patience: float = 5.0,
) -> Client:
    """Start a bridge of our own, with its workers, and connect to it; it ends when the client is closed.

    Args:
        workers: How many worker processes.
        python: The workers' interpreter. None: the one that runs us.
        paths: Folders put first on the workers' sys.path.
        timeout, output, patience: See `connect`.

    Raises:
        NoService: It could not be started.
        ValueError: It could have no worker.
    """
    place = PrivatePlace(workers=workers, python=python, paths=paths)
    client = Client(place, timeout=timeout, output=output, patience=patience)
    try:
        client.builtin("bool", timeout=_STARTS_WITHIN)  # a call's timeout is not to count the start of a worker
    except BaseException:
        client.close()
        raise
    return client


class Client(Gathering):
    """A connection to a service, as `connect` gives it. Closed by `close`, or at the end of a `with` block.

    Attributes:
        place: Where the service is.
    """

    _connection_type = Connection
    _connection: Connection

    @property
    def path(self) -> Path:
        """The service's socket.

        Raises:
            AttributeError: It has none: it is a private bridge.
        """
        if not isinstance(self.place, SocketPlace):
            raise AttributeError("a private bridge has no path")
        return self.place.path

    # -- calls -------------------------------------------------------------------------------------------------------

    def _perform(
        self,
        op: int,
        target: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        takes_object: bool = False,
        want: Wanted = None,
        timeout: float | None = None,
        idempotent: bool = False,
        fresh: bool = False,
    ) -> Any:
        timeout = self._timeout if timeout is None else timeout
        answer: Answer = self._connection.start(
            op,
            target,
            args,
            kwargs,
            takes_object=takes_object,
            want=0 if want is None else want_of(want),
            timeout=timeout,
            flags=(_IDEMPOTENT if idempotent else 0) | (_FRESH if fresh else 0),
            entry_type=SafeAnswer if idempotent else Answer,
        )
        return self._connection.result(answer, None if timeout is None else timeout + OVERDUE)

    def call(
        self,
        target: str,
        /,
        *args: Any,
        timeout: float | None = None,
        want: Wanted = None,
        idempotent: bool = False,
        **kwargs: Any,
    ) -> Any:
        """See `Operations.call`; the usual call takes a shorter way here."""
        if timeout is None and self._timeout is None and want is None and not idempotent and not kwargs:
            connection = self._connection
            plain = connection.plain_call(target, args)
            if plain is not None:
                return connection.exchange(target, *plain)
        return self._perform(_CALL, target, args, kwargs, want=want, timeout=timeout, idempotent=idempotent)

    def submit(
        self,
        target: str,
        /,
        *args: Any,
        timeout: float | None = None,
        want: Wanted = None,
        idempotent: bool = False,
        **kwargs: Any,
    ) -> Future:
        """Start a call and go on: gives a future. The arguments are those of `call`."""
        timeout = self._timeout if timeout is None else timeout
        connection = self._connection
        future = None
        if timeout is None and want is None and not idempotent and not kwargs:
            future = connection.quick(target, args, Future)
        if future is None:
            started: Future = connection.start(
                _CALL,
                target,
                args,
                kwargs,
                want=0 if want is None else want_of(want),
                timeout=timeout,
                flags=_IDEMPOTENT if idempotent else 0,
                entry_type=SafeFuture if idempotent else Future,
            )
            future = started
        connection.see_to(future.link)
        return future

    def cast(self, target: str, /, *args: Any, **kwargs: Any) -> None:
        """Have a function called, and hear nothing of it: neither its result nor its failure."""
        self._connection.start(_CALL, target, args, kwargs, flags=_CAST).link.flush()

    def module(self, name: str) -> Any:
        """A module as if it were imported here: `np = client.module("numpy"); np.arange(6)`."""
        return Name(self, name)

    def release(self, *proxies: Any) -> None:
        """Let go of proxies' objects now, rather than when the garbage collector finds the proxies."""
        for proxy in proxies:
            release(proxy).flush()

    # -- the service -------------------------------------------------------------------------------------------------

    def ask(self, op: str, /, **parameters: Any) -> dict[str, Any]:
        """Put a request to the service itself: what the operator's commands do. See docs/reference/wire.md.

        Raises:
            ServiceRefused: It won't do that; the message says why.
            NoService: Nobody answers.
        """
        return self._connection.ask({**parameters, "op": op})

    def status(self) -> dict[str, Any]:
        """The service's pools, workers, sessions and calls."""
        return self._connection.ask({"op": "status"})

    def handles(self) -> list[dict[str, Any]]:
        """The handles of this session, as the workers see them."""
        found: list[dict[str, Any]] = self._connection.ask({"op": "handles"}).get("handles", [])
        return found

    def kill_worker(self, slot: int) -> dict[str, Any]:
        """Kill the worker in a slot; another takes its place."""
        return self._connection.ask({"op": "kill_worker", "slot": slot})

    def scale(self, pool: str, size: int) -> dict[str, Any]:
        """Give a pool another number of workers."""
        return self._connection.ask({"op": "scale", "pool": pool, "size": size})

    # -- life --------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what `submit` has gathered."""
        self._connection.live().flush()

    def close(self) -> None:
        """Leave: calls under way fail, and all objects of this session are released."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        connection = self._connection
        how = "closed" if connection.closed else "of another process" if connection.forked else "connected"
        return f"<bascule client of {self.place}, {how}>"
