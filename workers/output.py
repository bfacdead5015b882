"""What user code prints: sys.stdout and sys.stderr as frames on the wire, each with the call that it belongs to.

`Capture` owns the text that waits. A thread that runs calls has a buffer of its own, whose text carries the id of its
call; all other threads (user code's own) share one for each stream, whose text carries the id of the call that runs
when one thread runs calls, else 0. `print` in a loop must not cost a system call each, and a lone "connecting..." must
not wait for the call's end: a buffer is written at a newline as long as that was not done too often lately (`_Budget`),
at 8 KiB otherwise, on `flush()`, and always before the call's reply.

The frames go through `Wire`, in line with the replies. In a forked child the wire is closed: there the text goes to
descriptors 1 and 2, which are pipes that the bridge drains.
"""

from __future__ import annotations

import io
import os
import sys
import time
from _thread import _local, allocate_lock

from bascule.protocols.envelope import Codec, Flag, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final, NoReturn

    from bascule.workers.cancel import Gate
    from bascule.workers.wire import Wire

_FULL: Final = 8192  # characters in a buffer that are made a frame
_PIECE: Final = 4_000  # characters of one frame, when a very long text is printed: in UTF-8 less than wire.LARGE
_ASCII_PIECE: Final = 16_000
_BURST: Final = 64  # newlines that are written at once ...
_PER_SECOND: Final = 500.0  # ... and how fast that allowance grows back

_OUTPUT: Final = int(Kind.OUTPUT)
_CODEC: Final = int(Codec.MSGPACK)  # output is text in every codec; the field has to say something
_ERR: Final = int(Flag.ERR)
_NAMES: Final = {False: "<stdout>", True: "<stderr>"}


class _Budget:
    """How many more writes at a newline are reasonable now: a token bucket."""

    __slots__ = ("_left", "_then")

    def __init__(self) -> None:
        self._left = float(_BURST)
        self._then = time.monotonic()

    def take(self) -> bool:
        if self._left < 1.0:
            now = time.monotonic()
            self._left = min(float(_BURST), self._left + (now - self._then) * _PER_SECOND)
            self._then = now
            if self._left < 1.0:
                return False
        self._left -= 1.0
        return True


class Buffer:
    """Text on its way. One thread writes it (or many, then they share the budget and do not mind)."""

    __slots__ = ("budget", "err", "gate", "owner", "size", "texts")

    def __init__(self, owner: Any, gate: Gate | None) -> None:
        self.owner = owner  # has the call_id and session that the text belongs to; None: nobody
        self.gate = gate  # shields the thread while it writes to the wire; None: nothing ever interrupts it
        self.texts: list[str] = []
        self.size = 0
        self.err = False
        self.budget = _Budget()


class Capture:
    """Everything that user code has printed and that has not left yet."""

    def __init__(self, wire: Wire) -> None:
        self.dirty = False  # other threads than those that run calls have printed
        self._wire = wire
        self._local = _local()
        self._shared = (Buffer(None, None), Buffer(None, None))
        self._shared[1].err = True
        self._lock = allocate_lock()
        self._plain = False  # a forked child: straight to the descriptors

    def adopt(self, owner: Any, gate: Gate, *, alone: bool) -> list[str]:
        """Text of the current thread belongs to what `owner` runs.

        Returns the list in which that text waits: before a reply, `if texts or capture.dirty: capture.seal()`.

        Args:
            owner: Has `call_id` and `session`.
            gate: What may interrupt the thread.
            alone: No other thread runs calls: so what user code's own threads print is `owner`'s too.
        """
        own = self._local.buffer = Buffer(owner, gate)
        if alone:
            for shared in self._shared:
                shared.owner = owner
        return own.texts

    def owner_here(self) -> tuple[Any, Gate | None]:
        """What runs the calls of the current thread, and what may interrupt it; None twice: nobody can tell."""
        buffer: Buffer = getattr(self._local, "buffer", self._shared[0])
        return buffer.owner, buffer.gate

    def part_with(self) -> None:
        """The current thread, one of user code's own, runs calls no longer."""
        self.seal()
        del self._local.buffer

    def write(self, text: str, err: bool) -> None:
        """Take text in; it leaves when it should."""
        try:
            buffer: Buffer = self._local.buffer
        except AttributeError:
            self._write_shared(text, err)
            return
        if buffer.err is not err:
            self._seal(buffer)
            buffer.err = err
        buffer.texts.append(text)
        buffer.size += len(text)
        if buffer.size >= _FULL:
            self._seal(buffer)
        if "\n" in text and (self._plain or buffer.budget.take()):
            self.flush()

    def flush(self) -> None:
        """Let all that the current thread may write leave now."""
        buffer: Buffer | None = getattr(self._local, "buffer", None)
        gate = buffer.gate if buffer is not None else None
        if gate is None or self._plain:
            self.seal()
            self._wire.flush()
            return
        armed = gate.shield()
        try:
            self.seal()
            self._wire.flush()
        finally:
            gate.unshield(armed)

    def seal(self) -> None:
        """Make frames of the current thread's text, and of other threads', and put them in line. No system call."""
        buffer: Buffer | None = getattr(self._local, "buffer", None)
        if buffer is not None:
            self._put(buffer)
        # Not a wait for the lock: user code's own signal handler may print while this very thread holds it.
        if self.dirty and self._lock.acquire(False):
            try:
                self.dirty = False
                for shared in self._shared:
                    self._put(shared)
            finally:
                self._lock.release()

    def go_plain(self) -> None:
        """This is a forked child: what the parent's buffers held is the parent's to send."""
        self._plain = True
        self._lock = allocate_lock()
        buffer: Buffer | None = getattr(self._local, "buffer", None)
        for one in (*self._shared, buffer):
            if one is not None:
                one.texts.clear()
                one.size = 0

    def _write_shared(self, text: str, err: bool) -> None:
        with self._lock:
            buffer = self._shared[err]
            buffer.texts.append(text)
            buffer.size += len(text)
            self.dirty = True
            leave = buffer.size >= _FULL or ("\n" in text and (self._plain or buffer.budget.take()))
            if leave:
                self._put(buffer)
        if leave:
            self._wire.flush()

    def _seal(self, buffer: Buffer) -> None:
        gate = buffer.gate
        if gate is None or self._plain:
            self._put(buffer)
            return
        armed = gate.shield()
        try:
            self._put(buffer)
        finally:
            gate.unshield(armed)

    def _put(self, buffer: Buffer) -> None:
        texts = buffer.texts[:]
        if not texts:
            return
        del buffer.texts[: len(texts)]
        buffer.size = 0
        text = "".join(texts)
        if self._plain:
            _write_all(2 if buffer.err else 1, _encode(text))
            return
        owner = buffer.owner
        call_id, session = (owner.call_id, owner.session) if owner is not None else (0, 0)
        if not call_id:
            session = 0
        flags = _ERR if buffer.err else 0
        step = _ASCII_PIECE if text.isascii() else _PIECE
        for start in range(0, len(text), step):
            self._wire.send(_OUTPUT, _CODEC, flags, call_id, session, _encode(text[start : start + step]))


class _Bytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes that are text in UTF-8, or nearly."""

    def __init__(self, text: TextOutput) -> None:
        import codecs

        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.name = text.name
        self.mode = "wb"

    def write(self, data: Any) -> int:
        """Bytes in; an unfinished character waits for its rest."""
        raw = bytes(data)
        text = self._decoder.decode(raw)
        if text:
            self._text.write(text)
        return len(data) if isinstance(data, (bytes, bytearray)) else memoryview(data).nbytes

    def flush(self) -> None:
        """As the text's."""
        self._text.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The real descriptor beneath."""
        return self._text.fileno()

    def isatty(self) -> bool:
        """Never."""
        return False

    @property
    def raw(self) -> _Bytes:
        """Unbuffered code gets the same."""
        return self


class TextOutput(io.TextIOBase):
    """What sys.stdout and sys.stderr are in a worker."""

    mode = "w"
    line_buffering = True
    write_through = False

    def __init__(self, capture: Capture, *, err: bool) -> None:
        self._write = capture.write
        self._flush = capture.flush
        self._err = err
        self._bytes: _Bytes | None = None
        self.name = _NAMES[err]

    encoding = "utf-8"  # the base class has a property, which says None
    errors = "backslashreplace"

    @property
    def buffer(self) -> _Bytes:
        """The same stream for bytes."""
        if self._bytes is None:
            self._bytes = _Bytes(self)
        return self._bytes

    def write(self, text: str) -> int:
        """Text, to the caller of what is running."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._write(text, self._err)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Each of the lines, as they are."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Let it leave now."""
        self._flush()

    def close(self) -> None:
        """Stays open: the next call prints too."""
        self._flush()

    def reconfigure(self, **_options: object) -> None:
        """Accepted and ignored: the wire is UTF-8."""

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """Never: programs should not colour what they print."""
        return False

    def fileno(self) -> int:
        """The real descriptor 1 or 2, for child processes."""
        return 2 if self._err else 1

    def detach(self) -> NoReturn:
        """There is nothing beneath that could stand alone."""
        raise io.UnsupportedOperation("the standard streams of a worker can't be detached")


def install(capture: Capture) -> None:
    """Put the captured streams in place."""
    sys.stdout = TextOutput(capture, err=False)
    sys.stderr = TextOutput(capture, err=True)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        return  # nobody reads it any more
