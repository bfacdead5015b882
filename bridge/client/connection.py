"""The blocking client's engine: from arguments to an outcome, on whichever link lives.

A call is left with the link (`calling`), `wait` returns once it has an outcome. Between them lies the socket (`link`).
When that breaks, the next call that is made or waited for opens another, and what may be sent again is (`settling`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.calling import Calling, read_answer
from bascule.bridge.client.connecting import greet, pauses
from bascule.bridge.client.futures import RAISED, Answer, Entry
from bascule.bridge.client.housekeeper import Housekeeper
from bascule.bridge.client.link import Link
from bascule.bridge.client.names import Name
from bascule.bridge.client.printing import OnOutput, tell
from bascule.bridge.client.settling import unreadable
from bascule.bridge.errors import BasculeError, ClientClosed, ForkedClient, NoService, Timeout
from bascule.protocols.envelope import Codec, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.service import Welcome

if TYPE_CHECKING:
    from bascule.bridge.client.blocking import Client
    from bascule.bridge.client.places import Place
    from bascule.protocols.envelope import Payload
    from bascule.protocols.tokens import Handle

OVERDUE: Final = 10.0  # seconds past its deadline after which we no longer believe that the service will answer
_FLUSH_AT: Final = 64 << 10  # bytes that gather before they are written
_log = logging.getLogger("bascule.client")
_all: weakref.WeakSet[Connection] = weakref.WeakSet()


class Connection(Calling[Link]):
    """A client's way to the service, across the service's restarts.

    Attributes:
        client: Whose it is.
        place: Where the service is.
        pool: The pool that runs our calls; None: the service's first.
        welcome: What the service said of itself when we connected last.
        closed, forked: Why it is of no use any more.
    """

    def __init__(
        self, client: Client, place: Place, *, pool: str | None, name: str | None, patience: float, output: OnOutput
    ) -> None:
        super().__init__()
        self.client = client
        self.place = place
        self.pool = pool
        self.welcome: Welcome
        self.closed = False
        self.forked = False
        self._name, self._patience, self._output = name, patience, output
        self._deferred: deque[tuple[Callable[[Any], object], Entry]] = deque()
        self._make_locks()
        self._link: Link = self._open(0)
        _all.add(self)

    def _make_locks(self) -> None:
        self._connecting = threading.Lock()
        self._decoding = threading.Lock()
        self._deferring = threading.Lock()
        self._housekeeper = Housekeeper(self)

    # -- starting a call ---------------------------------------------------------------------------------------------

    def _usable(self) -> Link:
        link = self._link
        return link if link.broken is None else self.live()

    def _refer(self, kept: list[Any], value: Any) -> Handle:
        return super()._refer(kept, value._bascule_proxy() if type(value) is Name else value)

    def see_to(self, link: Link) -> None:
        """What was just started must leave, also if nobody ever asks for it."""
        if link.outbox.buffered > _FLUSH_AT or len(link.pending) == 1:
            link.flush()
        if link.broken is not None:
            self._revive(link)
        if self._housekeeper.asleep:
            self._housekeeper.wake()

    # -- outcomes ----------------------------------------------------------------------------------------------------

    def wait(self, entry: Entry, timeout: float | None, news: Entry | None = None) -> None:
        """Return when `entry` (or `news`, which stands for it) has an outcome.

        Raises:
            TimeoutError: It has none in time.
        """
        until = None if timeout is None else time.monotonic() + timeout
        awaited = news or entry
        while not awaited.state:
            link: Link = entry.link  # a blocking client has no others
            if link.broken is not None:
                self._revive(link)
                continue
            link.flush()
            link.wait(awaited, until)
            if self._deferred:
                self.run_deferred()
            if not awaited.state and until is not None and time.monotonic() >= until:
                raise TimeoutError(f"call {entry.call_id}, {entry.what}, has not ended after {timeout} s")

    def exchange(self, target: str, call_id: int, frame: list[bytes]) -> Any:
        """Make a plain call and give its result."""
        link = self._link
        try:
            if len(frame) > 1:
                answer = link.pending[call_id] = Answer(link, call_id, target)
                link.out.extend(frame)
            else:
                came = link.exchange(call_id, target, frame[0])
                if isinstance(came, bytes):
                    return link.loads(came)
                answer = came
        except RemoteProtocolError as error:
            raise unreadable(error) from None
        except BaseException:  # a Ctrl-C: the call is to end
            link.out.append(encode_frame(Kind.CANCEL, Codec.MSGPACK, 0, call_id, 0, 0))
            link.flush()
            raise
        return self.result(answer, None)

    def result(self, answer: Answer, timeout: float | None) -> Any:
        """Wait for an answer's result. Whoever is interrupted meanwhile (Ctrl-C) wants the call to end."""
        try:
            if timeout is not None:
                self.wait(answer, timeout)
            return answer.result()
        except TimeoutError:
            if answer.state:
                raise
            answer.abandon()
            raise Timeout(f"the service has not answered call {answer.call_id}, {answer.what}, at all") from None
        except BaseException:
            if not answer.state:
                answer.abandon()
            raise

    def look(self, entry: Entry) -> None:
        """Read what is there, without waiting."""
        link = entry.link
        if link.broken is not None:
            self._revive(link)
        else:
            link.flush()
            link.look()
        self.run_deferred()

    def cancel(self, entry: Entry) -> None:
        """Ask the service to stop a call."""
        link = entry.link
        if link.broken is None:
            link.out.append(encode_frame(Kind.CANCEL, Codec.MSGPACK, 0, entry.call_id, 0, 0))
            link.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Put a request to the service itself.

        Raises:
            ServiceRefused: It won't do that.
        """
        entry = self.start_request(message)
        self.wait(entry, None)
        return read_answer(entry)

    def defer(self, function: Callable[[Any], object], entry: Entry) -> None:
        """Have `function(entry)` called soon, by a thread that does not read the socket at that moment."""
        self._deferred.append((function, entry))

    def run_deferred(self) -> None:
        """Call what was deferred, unless another thread is at it."""
        while self._deferred and self._deferring.acquire(False):
            try:
                with contextlib.suppress(IndexError):
                    function, entry = self._deferred.popleft()
                    try:
                        function(entry)
                    except Exception:
                        _log.exception("a callback of %r failed", entry)
            finally:
                self._deferring.release()

    def tend(self) -> tuple[bool, bool]:
        """The housekeeper's round: whether anything is under way, and whether it moved."""
        link = self._link
        if link.broken is not None or not (link.pending or link.out or self._deferred):
            return False, False
        before = len(link.pending) + len(link.out)
        link.flush()
        link.look()
        self.run_deferred()
        return True, before != len(link.pending) + len(link.out)

    def _tell_output(self, call_id: int, payload: Payload, flags: int) -> None:
        tell(self._output, call_id, payload, flags)

    # -- links -------------------------------------------------------------------------------------------------------

    def live(self) -> Link:
        """The link, or after it broke, a new one.

        Raises:
            NoService, ServiceRefused, ClientClosed, ForkedClient: There is none to be had.
        """
        link = self._link
        if link.broken is not None:
            self._revive(link)
            with self._connecting:
                link = self._connected()
        return link

    def close(self) -> None:
        """Leave. Calls under way fail."""
        self.closed = True
        if not self.forked:
            self._link.close()
            self.place.leave()
        self.run_deferred()

    def _open(self, patience: float) -> Link:
        if self.forked:
            raise ForkedClient(
                f"this client of {self.place} was made in another process, before a fork; connect anew in this one"
            )
        if self.closed:
            raise ClientClosed(f"this client of {self.place} was closed")
        waits = pauses(patience)
        while True:
            try:
                greeted = greet(self.place, pool=self.pool, name=self._name)
                break
            except NoService:
                pause = next(waits, None)
                if pause is None:
                    raise
            time.sleep(pause)
        self.welcome = greeted.welcome
        greeted.sock.settimeout(None)
        return Link(self, greeted.sock, greeted.reader, self._tell_output)

    def _connected(self) -> Link:
        """With `_connecting` held: a link that is not known to be broken."""
        if self._link.broken is not None:
            old = self._link
            self._link = self._open(self._patience)
            old.close()
        return self._link

    def _revive(self, link: Link) -> None:
        """A link broke: send on a new one what can be sent again, and have all else fail."""
        link.sweep()
        with self._connecting:
            carried, link.carried = link.carried, []
            if not carried:
                return
            try:
                live = self._connected()
            except BasculeError as error:
                for entry, _ in carried:
                    entry.settle(RAISED, error)
                return
            for entry, frame in carried:
                entry.link = live
                live.pending[entry.call_id] = entry
                live.out.extend(frame)
        live.flush()

    def after_fork(self) -> None:
        """In the child: the connection is the parent's."""
        self.forked = True
        self._make_locks()
        self._link.abandon()


def _abandon_all() -> None:
    for connection in list(_all):
        connection.after_fork()


os.register_at_fork(after_in_child=_abandon_all)
