"""Recording on CPython 3.11: the code of recorded modules is rewritten so that it hands over its operands itself.

Before each instruction that may be a use of the target stands a test of a list, and behind it, jumped over once the
list is empty, a call with copies of the operands from the stack (`COPY`). The instruction itself is left as it was and
runs in the same frame, so nothing else changes: no other frame, variable, order of evaluation or traceback. A place
that has told enough empties its list and costs that one test from then on.

A method call keeps its quick form (`LOAD_METHOD`) once it is switched off; before, the method is loaded like any
attribute, since the quick form leaves a NULL or an object on the stack and nothing can tell which.

Code is rewritten when it is loaded: by the loaders of source files, byte code files and zip files, by pytest's
rewriting of assertions, and at the start in all functions that exist already. Code that a program compiles itself and
runs with `exec` is not seen.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from functools import lru_cache

from .assembler import Assembler, Emitted, Label, Range, exception_entries
from .bytecode import NULL, Analysis, Does, Instruction, behind
from .operations import APPLIED
from .splicing import body_of, insert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from .bytecode import Step
    from .sites import Site, Telling

_CALLS = (Does.CALL, Does.CALL_NAMED, Does.CALL_SPREAD)
_traceback_of = BaseException.__dict__["__traceback__"].__get__


class _Gate:
    """A place in rewritten code: the list that its instructions test, empty when it is switched off."""

    __slots__ = ("open", "site")

    def __init__(self, site: Site) -> None:
        self.site = site
        self.open = [True]


class Rewriting:
    """The back end. `start` and `stop` bracket a recording; `Telling.paused` suspends it."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._calls: dict[int, dict[int, Site]] = {}  # code -> the sites of its calls, by offset
        self._watches: dict[int, weakref.ref[CodeType]] = {}
        self._gates: list[_Gate] = []
        self._entrances: list[list[bool]] = []
        self._undo: list[Callable[[], None]] = []
        self._rewritten: dict[types.FunctionType, CodeType] = {}

    def start(self) -> None:
        """Begin to see."""
        from importlib.machinery import SourceFileLoader, SourcelessFileLoader
        from zipimport import zipimporter

        for loader in (SourceFileLoader, SourcelessFileLoader, zipimporter):
            self._patch(loader, "get_code", self._loading)
        for function in [each for each in gc.get_objects() if type(each) is types.FunctionType]:
            module = function.__globals__.get("__name__")
            fresh = self.rewrite(function.__code__, module)
            if fresh is not function.__code__:
                self._undo.append(_restore(function))
                function.__code__ = fresh

    def stop(self) -> None:
        """See nothing any more; what is already loaded keeps tests that find an empty list."""
        for gate in self._gates:
            gate.open.clear()
            gate.site.follow.clear()
        for entrance in self._entrances:
            entrance.clear()
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def rewrite(self, code: CodeType, module: object) -> CodeType:
        """The code as it has to be in a module of this name: the same object where there is nothing to see."""
        matcher = self._telling.matcher
        if matcher.is_user(module):
            return self._recorded(code)
        if matcher.is_target(module):
            return self._entered(code)
        return code

    def _patch(self, owner: type, name: str, around: Callable[..., object]) -> None:
        original = getattr(owner, name)
        own = name in vars(owner)
        setattr(owner, name, around(original))

        def undo() -> None:
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)

        self._undo.append(undo)

    def _loading(self, original: Callable[..., CodeType | None]) -> Callable[..., CodeType | None]:
        def get_code(loader: object, fullname: str) -> CodeType | None:
            code = original(loader, fullname)
            return None if code is None else self.rewrite(code, fullname)

        return get_code

    def patch_pytest(self) -> None:
        """See the modules whose assertions pytest rewrites."""
        module = sys.modules.get("_pytest.assertion.rewrite")
        if module is None:
            return

        def execute(code: CodeType, namespace: dict[str, object]) -> None:
            exec(self.rewrite(code, namespace.get("__name__")), namespace)

        vars(module)["exec"] = execute
        self._undo.append(lambda: vars(module).pop("exec", None) and None)

    # ---- Code of recorded modules ----------------------------------------------------------------------------------

    def _recorded(self, code: CodeType) -> CodeType:
        try:
            return self._with_sites(code)
        except Exception as error:
            self._telling._fault(error)
            return code

    def _with_sites(self, code: CodeType) -> CodeType:
        if id(code) in self._calls:
            return code  # it is what came out
        analysis = Analysis(code)
        writer = _Writer(code, analysis)
        calls: dict[int, Emitted] = {}
        sites: dict[int, Site] = {}
        gates = {step.offset: self._gate(code, step) for step in analysis.steps}
        inserted = {step.insert: gates[step.offset] for step in analysis.steps}
        loaded_for = {
            _loaded_by(analysis, step): gates[step.offset] for step in analysis.steps if step.does is Does.CALL
        }
        gives = False
        for each in analysis.all:
            writer.begin(each)
            gate = inserted.get(each.first)
            if gate is not None:
                self._hand_over(writer, each, analysis, gate)
            if each.name == "LOAD_METHOD" and each.offset in loaded_for:
                writer.load_method(each, loaded_for[each.offset].open)
                continue
            emitted = writer.copy(each)
            done = gates.get(each.offset)
            if done is not None and done.site.calls:
                calls[each.offset] = emitted
                sites[each.offset] = done.site
            if done is not None and done.site.gives and self._telling.results:
                gives = True
                writer.tell_result(each, done.site.follow, self._result(done.site))
            if each.name == "PUSH_EXC_INFO" and self._telling.results:
                writer.tell_error(each, self._raised_in(sites, calls, gates, writer.emitted))
        if gives:
            writer.catch_all(self._raised_in(sites, calls, gates, writer.emitted))
        consts = [self._recorded(each) if isinstance(each, types.CodeType) else each for each in code.co_consts]
        fresh = writer.finish(consts)
        self._remember(fresh, {calls[offset].at * 2 + 2 * calls[offset].prefixes: sites[offset] for offset in calls})
        return fresh

    def _remember(self, code: CodeType, calls: dict[int, Site]) -> None:
        address = id(code)

        def forget(_: object) -> None:
            self._calls.pop(address, None)
            self._watches.pop(address, None)

        self._watches[address] = weakref.ref(code, forget)
        self._calls[address] = calls

    def _gate(self, code: CodeType, step: Step) -> _Gate:
        gate = _Gate(self._telling.site(code, step))
        self._gates.append(gate)
        return gate

    def _hand_over(self, writer: _Writer, each: Instruction, analysis: Analysis, gate: _Gate) -> None:
        step = gate.site.step
        take = step.take
        if gate.site.calls:
            stack = analysis.stacks[each.first]
            take -= stack[len(stack) - take] == NULL
        writer.call_behind(each, gate.open, self._see(gate), take)

    def _see(self, gate: _Gate) -> Callable[..., None]:
        """What a place calls: with as few steps as can be where, as nearly always, the target has no part in it."""
        site, telling, opened = gate.site, self._telling, gate.open
        exhaustive, never, touches = telling.exhaustive, telling.matcher.never, telling.matcher.touches_callable
        getframe = sys._getframe

        def see(*operands: object) -> None:
            for value in operands:
                if id(type(value)) not in never:
                    break
            else:
                if exhaustive:
                    return
            if not telling.paused:
                telling.see(site, operands, id(getframe(1)))
                if not site.on:
                    opened.clear()

        def see_call(*operands: object) -> None:
            function = operands[0]
            if exhaustive and id(function) not in APPLIED and not touches(function):
                return
            if not telling.paused:
                telling.see(site, operands, id(getframe(1)))
                if not site.on:
                    opened.clear()

        return see_call if site.calls and not site.spreads else see

    def _result(self, site: Site) -> Callable[[object], None]:
        telling = self._telling
        getframe = sys._getframe

        def result(value: object) -> None:
            telling.result(site, id(getframe(1)), value)

        return result

    def _raised_in(
        self,
        sites: dict[int, Site],
        calls: dict[int, Emitted],
        gates: dict[int, _Gate],
        emitted: dict[int, Emitted],
    ) -> Callable[[object], None]:
        telling = self._telling
        getframe = sys._getframe
        by_offset: dict[int, Site] = {}

        def raised(error: object) -> None:
            if not by_offset:
                for offset, gate in gates.items():
                    made = emitted[offset]
                    by_offset[2 * (made.at + made.prefixes)] = gate.site
            frame = getframe(1)
            trace = _traceback_of(error)
            while trace is not None and trace.tb_frame is not frame:
                trace = trace.tb_next
            site = None if trace is None else behind(trace.tb_lasti, by_offset)
            if site is not None and site.follow:
                telling.raised(site, id(frame), error)  # type: ignore[arg-type]

        return raised

    # ---- Functions of the target, called from compiled code --------------------------------------------------------

    def _entered(self, code: CodeType) -> CodeType:
        try:
            return self._with_entrance(code)
        except Exception as error:
            self._telling._fault(error)
            return code

    def _with_entrance(self, code: CodeType) -> CodeType:
        if id(code) in self._calls:
            return code
        consts = tuple(self._entered(each) if type(each) is types.CodeType else each for each in code.co_consts)
        at = None if "<" in code.co_name else body_of(code)
        fresh = None
        if at is not None:
            entrance = [True]
            more = (*consts, entrance, self._entrance(entrance))
            fresh = insert(code, at, _entrance_code(len(consts)), more, _ENTRANCE_STACK)
            if fresh is not None:
                self._entrances.append(entrance)
        if fresh is None:
            fresh = code.replace(co_consts=consts)
        self._remember(fresh, {})
        return fresh

    def _entrance(self, entrance: list[bool]) -> Callable[[], None]:
        telling = self._telling
        left = [8]

        def entered() -> None:
            frame = sys._getframe(1)
            back = frame.f_back
            calls = None if back is None else self._calls.get(id(back.f_code))
            site = behind(back.f_lasti, calls) if calls and back is not None else None
            keep = False
            if site is not None and not site.touched and not telling.paused:
                keep = telling.entered(frame.f_code, frame)
            if not keep:
                left[0] -= 1
                if left[0] <= 0:
                    entrance.clear()

        return entered


_ENTRANCE_STACK = 3


@lru_cache(maxsize=256)
def _entrance_code(count: int) -> bytes:
    """Unless the list that is the constant `count` is empty, call the one that follows it."""
    fragment = Assembler()
    done = Label()
    fragment.emit("LOAD_CONST", count, None)
    fragment.emit("POP_JUMP_FORWARD_IF_FALSE", 0, None, done)
    fragment.emit("PUSH_NULL", 0, None)
    fragment.emit("LOAD_CONST", count + 1, None)
    fragment.emit("PRECALL", 0, None)
    fragment.emit("CALL", 0, None)
    fragment.emit("POP_TOP", 0, None)
    fragment.place(done)
    return fragment.code()


def _restore(function: types.FunctionType) -> Callable[[], None]:
    held = weakref.ref(function)
    code = function.__code__

    def restore() -> None:
        target = held()
        if target is not None:
            target.__code__ = code

    return restore


def _loaded_by(analysis: Analysis, step: Step) -> int:
    """Which instruction put there what a call calls."""
    stack = analysis.stacks[step.insert]
    return stack[len(stack) - step.take + 1]


class _Writer:
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

    def call_behind(self, each: Instruction, opened: list[bool], function: object, take: int) -> None:
        """Unless the list is empty, call a function with copies of the topmost entries."""
        emit, at = self._assembler.emit, self._position(each)
        done = Label()
        emit("LOAD_CONST", self._const(opened), at)
        emit("POP_JUMP_FORWARD_IF_FALSE", 0, at, done)
        self._call(function, take, take, at)
        self._assembler.place(done)

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
        emit = self._assembler.emit
        emit("PUSH_NULL", 0, at)
        emit("LOAD_CONST", self._const(function), at)
        for _ in range(take):
            emit("COPY", above + 2, at)
        emit("PRECALL", take, at)
        emit("CALL", take, at)
        emit("POP_TOP", 0, at)
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
