"""What goes out on the port, and how an answer comes about.

Every thread may be here at any time: what is encoded is encoded before the lock is taken, and the lock covers nothing
but the write.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from os import write

from bascule.workers.erlport.calling import classes_of, find, frames_of, text_of
from bascule.workers.erlport.leaving import leave_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bascule.protocols.erlport.messages import Call, ErlportConversation, Message, Refused

    Codec = Callable[[Any], Any]
    Find = Callable[[str, tuple[str, ...]], Callable[..., Any]]


class Exchange:
    """The outgoing half of a port, and what user code has set for it.

    Attributes:
        encoder: Applied to each result, and to each argument of a call to Erlang.
        decoder: Applied to each argument of a call from Erlang, and to each of Erlang's results.
        handler: Gets the messages.
    """

    def __init__(self, conversation: ErlportConversation, fd: int) -> None:
        self.conversation = conversation
        self.encoder: Codec | None = None
        self.decoder: Codec | None = None
        self.handler: Codec | None = None
        self.find: Find = find  # what a call names -> what is called
        self.forked = False  # this process is a forked child: the port is its parent's
        self._fd = fd
        self._lock = allocate_lock()

    def outcome(self, call: Call) -> list[bytes]:
        """Run a call; what to send of it. Nothing escapes."""
        try:
            arguments = call.arguments()
            if self.decoder is not None:
                arguments = list(map(self.decoder, arguments))
            result = self.find(call.module, call.names)(*arguments)
            if self.encoder is not None:
                result = self.encoder(result)
            pieces = self.conversation.reply(call.id, result)
        except BaseException as error:  # sys.exit() too is the call's error, as in ErlPort
            pieces = self._failure(call.id, error)
        if self.forked:
            leave_child(None)
        return pieces

    def handle(self, message: Message) -> None:
        """Give a message to the handler. Its error ends the instance: Erlang closes the port when it hears of it."""
        handler = self.handler
        if handler is None:
            return
        try:
            value = message.value()
        except Exception as error:  # nobody waits for an answer, and the next message may be better
            print(f"bascule-erlport: a message can't be read: {type(error).__name__}: {error}", file=sys.stderr)
            return
        try:
            handler(value)
        except BaseException as error:
            failed = self._failure(None, error)
        else:
            failed = []
        if self.forked:
            leave_child(None)
        if failed:
            self.send(failed)

    def refuse(self, refused: Refused) -> None:
        """Say why a call can't be made."""
        self.send(self.conversation.error(refused.id, ["erlport.erlang.InvalidMessage"], refused.reason, []))

    def send(self, pieces: list[bytes]) -> None:
        """Write one frame, or several. Once the node is gone nothing is written: the reader learns of it too."""
        with self._lock:
            try:
                for piece in pieces:
                    written = write(self._fd, piece)
                    while written < len(piece):  # it was very large, or a signal came
                        written += write(self._fd, memoryview(piece)[written:])
            except OSError:
                pass

    def fork(self) -> None:
        """In the child: the port is the parent's alone."""
        self.forked = True
        self._lock = allocate_lock()

    def _failure(self, call_id: bytes | None, error: BaseException) -> list[bytes]:
        if self.forked:
            leave_child(error)
        return self.conversation.error(call_id, classes_of(error), text_of(error), frames_of(error))
