"""Messages to the handler: one after another, and ahead of the calls that were sent after them.

Erlang's processes count on the order of what they send: a call that follows a cast finds what the handler did. So while
the handler runs, calls that come in are held; when it waits for Erlang itself they are let go, since that answer may
depend on them.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bascule.protocols.erlport.messages import Call, Message


class Lane:
    """The queue of messages.

    Args:
        handle: What to do with one.
        drain_elsewhere: Have `drain` run in another thread.
        let_go: What to do with a call that was held.
    """

    def __init__(
        self, handle: Callable[[Message], None], drain_elsewhere: Callable[[], None], let_go: Callable[[Call], None]
    ) -> None:
        self.busy = False
        self._handle = handle
        self._drain_elsewhere = drain_elsewhere
        self._let_go = let_go
        self._messages: deque[Message] = deque()
        self._held: deque[Call] = deque()
        self._thread = 0  # whose handler it is that calls wait for
        self._lock = allocate_lock()

    def put(self, message: Message) -> bool:
        """Queue a message. True: nobody is at it, so the caller sees to it that `drain` runs."""
        with self._lock:
            self._messages.append(message)
            if self.busy:
                return False
            self.busy = True
            return True

    def hold(self, call: Call) -> bool:
        """Keep a call until the messages before it are done. False: there are none."""
        with self._lock:
            if self.busy:
                self._held.append(call)
            return self.busy

    def drain(self) -> None:
        """Handle all messages, here."""
        me = self._thread = get_ident()
        while True:
            with self._lock:
                if self._thread != me:  # it waited for Erlang, and the lane is another's
                    return
                if not self._messages:
                    held = self._end()
                    break
                message = self._messages.popleft()
            self._handle(message)
        for call in held:
            self._let_go(call)

    def pause(self) -> None:
        """The calling thread is about to wait for Erlang: if it is the handler's, nothing waits for it any longer."""
        with self._lock:
            if self._thread != get_ident():
                return
            held = self._end()
            more = self.busy = bool(self._messages)
        if more:
            self._drain_elsewhere()
        for call in held:
            self._let_go(call)

    def _end(self) -> list[Call]:
        self.busy = False
        self._thread = 0
        held = list(self._held)
        self._held.clear()
        return held
