"""One place of a program: what it has told, and whether it is still looked at.

A place that shows the same again and again is switched off: after `SIGHTINGS` in a row that told nothing new, or once
it has told `MOST_TOLD` different things. An exhaustive recording never switches off, but forgets what it has told when
that becomes too much: then a line may be written twice, which counting does not mind.
"""

from __future__ import annotations

import json

from .binding import bind, parameters_of
from .bytecode import Does
from .matching import Matcher
from .operations import Operations, Use
from .output import Output
from .values import Encoder, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, FrameType

    from .bytecode import Step

SIGHTINGS = 8
MOST_TOLD = 64
MOST_KEPT = 4096
MOST_RESULTS = 8

COMPILED = "<compiled>"
_NO_RESULT = frozenset(("not_", "truth"))
_HAVE_RESULTS = frozenset(
    [
        *(Does.UNARY, Does.BINARY, Does.COMPARE, Does.GET_ITEM, Does.GET_SLICE, Does.GET_ATTRIBUTE),
        *(Does.ENTER, Does.CALL, Does.CALL_NAMED, Does.CALL_SPREAD),
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

    __slots__ = ("follow", "gives", "left", "location", "on", "step", "told", "touched")

    def __init__(self, step: Step, location: str) -> None:
        self.step = step
        self.location = location
        self.left = SIGHTINGS
        self.on = True
        self.touched = False
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
        self._entries: dict[object, set[object]] = {}

    def site(self, code: CodeType, step: Step) -> Site:
        """The place of a step."""
        return Site(step, f"{code.co_filename}:{step.line}")

    def see(self, site: Site, operands: Sequence[object], frame: int) -> None:
        """A step is about to be done."""
        try:
            step = site.step
            use = self.operations.tell[step.does](step, operands)
            if use is None:
                if not self.exhaustive:
                    site.left -= 1
                    site.on = site.left > 0
                return
            site.touched = True
            told = self._tell(site, use)
            if site.gives and use.gives and self.results:
                site.follow[frame] = told
        except Exception as error:  # whatever it was, the program goes on
            self._fault(error)
            site.on = False

    def result(self, site: Site, frame: int, value: object) -> None:
        """The step that the frame was in the middle of has given a value."""
        told = site.follow.pop(frame, None)
        if told is None:
            return
        try:
            key = 0 if type(value) is str else self.encoder.key(value)
            if key in told.results or len(told.results) >= MOST_RESULTS:
                return
            told.results.add(key)
            what = {"t": "str"} if type(value) is str else self.encoder.encode(value)
            self._write(f'{told.line},"returns":{_json(what)}}}\n')
        except Exception as error:
            self._fault(error)

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
            self._write(f'{told.line},"raises":{_json({"t": named(kind.module, kind.cls_name)})}}}\n')
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
            self._write(_json(parts) + "\n")
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
        told = site.told[key] = Told(self._line(site.location, use))
        self._write(told.line + "}\n")
        if not self.exhaustive:
            site.left = SIGHTINGS
            site.on = len(site.told) < MOST_TOLD
        return told

    def _line(self, location: str, use: Use) -> str:
        encode = self.encoder.encode
        parts: dict[str, object] = {"location": location, "function": encode(use.function)}
        names = _POSITIONAL.get(id(use.function))
        if names is not None and len(use.args) <= len(names):
            bound: dict[str, object] | None = {"pos_only": [list(pair) for pair in zip(names, use.args)]}
        else:
            takes = parameters_of(use.function, self.matcher)
            bound = None if takes is None else bind(takes, use.args, use.kwargs)
        if bound is not None:
            parts["bound_params"] = {name: _told_part(name, part, encode) for name, part in bound.items()}
        else:
            params: dict[str, object] = {}
            if use.args:
                params["args"] = [encode(value) for value in use.args]
            if use.kwargs:
                params["kwargs"] = {str(name): encode(value) for name, value in use.kwargs.items()}
            parts["params"] = params
        return _json(parts)[:-1]

    def _write(self, line: str) -> None:
        self.output.write(line.encode("utf-8", "surrogatepass"))

    def _fault(self, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"[:200]
        self.faults[told] = self.faults.get(told, 0) + 1


def _told_part(name: str, part: object, encode: object) -> object:
    told = encode
    if name in ("pos_only", "pos_or_kw"):
        return [[key, told(value)] for key, value in part]  # type: ignore[operator,attr-defined]
    if name == "var_pos":
        return [part[0], told(tuple(part[1]))]  # type: ignore[operator,index]
    if name == "var_kw":
        return [part[0], {key: told(value) for key, value in part[1].items()}]  # type: ignore[operator,index]
    return {key: told(value) for key, value in part.items()}  # type: ignore[operator,attr-defined]


def _positional() -> dict[int, tuple[str, ...]]:
    import operator
    import types

    functions = [each for each in vars(operator).values() if type(each) is types.BuiltinFunctionType]
    names: dict[int, tuple[str, ...]] = {id(function): ("a", "b", "c") for function in functions}
    return {**names, id(setattr): ("obj", "name", "value"), id(delattr): ("obj", "name")}


_POSITIONAL = _positional()
"""Functions behind operators, and what all Pythons call their parameters."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def _json(value: object) -> str:
    return _encode(value)
