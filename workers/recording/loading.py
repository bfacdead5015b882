"""Where CPython 3.11 gets code from, so that all of it can be rewritten before it runs.

Modules come from the loaders of source files, byte code files and zip files, tests from pytest, a program's own module
from `runpy`, and what a program makes itself from `exec` and `eval`. The script of a child Python comes from none of
them: the interpreter compiles and runs it alone, unless one of `sys.path_hooks` says that the script's path is a place
to import from, as that of a zipped program is; then it asks `runpy`, which is ours.
"""

from __future__ import annotations

import builtins
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    Rewrite = Callable[[CodeType, object], CodeType]

_OF_A_FUTURE = 0x1FE0000  # flags of a code object that what it compiles inherits
_NO_SCRIPT = ("", "-c", "-m", "-")


class Loading:
    """Stands between code and its use.

    Args:
        rewrite: Gives the code as it has to be in a module of a name.
    """

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Stand there."""
        import runpy
        from importlib.machinery import SourceFileLoader, SourcelessFileLoader
        from zipimport import zipimporter

        for loader in (SourceFileLoader, SourcelessFileLoader, zipimporter):
            self._patch(loader, "get_code", self._of_loader)
        self._patch(runpy, "_get_module_details", self._of_module)
        self._patch(runpy, "_get_code_from_file", self._of_file)

    def stop(self) -> None:
        """Step aside."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def see_pytest(self) -> None:
        """The modules whose assertions pytest rewrites."""
        module = sys.modules.get("_pytest.assertion.rewrite")
        if module is None:
            return

        def execute(code: CodeType, namespace: dict[str, object]) -> None:
            exec(self._rewrite(code, namespace.get("__name__")), namespace)

        vars(module)["exec"] = execute
        self._undo.append(lambda: vars(module).pop("exec", None) and None)

    def see_script(self) -> None:
        """The script that this interpreter, which has just begun, is about to run."""
        script = sys.argv[0] if sys.argv else ""
        if script in _NO_SCRIPT or not os.path.isfile(script):
            return
        script = os.path.join(os.getcwd(), script)  # as the interpreter names it
        for hook in sys.path_hooks:
            try:
                hook(script)
                return  # a zipped program: it comes from its loader
            except ImportError:
                continue
        import runpy

        def claim(path: str) -> Any:
            if path != script:
                raise ImportError(path)
            sys.path_hooks.remove(claim)
            self._patch(runpy, "_run_module_as_main", lambda _: lambda *_: self._run(script))
            return self

        sys.path_hooks.insert(0, claim)

    def made(self, function: object, source: object, *spaces: object) -> object:
        """What `exec` or `eval`, if it is one of them that is called, is given instead of a text or code object."""
        if function is not exec and function is not eval:
            return source
        frame = sys._getframe(1)
        code = source
        if type(source) is str or type(source) is bytes:
            mode = "exec" if function is exec else "eval"
            text = source if function is exec else source.lstrip(" \t" if type(source) is str else b" \t")  # type: ignore[arg-type]
            try:
                code = compile(text, "<string>", mode, frame.f_code.co_flags & _OF_A_FUTURE, dont_inherit=True)
            except Exception:
                return source  # and its error is its own
        if type(code) is not types.CodeType or code.co_freevars:
            return source
        name = spaces[0].get("__name__") if spaces and type(spaces[0]) is dict else None
        return self._rewrite(code, frame.f_globals.get("__name__") if name is None else name)

    def _patch(self, owner: object, name: str, around: Callable[..., object]) -> None:
        original = getattr(owner, name)
        own = name in vars(owner)
        setattr(owner, name, around(original))

        def undo() -> None:
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)

        self._undo.append(undo)

    def _of_loader(self, original: Callable[..., CodeType | None]) -> Callable[..., CodeType | None]:
        def get_code(loader: object, fullname: str) -> CodeType | None:
            code = original(loader, fullname)
            return None if code is None else self._rewrite(code, fullname)

        return get_code

    def _of_module(self, original: Callable[..., tuple[str, object, CodeType]]) -> Callable[..., object]:
        def details(name: str, *more: object) -> tuple[str, object, CodeType]:
            asked = sys._getframe(1)
            name, spec, code = original(name, *more)
            as_main = asked.f_code.co_name == "_run_module_as_main"
            run_as = "__main__" if as_main else asked.f_locals.get("run_name") or name
            return name, spec, self._rewrite(code, run_as)

        return details

    def _of_file(self, original: Callable[..., tuple[CodeType, str]]) -> Callable[..., object]:
        def code_from_file(run_name: str, path: str) -> tuple[CodeType, str]:
            code, path = original(run_name, path)
            return self._rewrite(code, run_name), path

        return code_from_file

    def _run(self, script: str) -> None:
        """Run a script as the interpreter would have."""
        from importlib.machinery import SourceFileLoader

        if sys.flags.safe_path:
            sys.path.remove(script)
        else:
            sys.path[sys.path.index(script)] = os.path.dirname(os.path.realpath(script))
        namespace = sys.modules["__main__"].__dict__
        namespace.update(
            __file__=script,
            __cached__=None,
            __spec__=None,
            __package__=None,
            __loader__=SourceFileLoader("__main__", script),
            __builtins__=builtins,
        )
        try:
            with open(script, "rb") as file:
                code = compile(file.read(), script, "exec", dont_inherit=True)
            exec(self._rewrite(code, "__main__"), namespace)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            show_without(error, __name__)
            raise SystemExit(1) from None


def show_without(error: BaseException, module: str) -> None:
    """The traceback as the program alone would have it: without the first frames, which are a module's of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == module:
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)
