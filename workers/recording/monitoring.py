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

from .bytecode import VERSION, Analysis, behind
from .errors import RecorderBusy, UnknownInterpreter
from .operations import APPLIED
from .sites import SIGHTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    from .sites import Site, Telling

_monitoring: Any = getattr(sys, "monitoring", None)  # from 3.12 on
TOOL_NAME = "bascule record"
_FREE_TOOLS = (4, 3, 5, 2, 1, 0)
_WORD = ctypes.sizeof(ctypes.c_size_t)
_FRAME_POINTER = 3  # words into a frame object: reference count, type, f_back, then the interpreter's frame
_MOST_WORDS = 24


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

    __slots__ = ("at", "watch")

    def __init__(self, at: dict[int, tuple[Site | None, Site | None, int, int]]) -> None:
        # offset -> the site there, the site whose value lies on top there, and from where to where its operands lie,
        # in words from the interpreter's frame
        self.at = at
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
        self._at: dict[int, dict[int, tuple[Site | None, Site | None, int, int]]] = {}  # of each plan, one step nearer
        self._entrances: dict[int, int] = {}  # code of the target -> how often it is still looked at
        self._awaited: dict[int, weakref.ref[CodeType]] = {}  # code of coroutines whose ends are told
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
        monitoring.register_callback(self._tool, events.PY_RETURN, self._returned)
        self._telling.watch = self._watch
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
        for watched in list(self._awaited.values()):
            code = watched()
            if code is not None:
                monitoring.set_local_events(self._tool, code, 0)
        events = monitoring.events
        for event in (events.PY_START, events.PY_RESUME, events.INSTRUCTION, events.RAISE, events.PY_RETURN):
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def _entered(self, code: CodeType, offset: int) -> object:
        telling = self._telling
        frame = sys._getframe(1)
        name = frame.f_globals.get("__name__")
        if name is None and frame.f_back is not None:  # code that was run with a namespace of its own
            name = frame.f_back.f_globals.get("__name__")
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
        return site if site is not None and site.calls and not site.touched else None

    def _look_at(self, code: CodeType) -> None:
        telling = self._telling
        address = id(code)
        plans, ats = self._plans, self._at

        def forget(_: object) -> None:
            plans.pop(address, None)
            ats.pop(address, None)

        at: dict[int, tuple[Site | None, Site | None, int, int]] = {}
        stack_at = self._memory.locals_at + _locals_of(code)
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
                top = stack_at + len(analysis.stacks[each.first])
                if each.first != each.offset and each.first in before:
                    at[each.first] = (None, before.pop(each.first), top, top)
                here = sites.get(each.offset)
                low = top if here is None else top - here.step.take
                at[each.offset] = (here, before.get(each.first), low, top)
        plan = Plan(at)
        plan.watch = weakref.ref(code, forget)
        plans[address] = plan
        ats[address] = at
        self._add_events(code, _monitoring.events.INSTRUCTION)

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

    def _watch(self, code: CodeType) -> None:
        """See the ends of a coroutine's code from now on."""
        address, awaited = id(code), self._awaited
        if address not in awaited:
            awaited[address] = weakref.ref(code, lambda _: awaited.pop(address, None))
            self._add_events(code, _monitoring.events.PY_RETURN)

    def _add_events(self, code: CodeType, events: int) -> None:
        monitoring, tool = _monitoring, self._tool
        monitoring.set_local_events(tool, code, monitoring.get_local_events(tool, code) | events)

    def _returned(self, code: CodeType, offset: int, value: object) -> None:
        frame = sys._getframe(1)
        if id(frame) in self._telling.awaited:
            self._telling.ended(frame, value)

    def _instruction(self) -> Callable[[CodeType, int], object]:
        """The callback, with all that it needs within reach: it is called for every instruction."""
        ats = self._at
        telling = self._telling
        exhaustive, never = telling.exhaustive, telling.matcher.never
        touches, applied = telling.matcher.touches_callable, APPLIED
        words, objects = self._memory.words, self._memory.objects
        disable = _monitoring.DISABLE
        getframe = sys._getframe
        function_at, arguments = _reader()

        def instruction(code: CodeType, offset: int) -> object:
            try:
                site, before, low, top = ats[id(code)][offset]
            except KeyError:
                return disable
            if telling.paused:
                return None
            if before is not None and before.follow:
                frame = getframe(1)
                telling.result(before, id(frame), objects[(words[(id(frame) >> 3) + _FRAME_POINTER] >> 3) + top - 1])
            if site is not None and site.on:
                frame = getframe(1)
                base = words[(id(frame) >> 3) + _FRAME_POINTER] >> 3
                low += base
                top += base
                # What nearly always happens, with as few steps as can be: no operand has to do with the target.
                if site.calls:
                    at = function_at(words, low, site)
                    function = objects[at]
                    used = site.spreads or id(function) in applied or touches(function)
                    if used:
                        telling.see(site, [function, *arguments(words, objects, low, top, at, site)], id(frame))
                elif top - low == 1:
                    operand = objects[low]
                    used = id(type(operand)) not in never
                    if used:
                        telling.see(site, (operand,), id(frame))
                elif top - low == 2:
                    left, right = objects[low], objects[low + 1]
                    used = id(type(left)) not in never or id(type(right)) not in never
                    if used:
                        telling.see(site, (left, right), id(frame))
                else:
                    used = True
                    telling.see(site, objects[low:top], id(frame))
                if not used and not exhaustive:
                    site.left -= 1
                    site.on = site.left > 0
            if exhaustive:
                return None
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


def _reader() -> tuple[Callable[[Any, int, Site], int], Callable[[Any, Any, int, int, int, Site], Any]]:
    """Where a call's function lies, and its arguments, `self` first: in this version's order, a NULL left out."""
    self_first = VERSION >= (3, 13)

    def function_at(words: Any, low: int, site: Site) -> int:
        if self_first:
            return low
        return low + 1 if site.spreads or words[low] == 0 else low

    def arguments(words: Any, objects: Any, low: int, top: int, at: int, site: Site) -> Any:
        if site.spreads:
            return objects[low + 2 : top]
        if self_first:
            return objects[low + 2 if words[low + 1] == 0 else low + 1 : top]
        return objects[at + 1 : top]

    return function_at, arguments
