"""Functions and classes as Py.Laagu has them: dicts in the README's shape, with attributes of the newer versions."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from bascule.bridge.sketch import finding
from bascule.bridge.sketch.classic import classic_function
from bascule.bridge.sketch.library import read_place
from bascule.bridge.sketch.model import Class, Function, Member, ParameterKind

NameFilter = Callable[[str], bool]


class FunctionSignature(dict):  # type: ignore[type-arg]
    """A function: `{"name", "type": "function", "args", "returns"}`, and more as attributes.

    `vararg` and `kwarg` are `{"name": ...}`, or None; `docstring` is the text, or None.
    """

    def __init__(self, function: Function) -> None:
        super().__init__(classic_function(function))
        self.name: str = self["name"]
        self.args: list[dict[str, str]] = self["args"]
        self.returns: str | None = self["returns"]
        self.docstring = None if function.doc is None else function.doc.text
        self.vararg = _variadic(function, ParameterKind.VAR_POSITIONAL)
        self.kwarg = _variadic(function, ParameterKind.VAR_KEYWORD)

    def encode(self) -> dict[str, Any]:
        """As a plain dict."""
        more = {"docstring": self.docstring, "vararg": self.vararg, "kwarg": self.kwarg}
        return {**self, **{name: value for name, value in more.items() if value is not None}}

    def __str__(self) -> str:
        return f"def {self.name}({', '.join(one['name'] for one in self.args)}) -> {self.returns}"


class ClassSignature(dict):  # type: ignore[type-arg]
    """A class: `{"name", "type": "class", "functions"}`, and `docstring`."""

    def __init__(self, cls: Class, name_filter: NameFilter) -> None:
        methods = [FunctionSignature(one) for one in cls.methods if name_filter(one.name)]
        super().__init__({"name": cls.name, "type": "class", "functions": methods})
        self.name = cls.name
        self.functions = methods
        self.docstring = None if cls.doc is None else cls.doc.text

    def encode(self) -> dict[str, Any]:
        """As a plain dict."""
        return {"name": self.name, "type": "class", "docstring": self.docstring} | {
            "functions": [one.encode() for one in self.functions]
        }

    def __str__(self) -> str:
        return "\n".join([f"class {self.name}:", *[f"    {one}" for one in self.functions]])


def _variadic(function: Function, kind: ParameterKind) -> dict[str, str] | None:
    return next(({"name": one.name} for one in function.parameters or () if one.kind is kind), None)


def members_of(filepath: str) -> tuple[Member, ...]:
    """All that stands in a file.

    Raises:
        OSError: It can't be opened.
        SyntaxError: It is no Python.
    """
    with open(filepath, "rb"):
        pass  # whoever calls it with a file that is not there gets the error that open raises
    module = read_place(finding.place_of_file(Path(filepath)))
    if module.error is not None:
        raise SyntaxError(module.error)
    return module.members


def everything(_name: str) -> bool:
    """The filter that lets every name pass."""
    return True


def function_signatures(filepath: str, name_filter: NameFilter = everything) -> list[FunctionSignature]:
    """The functions of a file whose names pass the filter."""
    found = [one for one in members_of(filepath) if isinstance(one, Function)]
    return [FunctionSignature(one) for one in found if name_filter(one.name)]


def class_signatures(filepath: str, name_filter: NameFilter = everything) -> list[ClassSignature]:
    """The classes of a file, each with those of its methods whose names pass the filter."""
    return [ClassSignature(one, name_filter) for one in members_of(filepath) if isinstance(one, Class)]


def load_module(
    module_name: str, file: str | None = None, fail_on_error: bool = True
) -> tuple[ModuleType | None, str | None]:
    """Import a module by its name, or from a file under that name.

    Args:
        module_name: Its name. One that is in a package needs the package imported first, as `a` for `a.b`.
        file: Where it is; None: where an import would find it.
        fail_on_error: Whether an import that fails raises. (None, None) comes back else.

    Returns:
        The module and its file.
    """
    try:
        spec = (
            importlib.util.find_spec(module_name)
            if file is None
            else importlib.util.spec_from_file_location(
                module_name, str(Path(file).absolute()), submodule_search_locations=_folders(file)
            )
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"there is no module {module_name!r} on the path")
        module = importlib.util.module_from_spec(spec)
        before = sys.modules.get(module_name)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            if before is None:
                del sys.modules[module_name]
            else:
                sys.modules[module_name] = before
            raise
    except Exception:
        if fail_on_error:
            raise
        return None, None
    return module, spec.origin


def _folders(file: str) -> list[str] | None:
    """Of a package: where its modules are."""
    path = Path(file).absolute()
    return [str(path.parent)] if path.stem == "__init__" else None
