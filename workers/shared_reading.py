"""Reading the wire of a worker whose one thread runs the calls, while that thread is in the middle of one.

It is needed from the first time that a thread of user code's own asks the client something: the main thread may be busy
for long, or wait for the very thread that asks. What is read for the main thread goes where that looks: into its
mailbox, or, while it waits for an answer itself, to its callback.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import allocate_lock, start_new_thread

from bascule.protocols import packed
from bascule.protocols.envelope import Kind
from bascule.workers.nesting import FOR_CALLBACKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from bascule.protocols.envelope import Frame
    from bascule.workers.loop import SingleLoop
    from bascule.workers.objects import ObjectTable

_CONTROL: Final = int(Kind.CONTROL)


class SharedReading:
    """The wire, read by a thread of its own from the day that is needed.

    The main thread must not be in the middle of reading when that begins. It certainly is not while it runs a call
    (`Runner.call_id`), unless that call waits for an answer and reads meanwhile (`main_reads`).
    """

    def __init__(self, loop: SingleLoop) -> None:
        self._mailbox: SimpleQueue[list[Frame] | None] = SimpleQueue()
        self._loop = loop
        self._lock = allocate_lock()
        self._started = False

    def start(self, *, by_main: bool = False) -> bool:
        """Whether the thread reads, from now on at the latest. The main thread itself always knows that it may."""
        loop = self._loop
        with self._lock:
            if not self._started:
                if not by_main and (loop.main_reads or not loop.runner.call_id):
                    return False
                self._started = True
                start_new_thread(self._read, ())
        return True

    def read(self, objects: ObjectTable) -> list[Frame] | None:
        """On the main thread: the next frames that are for it."""
        self.start(by_main=True)
        if objects.sweep_is_due():
            objects.sweep()
        while True:
            try:
                return self._mailbox.get(timeout=None if objects.lease is None else objects.lease / 2)
            except Empty:
                objects.sweep()

    def take_all(self) -> list[Frame]:
        """On the main thread: all frames that there are for it."""
        frames: list[Frame] = []
        try:
            while (some := self._mailbox.get_nowait()) is not None:
                frames += some
            self._mailbox.put(None)  # the end is for `read`
        except Empty:
            pass
        return frames

    def _read(self) -> None:
        loop = self._loop
        callbacks = loop.callbacks
        assert callbacks is not None
        while (frames := loop.take_in()) is not None:
            for_main: list[Frame] = []
            for frame in frames:
                if frame[0] in FOR_CALLBACKS:
                    callbacks.take(frame)
                elif not (frame[0] == _CONTROL and _cancelled_here(loop, frame)):
                    for_main.append(frame)
            if for_main:
                callbacks.take_for_main(for_main, self._mailbox)
        self._mailbox.put(None)
        callbacks.cancel()


def _cancelled_here(loop: SingleLoop, frame: Frame) -> bool:
    """Whether it is the order to cancel a call; the main thread may wait for the very thread that runs it."""
    message = packed.loads(frame[6])
    if message.get("op") != "cancel":
        return False
    loop.cancel(message.get("call", 0))
    return True
