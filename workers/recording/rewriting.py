"""Recording on CPython 3.11: the code of recorded modules is rewritten so that it hands over its operands itself.

Before each instruction that may be a use of the target stands a test of a list, and behind it, jumped over once the
list is empty, a call with copies of the operands from the stack (`COPY`). The instruction itself is left as it was and
runs in the same frame, so nothing else changes: no other frame, variable, order of evaluation or traceback. A place
that has told enough empties its list and costs that one test from then on.

A method call keeps its quick form (`LOAD_METHOD`) once it is switched off; before, the method is loaded like any
attribute, since the quick form leaves a NULL or an object on the stack and nothing can tell which.

Code is rewritten when it is loaded (`loading.py` says from where), and at the start in all functions that there are.
What recorded code hands to `exec` and `eval` is exchanged on the stack, so that these see the caller's own frame.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from functools import lru_cache

from .assembler import Assembler, Emitted, Label
from .bytecode import NULL, Analysis, Does, Instruction, behind
from .loading import Loading
from .operations import APPLIED
from .splicing import body_of, insert
from .writer import Writer

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
        self._loading = Loading(self.rewrite)
        self._undo: list[Callable[[], None]] = []
        self._rewritten: dict[types.FunctionType, CodeType] = {}

    def start(self) -> None:
        """Begin to see."""
        self._loading.start()
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
        self._telling.awaited.clear()
        self._loading.stop()
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

    def see_pytest(self) -> None:
        """See the modules whose assertions pytest rewrites."""
        self._loading.see_pytest()

    def see_script(self) -> None:
        """See the script that this interpreter, which has just begun, is about to run."""
        self._loading.see_script()

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
        writer = Writer(code, analysis)
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

    def _hand_over(self, writer: Writer, each: Instruction, analysis: Analysis, gate: _Gate) -> None:
        step = gate.site.step
        take = step.take
        if gate.site.calls:
            stack = analysis.stacks[each.first]
            if step.does is Does.CALL and step.what is None and _may_make(analysis, step):
                writer.exchange(each, self._loading.made, step.take - 1)
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
        if code.co_flags & _COROUTINE and self._telling.results:
            fresh = self._with_end(fresh)
        self._remember(fresh, {})
        return fresh

    def _with_end(self, code: CodeType) -> CodeType:
        """A coroutine's code that tells what it returns, as long as there is a coroutine of which that is asked."""
        telling, getframe = self._telling, sys._getframe

        def ended(value: object) -> None:
            telling.ended(getframe(1), value)

        analysis = Analysis(code)
        writer = Writer(code, analysis)
        for each in analysis.all:
            writer.begin(each)
            if each.name == "RETURN_VALUE":
                writer.call_behind(each, telling.awaited, ended, 1)
            writer.copy(each)
        return writer.finish(list(code.co_consts))

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
_COROUTINE = 0x80  # in a code object's flags


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


def _may_make(analysis: Analysis, step: Step) -> bool:
    """Whether a call, by the name of what is called, may be one of `exec` or `eval`."""
    each = analysis.by_offset.get(_loaded_by(analysis, step))
    if each is None or each.name not in ("LOAD_GLOBAL", "LOAD_NAME") or not 3 <= step.take <= 5:
        return False
    name = analysis.code.co_names[each.arg >> 1 if each.name == "LOAD_GLOBAL" else each.arg]
    return name in ("exec", "eval")
