"""One place of a program: what it has told, and whether it is still looked at.

A place that shows the same again and again is switched off: after `SIGHTINGS` in a row that told nothing new, or once
it has told `MOST_TOLD` different things. An exhaustive recording never switches off, but forgets what it has told when
that becomes too much: then a line may be written twice, which counting does not mind.
"""

from __future__ import annotations

import weakref
from types import CoroutineType

from .bytecode import Does
from .lines import as_json, line_of
from .matching import Matcher
from .operations import APPLIED, Operations, Use
from .output import Output
from .values import Encoder, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType
    from typing import Any

    from .bytecode import Step

SIGHTINGS = 8
MOST_TOLD = 64
MOST_KEPT = 4096
MOST_RESULTS = 8

COMPILED = "<compiled>"
_CALLS = (Does.CALL, Does.CALL_NAMED, Does.CALL_SPREAD)
_NO_RESULT = frozenset(("not_", "truth"))
_HAVE_RESULTS = frozenset(
    [
        *(Does.UNARY, Does.BINARY, Does.COMPARE, Does.GET_ITEM, Does.GET_SLICE, Does.GET_ATTRIBUTE),
        *(Does.ENTER, *_CALLS),
    ]
)


class Told:
    """One line that was written, to be completed by what came of it."""

    __slots__ = ("line", "results")

    def __init__(self, line: str) -> None:
        self.line = line  # without its closing brace
        self.results: set[object] = set()


class Site:
    """One step of one code object."""

    __slots__ = ("calls", "follow", "gives", "left", "location", "on", "spreads", "step", "told", "touched")

    def __init__(self, step: Step, location: str) -> None:
        self.step = step
        self.location = location
        self.left = SIGHTINGS
        self.on = True
        self.touched = False
        self.calls = step.does in _CALLS
        self.spreads = step.does is Does.CALL_SPREAD  # and what it spreads may be a use as well
        self.told: dict[object, Told] = {}
        self.gives = step.does in _HAVE_RESULTS and not (step.does is Does.UNARY and step.what in _NO_RESULT)
        self.follow: dict[int, Told] = {}  # frame -> what it is in the middle of


class Telling:
    """What all places of a process have in common.

    Args:
        matcher: The modules on both sides.
        output: Where lines go.
        exhaustive: Whether places are never switched off.
        results: Whether what calls gave or raised is told too.
    """

    def __init__(self, matcher: Matcher, output: Output, *, exhaustive: bool, results: bool) -> None:
        self.matcher = matcher
        self.output = output
        self.exhaustive = exhaustive
        self.results = results
        self.encoder = Encoder(matcher)
        self.operations = Operations(matcher)
        self.paused = False
        self.faults: dict[str, int] = {}
        # Coroutines that were given and have not ended, by the address of their frame, and what is told of their calls.
        self.awaited: dict[int, tuple[weakref.ref[CoroutineType[Any, Any, Any]], Told]] = {}
        self.watch: Callable[[CodeType], None] | None = None  # asks to be told of `ended` by code of this kind
        self._entries: dict[object, set[object]] = {}

    def site(self, code: CodeType, step: Step) -> Site:
        """The place of a step."""
        return Site(step, f"{code.co_filename}:{step.line}")

    def see(self, site: Site, operands: Sequence[object], frame: int) -> None:
        """A step is about to be done."""
        try:
            step = site.step
            if not self._may_use(site, operands):  # as nearly always
                if not self.exhaustive:
                    site.left -= 1
                    site.on = site.left > 0
                return
            use = self.operations.tell[step.does](step, operands)
            if use is None:
                if not self.exhaustive:
                    site.left -= 1
                    site.on = site.left > 0
                return
            site.touched = True
            told = self._tell(site, use)
            while use.more is not None:
                use = use.more
                self._tell(site, use)
            if site.gives and use.gives and self.results:
                site.follow[frame] = told
        except Exception as error:  # whatever it was, the program goes on
            self._fault(error)
            site.on = False

    def _may_use(self, site: Site, operands: Sequence[object]) -> bool:
        if site.calls and not site.spreads:
            return id(operands[0]) in APPLIED or self.matcher.touches_callable(operands[0])
        never, kind = self.matcher.never, self.matcher.kind
        return any(id(type(value)) not in never and not kind(type(value)).never for value in operands)

    def result(self, site: Site, frame: int, value: object) -> None:
        """The step that the frame was in the middle of has given a value."""
        told = site.follow.pop(frame, None)
        if told is None:
            return
        try:
            if type(value) is CoroutineType:
                self._await(told, value)
            key = 0 if type(value) is str else self.encoder.key(value)
            if key not in told.results:
                self._came(told, "returns", key, value)
        except Exception as error:
            self._fault(error)

    def ended(self, frame: FrameType, value: object) -> None:
        """A coroutine's code returns: what whoever awaits the call is given."""
        coroutine, told = self.awaited.pop(id(frame), (None, None))
        if coroutine is None or told is None or self.paused:
            return
        try:
            held = coroutine()
            if held is not None and held.cr_frame is frame:  # and no later frame in its place
                key = "awaited", 0 if type(value) is str else self.encoder.key(value)
                if key not in told.results:
                    self._came(told, "awaited", key, value)
        except Exception as error:
            self._fault(error)

    def _await(self, told: Told, coroutine: CoroutineType[Any, Any, Any]) -> None:
        frame = coroutine.cr_frame
        if frame is None:  # it has ended already
            return
        address, awaited = id(frame), self.awaited
        awaited[address] = weakref.ref(coroutine, lambda _: awaited.pop(address, None)), told
        if self.watch is not None:
            self.watch(coroutine.cr_code)

    def _came(self, told: Told, what: str, key: object, value: object) -> None:
        """Write what came of a call: a kind of value, for the first time."""
        if len(told.results) >= MOST_RESULTS:
            return
        told.results.add(key)
        shown = as_json({"t": "str"} if type(value) is str else self.encoder.encode(value))
        before = '"returns":{"t":"coroutine"},' if what == "awaited" else ""
        self._write(f'{told.line},{before}"{what}":{shown}}}\n')

    def raised(self, site: Site, frame: int, error: BaseException) -> None:
        """The step that the frame was in the middle of has raised."""
        told = site.follow.pop(frame, None)
        if told is None:
            return
        try:
            cls = type(error)
            key = ("raises", self.matcher.kind(cls).serial)
            if key in told.results or len(told.results) >= MOST_RESULTS:
                return
            told.results.add(key)
            kind = self.matcher.kind(cls)
            self._write(f'{told.line},"raises":{as_json({"t": named(kind.module, kind.cls_name)})}}}\n')
        except Exception as fault:
            self._fault(fault)

    def entered(self, code: CodeType, frame: FrameType) -> bool:
        """A function of the target was entered from compiled code that recorded code called; whether to look on."""
        known = self._entries.setdefault(id(code), set())
        if len(known) >= MOST_TOLD or "<" in code.co_qualname or code.co_name == "__del__":
            return False
        try:
            count = code.co_argcount + code.co_kwonlyargcount
            names = code.co_varnames[:count]
            values = frame.f_locals
            given = [[name, values[name]] for name in names if name in values]
            key = tuple(self.encoder.key(value) for _, value in given)
            if key in known:
                return self.exhaustive
            known.add(key)
            encode = self.encoder.encode
            told = [[name, encode(value)] for name, value in given]
            positional, only = code.co_posonlyargcount, code.co_argcount
            bound: dict[str, object] = {
                "pos_only": told[:positional],
                "pos_or_kw": told[positional:only],
                "kw_only": dict(told[only:]),
            }
            function = {"t": "function", "v": named(frame.f_globals.get("__name__"), code.co_qualname)}
            parts = {"location": COMPILED, "function": function, "bound_params": {k: v for k, v in bound.items() if v}}
            self._write(as_json(parts) + "\n")
        except Exception as error:
            self._fault(error)
            return False
        return True

    def _tell(self, site: Site, use: Use) -> Told:
        keys = self.encoder.key
        key: object = (keys(use.function), *[keys(value) for value in use.args])
        if use.kwargs:
            key = (key, *[(name, keys(value)) for name, value in use.kwargs.items()])
        told = site.told.get(key)
        if told is not None:
            if not self.exhaustive:
                site.left -= 1
                site.on = site.left > 0
            return told
        if len(site.told) >= MOST_KEPT:
            site.told.clear()
        told = site.told[key] = Told(line_of(self.encoder, site.location, use.function, use.args, use.kwargs)[:-1])
        self._write(told.line + "}\n")
        if not self.exhaustive:
            site.left = SIGHTINGS
            site.on = len(site.told) < MOST_TOLD
        return told

    def _write(self, line: str) -> None:
        self.output.write(line.encode("utf-8", "surrogatepass"))

    def _fault(self, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"[:200]
        self.faults[told] = self.faults.get(told, 0) + 1
