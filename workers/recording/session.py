"""One recording of one process: what is wanted, who sees, and who writes.

What is wanted travels to child processes in the environment (`BASCULE_RECORD`), and a `sitecustomize` in the folder
`site/`, put on their PYTHONPATH, begins a recording there too. Forked children go on in a file of their own.
"""

from __future__ import annotations

import atexit
import json
import os
import sys

from .bytecode import KNOWN_VERSIONS, VERSION
from .errors import MARK, RecorderBusy, RecordError, UnknownInterpreter
from .matching import Matcher
from .output import Output, child_path, merge_children
from .sites import Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType

    from .monitoring import Monitoring
    from .rewriting import Rewriting

VARIABLE = "BASCULE_RECORD"


class Wanted:
    """What to record, and where to. `tests`: of a run of pytest only what its tests do."""

    __slots__ = ("exhaustive", "from_modules", "output", "results", "tests", "to_modules")

    def __init__(
        self,
        output: str,
        to_modules: Sequence[str],
        from_modules: Sequence[str],
        *,
        exhaustive: bool = False,
        results: bool = True,
        tests: bool = False,
    ) -> None:
        for side, names in (("to", to_modules), ("from", from_modules)):
            for name in names:
                if not all(part.isidentifier() for part in name.split(".")):
                    raise RecordError(f"{name!r} can't be the name of a module to record {side}")
        if not to_modules:
            raise RecordError("nothing to record: name at least one module whose use is to be recorded")
        if tests and not from_modules:
            raise RecordError("no module whose use is to be recorded: name at least one, such as that of the tests")
        self.output = os.path.abspath(output)
        self.to_modules = tuple(to_modules)
        self.from_modules = tuple(from_modules)
        self.exhaustive = exhaustive
        self.results = results
        self.tests = tests

    def to_text(self) -> str:
        """For the environment of a child."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def from_text(cls, text: str) -> Wanted:
        """What `to_text` gave."""
        told = json.loads(text)
        return cls(
            told["output"],
            told["to_modules"],
            told["from_modules"],
            exhaustive=told["exhaustive"],
            results=told["results"],
            tests=told.get("tests", False),
        )


class Recording:
    """A recording of this process.

    Args:
        wanted: What to record.
        child: Whether another process began it, so that this one writes beside the trace.

    Example:
        with Recording(Wanted("out.jsonl", ["numpy"], ["xarray"])):
            ...
    """

    def __init__(self, wanted: Wanted, *, child: bool = False) -> None:
        self.wanted = wanted
        self.child = child
        self.merged = self.merged_lines = 0
        self._telling: Telling | None = None
        self._backend: Monitoring | Rewriting | None = None
        self._pid = 0

    def start(self) -> Recording:
        """Begin.

        Raises:
            RecordError: This interpreter can't be recorded, another recording runs, or the file can't be written.
        """
        refuse_unknown()
        if current() is not None:
            raise RecorderBusy("another recording runs in this process; end it first")
        self._pid = os.getpid()
        path = child_path(self.wanted.output, self._pid) if self.child else self.wanted.output
        try:
            output = Output(path)
        except OSError as error:
            raise RecordError(f"{path}: the trace can't be written: {error.strerror}") from None
        matcher = Matcher(self.wanted.to_modules, self.wanted.from_modules)
        self._telling = Telling(matcher, output, exhaustive=self.wanted.exhaustive, results=self.wanted.results)
        self._backend = _backend(self._telling)
        try:
            self._backend.start()
        except BaseException:
            output.close()
            raise
        setattr(sys, MARK, self)
        os.register_at_fork(after_in_child=self._in_child)
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """End, and take in what child processes wrote."""
        if self._backend is None or self._telling is None:
            return
        self._backend.stop()
        self._backend = None
        self._telling.output.close()
        if current() is self:
            delattr(sys, MARK)
        atexit.unregister(self.stop)
        if not self.child and self._pid == os.getpid():
            self.merged, self.merged_lines = merge_children(self.wanted.output)

    def __enter__(self) -> Recording:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def paused(self) -> bool:
        """Whether nothing is recorded for now."""
        return self._telling is None or self._telling.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        if self._telling is not None:
            self._telling.paused = paused

    def as_main(self, code: CodeType) -> CodeType:
        """The code of the program's own module as it has to be run."""
        rewrite = getattr(self._backend, "rewrite", None)
        return code if rewrite is None else rewrite(code, "__main__")

    def see_pytest(self) -> None:
        """See test modules too, which pytest compiles itself: call it once pytest is imported."""
        see = getattr(self._backend, "see_pytest", None)
        if see is not None:
            see()

    def see_script(self) -> None:
        """See the script that this interpreter is about to run: call it while `sitecustomize` is imported."""
        see = getattr(self._backend, "see_script", None)
        if see is not None:
            see()

    def summary(self) -> str:
        """What was recorded, for people."""
        if self._telling is None:
            return "nothing recorded"
        output = self._telling.output
        text = f"{output.lines + self.merged_lines} lines in {self.wanted.output}"
        if self.merged:
            text += f", with those of {self.merged} child process{'es' if self.merged > 1 else ''}"
        if self._telling.faults:
            told, count = next(iter(self._telling.faults.items()))
            text += f"; {sum(self._telling.faults.values())} could not be told (the first, {count} times: {told})"
        return text

    def _in_child(self) -> None:
        if self._telling is None or self._backend is None:
            return
        self.child = True
        self._telling.output.in_child(child_path(self.wanted.output, os.getpid()))


def current() -> Recording | None:
    """The recording of this process, if there is one."""
    return getattr(sys, MARK, None)


def invite(wanted: Wanted) -> Callable[[], None]:
    """Let the Pythons that this process starts record too; what is given back ends that."""
    before = {name: os.environ.get(name) for name in (VARIABLE, "PYTHONPATH")}
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")
    path = before["PYTHONPATH"]
    os.environ[VARIABLE] = wanted.to_text()
    os.environ["PYTHONPATH"] = folder + (os.pathsep + path if path else "")

    def undo() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return undo


def refuse_unknown() -> None:
    """Say clearly that an interpreter can't be recorded.

    Raises:
        UnknownInterpreter: It is not one of those that this was written for.
    """
    if sys.implementation.name != "cpython" or VERSION not in KNOWN_VERSIONS:
        known = ", ".join(f"{major}.{minor}" for major, minor in KNOWN_VERSIONS)
        found = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
        raise UnknownInterpreter(f"recording needs CPython {known}; this is {found}. Name another with --python")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise UnknownInterpreter("recording needs an interpreter with its global lock; this one runs without")


def _backend(telling: Telling) -> Monitoring | Rewriting:
    if VERSION >= (3, 12):
        from .monitoring import Monitoring

        return Monitoring(telling)
    from .rewriting import Rewriting

    return Rewriting(telling)


def begin_in_child() -> None:
    """What `sitecustomize` calls: begin a recording when the environment asks for one."""
    text = os.environ.get(VARIABLE)
    if not text or VERSION not in KNOWN_VERSIONS:
        return
    try:
        Recording(Wanted.from_text(text), child=True).start().see_script()
    except (RecordError, ValueError, KeyError) as error:
        print(f"bascule record: this process is not recorded: {error}", file=sys.stderr)
