"""Runs a module or a script as `__main__`, recorded: what `bascule record run` starts in the program's own interpreter.

    python -c BOOT '{"output": ...}' -m MODULE arguments...
    python -c BOOT '{"output": ...}' script.py arguments...
    python -c BOOT '{"output": ..., "tests": true}' -m pytest arguments...

The program finds itself as if started plainly: `sys.argv`, `sys.path[0]`, the module `__main__` with its `__file__` and
`__spec__`. Its exit status and its traceback are its own.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import io
import os
import sys
import types

from .errors import RecordError
from .loading import show_without
from .session import Recording, Wanted, invite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

REFUSED = 2  # exit status when the recording can't start


def main(arguments: list[str]) -> int:
    """Record the program that the arguments name; its exit status."""
    try:
        wanted = Wanted.from_text(arguments[0])
        quiet = os.environ.pop("BASCULE_RECORD_QUIET", "") == "1"
        recording = Recording(wanted)
        if wanted.tests:
            return _pytest(recording, arguments[3:], quiet=quiet)
        program = _find(arguments[1:])
        recording.start()
    except RecordError as error:
        print(f"bascule record: {error}", file=sys.stderr)
        return REFUSED
    invite(wanted)
    return program.run(recording, quiet=quiet)


def _pytest(recording: Recording, arguments: list[str], *, quiet: bool) -> int:
    from .plugin import NAME

    try:
        import pytest
    except ImportError:
        raise RecordError("pytest is not installed where the program runs; name its Python with --python") from None
    sys.argv = ["pytest", *arguments]
    sys.path.insert(0, os.getcwd())  # as `python -m pytest` does
    recording.start()
    recording.paused = True
    invite(recording.wanted)
    try:
        return int(pytest.main(["-p", NAME, *arguments]))
    finally:
        _finish(recording, quiet=quiet)


def _finish(recording: Recording, *, quiet: bool) -> None:
    recording.stop()
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the program may have closed it
        sys.stdout.flush()
    if not quiet:
        print(f"bascule record: {recording.summary()}{_wipe(sys.stderr)}", file=sys.stderr)


def _wipe(stream: object) -> str:
    """What takes away the progress that may stand where the cursor is."""
    is_terminal = getattr(stream, "isatty", None)
    return "\x1b[J" if is_terminal is not None and is_terminal() else ""


class Program:
    """A program that was found and compiled."""

    def __init__(self, code: types.CodeType, spec: ModuleSpec | None, file: str, argv: list[str], folder: str) -> None:
        self.code = code
        self.spec = spec
        self.file = file
        self.argv = argv
        self.folder = folder

    def run(self, recording: Recording, *, quiet: bool) -> int:
        """Run it to its end."""
        module = types.ModuleType("__main__")
        module.__file__ = self.file
        module.__builtins__ = builtins  # type: ignore[attr-defined]
        module.__spec__ = self.spec
        if self.spec is not None:
            module.__package__ = self.spec.parent
            module.__loader__ = self.spec.loader
        sys.modules["__main__"] = module
        sys.argv = self.argv
        sys.path.insert(0, self.folder)
        code = recording.as_main(self.code)
        try:
            exec(code, module.__dict__)
        except SystemExit as error:
            return _status(error)
        except BaseException as error:
            show_without(error, __name__)
            return 130 if isinstance(error, KeyboardInterrupt) else 1
        finally:
            _finish(recording, quiet=quiet)
        return 0


def _status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _find(arguments: list[str]) -> Program:
    if not arguments:
        raise RecordError("no program to run: name a script, or a module with -m")
    if arguments[0] == "-m":
        if len(arguments) < 2:
            raise RecordError("-m needs the name of a module")
        return _find_module(arguments[1], arguments[2:])
    return _find_script(arguments[0], arguments[1:])


def _find_module(name: str, rest: list[str]) -> Program:
    sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError, AttributeError) as error:
        raise RecordError(f"no module {name!r}: {error}") from None
    finally:
        sys.path.pop(0)
    get_code = getattr(getattr(spec, "loader", None), "get_code", None)
    if spec is None or get_code is None:
        raise RecordError(f"no module {name!r} that could be run")
    code = get_code(spec.name)
    if code is None:
        raise RecordError(f"module {name!r} has no Python code to run")
    file = spec.origin or ""
    return Program(code, spec, file, [file, *rest], os.getcwd())


def _find_script(path: str, rest: list[str]) -> Program:
    if os.path.isdir(path):
        path = os.path.join(path, "__main__.py")
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise RecordError(f"{path}: it is no Python that {sys.version.split()[0]} can read: {error}") from None
    return Program(code, None, path, [path, *rest], os.path.dirname(os.path.abspath(path)))
