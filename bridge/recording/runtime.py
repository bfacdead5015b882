"""What the modules themselves say of their functions, where they can be imported: for stubs that agree with them.

Importing runs the module, so it is asked for (`record write` does so unless told `--no-runtime`). A module that can't
be imported, or a function that tells no signature, leaves the stub with what was recorded alone.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

_ABSENT = object()


@dataclass
class Runtime:
    """Looks things up in imported modules.

    Attributes:
        failed: The modules that can't be imported, and why.
    """

    failed: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, Any] = field(default_factory=dict)

    def find(self, module: str, *names: str) -> Any:
        """What a module or class has under a name; None when there is nothing, or it can't be imported."""
        found = self._module(module)
        for name in ".".join(names).split("."):
            if found is None:
                return None
            try:
                found = inspect.getattr_static(found, name, None)
            except Exception:  # a class whose own machinery fails
                return None
        return found

    def is_class(self, module: str, name: str) -> bool:
        """Whether this is a class there."""
        return isinstance(self.find(module, name), type)

    def signature(self, module: str, *names: str) -> inspect.Signature | None:
        """A function's or class's signature, without `self`."""
        found = self.find(module, *names)
        if found is None:
            return None
        bound = len(names) > 1 and not isinstance(found, staticmethod)
        if isinstance(found, staticmethod | classmethod):
            found = found.__func__
        try:
            signature = inspect.signature(found)
        except (ValueError, TypeError, AttributeError):
            return None
        except Exception:  # whatever a `__signature__` of somebody's does
            return None
        if not bound:
            return signature
        parameters = list(signature.parameters.values())
        if not parameters or parameters[0].kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            return None
        if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            parameters = parameters[1:]
        return signature.replace(parameters=parameters)

    def kind(self, module: str, *names: str) -> str | None:
        """Whether a class's function is a `staticmethod`, a `classmethod`, a `property` or a plain `method`."""
        found = self.find(module, *names)
        if found is None:
            return None
        for kind in (staticmethod, classmethod, property):
            if isinstance(found, kind):
                return kind.__name__
        return "method"

    def is_coroutine(self, module: str, *names: str) -> bool:
        """Whether it is an `async def`."""
        found = self.find(module, *names)
        return inspect.iscoroutinefunction(getattr(found, "__func__", found))

    def lacks(self, module: str, owner: str, name: str) -> bool:
        """Whether a class is known, and has no such special method: an operator was tried that it does not have."""
        special = name.startswith("__") and name.endswith("__")
        found = self.find(module, owner)
        return special and isinstance(found, type) and not any(name in vars(base) for base in found.__mro__)

    def _module(self, name: str) -> Any:
        found = self._modules.get(name, _ABSENT)
        if found is _ABSENT:
            found = None
            here = str(Path.cwd())
            if here not in sys.path:
                sys.path.insert(0, here)  # the program was run from here, and found its modules so
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    found = import_module(name)
            except (Exception, SystemExit) as error:
                self.failed[name] = f"{type(error).__name__}: {error}"
            self._modules[name] = found
        return found
