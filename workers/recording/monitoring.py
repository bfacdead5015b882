"""Recording on CPython 3.12 and newer: `sys.monitoring` tells each instruction, its operands are read off the stack.

Code of recorded modules gets the INSTRUCTION event when it is first entered; every other code object is told to send no
event again. A place that has told enough is switched off by itself, so that the interpreter runs it as fast as before.

Where the operands lie: a frame object points to the interpreter's frame, whose local variables are followed by the
stack; how deep that is at an instruction comes from the code (`bytecode.Analysis`). Both places are looked for and
checked when the recording starts, on a frame whose contents are known, and nothing is recorded where they are not
found. Only memory of a frame that is just running is read, and only its objects, never written.
"""

from __future__ import annotations

import ctypes
import sys
import weakref

from .bytecode import VERSION, Analysis, Does, behind
from .errors import RecorderBusy, UnknownInterpreter
from .sites import SIGHTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    from .bytecode import Step
    from .sites import Site, Telling

_monitoring: Any = getattr(sys, "monitoring", None)  # from 3.12 on
TOOL_NAME = "bascule record"
_FREE_TOOLS = (4, 3, 5, 2, 1, 0)
_WORD = ctypes.sizeof(ctypes.c_size_t)
_FRAME_POINTER = 3  # words into a frame object: reference count, type, f_back, then the interpreter's frame
_MOST_WORDS = 24
_CALLS = (Does.CALL, Does.CALL_NAMED, Does.CALL_SPREAD)


class Memory:
    """Reads the stack of a running frame."""

    def __init__(self) -> None:
        span = 1 << (47 - 3)  # what a process can have on 64-bit machines, in words
        self.words = (ctypes.c_size_t * span).from_address(0)
        self.objects = (ctypes.py_object * span).from_address(0)
        self.locals_at = self._find_locals()

    def _find_locals(self) -> int:
        sentinel = object()

        def probe(known: object) -> int:
            frame = sys._getframe()
            at = self.words[id(frame) // _WORD + _FRAME_POINTER] // _WORD
            for offset in range(4, _MOST_WORDS):
                if self.words[at + offset] == id(known):
                    return offset
            return -1

        found = probe(sentinel)
        if found < 0:
            raise UnknownInterpreter(
                f"the frames of this {sys.version.split()[0]} are laid out in a way not known here"
            )
        return found


class Plan:
    """What is looked at in one code object."""

    __slots__ = ("at", "stack_at", "watch")

    def __init__(self, at: dict[int, tuple[Site | None, Site | None, int]], stack_at: int) -> None:
        self.at = at  # offset -> the site there, the site whose value lies on top there, depth of the stack
        self.stack_at = stack_at  # words from the interpreter's frame to the stack
        self.watch: object = None

    def doing(self, offset: int) -> Site | None:
        """The site of the instruction at an offset, which may be that of its last inline cache."""
        entry = behind(offset, self.at)
        return None if entry is None else entry[0]


class Monitoring:
    """The back end. `start` and `stop` bracket a recording; `Telling.paused` suspends it."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._memory = Memory()
        self._plans: dict[int, Plan] = {}
        self._entrances: dict[int, int] = {}  # code of the target -> how often it is still looked at
        self._tool = -1

    def start(self) -> None:
        """Begin to see.

        Raises:
            RecorderBusy: Another recorder runs in this process, or all of the interpreter's slots are taken.
        """
        monitoring = _monitoring
        taken = {tool: monitoring.get_tool(tool) for tool in _FREE_TOOLS}
        if TOOL_NAME in taken.values():
            raise RecorderBusy("another recording runs in this process; end it first")
        free = [tool for tool, name in taken.items() if name is None]
        if not free:
            names = ", ".join(str(name) for name in taken.values())
            raise RecorderBusy(f"every slot of sys.monitoring is taken, by {names}: run without one of them")
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, TOOL_NAME)
        events = monitoring.events
        monitoring.register_callback(self._tool, events.PY_START, self._entered)
        monitoring.register_callback(self._tool, events.PY_RESUME, self._entered)
        monitoring.register_callback(self._tool, events.INSTRUCTION, self._instruction())
        monitoring.register_callback(self._tool, events.RAISE, self._raised)
        wanted = events.PY_START | events.PY_RESUME
        monitoring.set_events(self._tool, wanted | events.RAISE if self._telling.results else wanted)
        monitoring.restart_events()  # places that an earlier recording switched off

    def stop(self) -> None:
        """See nothing any more."""
        if self._tool < 0:
            return
        monitoring = _monitoring
        monitoring.set_events(self._tool, 0)
        for plan in list(self._plans.values()):
            code = plan.watch() if callable(plan.watch) else None
            if code is not None:
                monitoring.set_local_events(self._tool, code, 0)
        events = monitoring.events
        for event in (events.PY_START, events.PY_RESUME, events.INSTRUCTION, events.RAISE):
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def _entered(self, code: CodeType, offset: int) -> object:
        telling = self._telling
        frame = sys._getframe(1)
        name = frame.f_globals.get("__name__")
        if telling.matcher.is_user(name):
            if id(code) not in self._plans:
                self._look_at(code)
            return _monitoring.DISABLE
        if telling.matcher.is_target(name):
            if telling.paused:
                return None
            if self._compiled_caller(frame) is not None and telling.entered(code, frame):
                return None
            left = self._entrances.get(id(code), SIGHTINGS) - 1
            self._entrances[id(code)] = left
            if left > 0:
                return None
        return _monitoring.DISABLE

    def _compiled_caller(self, frame: FrameType) -> Site | None:
        """The place in recorded code from which compiled code, and no target's, has called a function."""
        back = frame.f_back
        plan = None if back is None else self._plans.get(id(back.f_code))
        if plan is None or back is None:
            return None
        site = plan.doing(back.f_lasti)
        return site if site is not None and site.step.does in _CALLS and not site.touched else None

    def _look_at(self, code: CodeType) -> None:
        telling = self._telling
        address = id(code)
        plans = self._plans

        def forget(_: object) -> None:
            plans.pop(address, None)

        at: dict[int, tuple[Site | None, Site | None, int]] = {}
        try:
            analysis = Analysis(code)
        except Exception as error:
            telling._fault(error)
            return
        sites = {step.offset: telling.site(code, step) for step in analysis.steps}
        before: dict[int, Site] = {}
        for site in sites.values():
            if site.gives and telling.results:
                before[site.step.next] = site
        for each in analysis.all:
            if each.first in analysis.stacks and (each.offset in sites or each.first in before):
                depth = len(analysis.stacks[each.first])
                if each.first != each.offset and each.first in before:
                    at[each.first] = (None, before.pop(each.first), depth)
                at[each.offset] = (sites.get(each.offset), before.get(each.first), depth)
        plan = Plan(at, self._memory.locals_at + _locals_of(code))
        plan.watch = weakref.ref(code, forget)
        plans[address] = plan
        _monitoring.set_local_events(self._tool, code, _monitoring.events.INSTRUCTION)

    def _raised(self, code: CodeType, offset: int, error: BaseException) -> object:
        plan = self._plans.get(id(code))
        if plan is not None:
            frame = id(sys._getframe(1))
            # 3.13 names the instruction before the one that raised when it was a call of a Python function.
            for at in (offset, offset + 2):
                site = plan.doing(at)
                if site is not None and frame in site.follow:
                    self._telling.raised(site, frame, error)
        return None

    def _instruction(self) -> Callable[[CodeType, int], object]:
        """The callback, with all that it needs within reach: it is called for every instruction."""
        plans = self._plans
        telling = self._telling
        words, objects = self._memory.words, self._memory.objects
        disable = _monitoring.DISABLE
        getframe = sys._getframe
        read = _reader()

        def instruction(code: CodeType, offset: int) -> object:
            plan = plans.get(id(code))
            if plan is None:
                return disable
            entry = plan.at.get(offset)
            if entry is None:
                return disable
            if telling.paused:
                return None
            site, before, depth = entry
            frame = getframe(1)
            if before is not None and before.follow:
                top = words[(id(frame) >> 3) + 3] // _WORD + plan.stack_at + depth - 1
                telling.result(before, id(frame), objects[top])
            if site is not None and site.on:
                top = words[(id(frame) >> 3) + 3] // _WORD + plan.stack_at + depth
                telling.see(site, read(words, objects, site.step, top), id(frame))
            if (site is None or not site.on) and (before is None or not (before.on or before.follow)):
                return disable
            return None

        return instruction


def _locals_of(code: CodeType) -> int:
    """How many words a frame has for variables, of every kind."""
    count = len(code.co_varnames) + len(code.co_cellvars) + len(code.co_freevars)
    while count:
        try:
            code._varname_from_oparg(count - 1)  # type: ignore[attr-defined]
        except IndexError:
            count -= 1  # an argument that is a cell as well has one place
        else:
            break
    return count


def _reader() -> Callable[[Any, Any, Step, int], Any]:
    """How a step's operands are read, given where the stack ends, for this version's order of function and self."""
    self_first = VERSION >= (3, 13)

    def read(words: Any, objects: Any, step: Step, top: int) -> Any:
        does = step.does
        low = top - step.take
        if does is Does.CALL or does is Does.CALL_NAMED:
            if self_first:
                begin = low + 2 if words[low + 1] == 0 else low + 1
                return [objects[low], *objects[begin:top]]
            return objects[low + 1 : top] if words[low] == 0 else objects[low:top]
        if does is Does.CALL_SPREAD:
            return [objects[low if self_first else low + 1], *objects[low + 2 : top]]
        return objects[low:top]

    return read
