"""Copies a code object of CPython 3.11 instruction by instruction, with tests and calls of ours in between.

What is added leaves the stack as it finds it, but for `exchange`; jumps lead to what stands before their target.
"""

from __future__ import annotations

from .assembler import Assembler, Emitted, Label, Range, exception_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from .bytecode import Analysis, Instruction


class Writer:
    """Copies a code object's instructions, with more in between."""

    def __init__(self, code: CodeType, analysis: Analysis) -> None:
        self.code = code
        self.emitted: dict[int, Emitted] = {}
        self._assembler = Assembler()
        self._labels = {each.first: Label() for each in analysis.all}
        self._end = Label()
        self._labels[len(code.co_code)] = self._end
        self._added: list[object] = []
        self._positions = list(code.co_positions())
        self._stack = 0
        self._all = analysis.all

    def begin(self, each: Instruction) -> None:
        """Whoever jumps to this instruction comes here."""
        self._assembler.place(self._labels[each.first])

    def copy(self, each: Instruction) -> Emitted:
        """Add it as it was."""
        target = None
        if each.op in _JUMPS:
            distance = each.arg * 2
            target = self._labels[each.end - distance if "BACKWARD" in each.name else each.end + distance]
        made = self._assembler.emit(each.name, each.arg, self._position(each), target)
        self.emitted[each.offset] = made
        return made

    def load_method(self, each: Instruction, opened: list[bool]) -> None:
        """Load a method like an attribute as long as the list is not empty."""
        emit, at = self._assembler.emit, self._position(each)
        quick, done = Label(), Label()
        emit("LOAD_CONST", self._const(opened), at)
        emit("POP_JUMP_FORWARD_IF_FALSE", 0, at, quick)
        emit("LOAD_ATTR", each.arg, at)
        emit("PUSH_NULL", 0, at)
        emit("SWAP", 2, at)
        emit("JUMP_FORWARD", 0, at, done)
        self._assembler.place(quick)
        self.emitted[each.offset] = emit("LOAD_METHOD", each.arg, at)
        self._assembler.place(done)
        self._stack = max(self._stack, 2)

    def call_behind(self, each: Instruction, opened: object, function: object, take: int) -> None:
        """Unless a list or a dict is empty, call a function with copies of the topmost entries."""
        emit, at = self._assembler.emit, self._position(each)
        done = Label()
        emit("LOAD_CONST", self._const(opened), at)
        emit("POP_JUMP_FORWARD_IF_FALSE", 0, at, done)
        self._call(function, take, take, at)
        self._assembler.place(done)

    def exchange(self, each: Instruction, function: object, take: int) -> None:
        """Replace the second of the topmost entries by what a function makes of them all."""
        emit, at = self._assembler.emit, self._position(each)
        self._push_call(function, take, take, at)
        emit("SWAP", take, at)
        emit("POP_TOP", 0, at)

    def tell_result(self, each: Instruction, follow: object, function: object) -> None:
        """While `follow` holds something, call a function with what an instruction gave."""
        emit, at = self._assembler.emit, self._position(each)
        done = Label()
        emit("LOAD_CONST", self._const(follow), at)
        emit("POP_JUMP_FORWARD_IF_FALSE", 0, at, done)
        self._call(function, 1, 1, at)
        self._assembler.place(done)

    def tell_error(self, each: Instruction, function: object) -> None:
        """Call a function with the exception that a handler begins to handle."""
        self._call(function, 1, 1, self._position(each))

    def catch_all(self, function: object) -> None:
        """A handler for what the function itself does not handle: it is told, and goes on."""
        emit = self._assembler.emit
        at = (None, None, None, None)
        handler = Label()
        start = next((each.end for each in self._all if each.name == "RESUME"), None)
        if start is None:
            return
        covered = sorted((entry.start, entry.end) for entry in exception_entries(self.code))  # type: ignore[attr-defined]
        for low, high in _gaps(covered, start, len(self.code.co_code)):
            self._assembler.ranges.append(Range(self._labels[low], self._labels[high], handler, 0, True))
        self._assembler.place(self._end)
        self._end = Label()
        self._assembler.place(handler)
        emit("PUSH_EXC_INFO", 0, at)
        self._call(function, 1, 1, at)
        emit("SWAP", 2, at)
        emit("POP_EXCEPT", 0, at)
        emit("RERAISE", 1, at)
        self._stack = max(self._stack, 4)

    def finish(self, consts: list[object]) -> CodeType:
        """The code object with all that was added."""
        self._assembler.place(self._end)
        for entry in exception_entries(self.code):
            start, end, target = (self._labels[getattr(entry, name)] for name in ("start", "end", "target"))
            self._assembler.ranges.append(Range(start, end, target, entry.depth, entry.lasti))  # type: ignore[attr-defined]
        return self._assembler.finish(self.code, (*consts, *self._added), self._stack)

    def _call(self, function: object, take: int, above: int, at: object) -> None:
        self._push_call(function, take, above, at)
        self._assembler.emit("POP_TOP", 0, at)

    def _push_call(self, function: object, take: int, above: int, at: object) -> None:
        emit = self._assembler.emit
        emit("PUSH_NULL", 0, at)
        emit("LOAD_CONST", self._const(function), at)
        for _ in range(take):
            emit("COPY", above + 2, at)
        emit("PRECALL", take, at)
        emit("CALL", take, at)
        self._stack = max(self._stack, take + 3)

    def _const(self, value: object) -> int:
        self._added.append(value)
        return len(self.code.co_consts) + len(self._added) - 1

    def _position(self, each: Instruction) -> object:
        return self._positions[each.offset // 2]


def _jumps() -> frozenset[int]:
    import opcode

    return frozenset(opcode.hasjrel)


_JUMPS = _jumps()


def _gaps(covered: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """What no handler covers, from `start` to `end`."""
    found = []
    at = start
    for low, high in covered:
        if low > at:
            found.append((at, low))
        at = max(at, high)
    if at < end:
        found.append((at, end))
    return found
