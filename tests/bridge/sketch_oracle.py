"""A program for another process: what `inspect` sees of modules once they are imported, compared with their sketches.

    python sketch_oracle.py MODULE...          one line of JSON for each difference, then one with the counts

For each module that has a source every function is taken that stands in the module or in a class of it and was written
in the module's file; its parameters, as inspect.signature has them, are to be those of the sketch: name, kind, and
whether it is required. (Their texts can't be compared: a default is seen as a value, and the sketch has its source.)
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

from bascule.bridge.sketch import Library
from bascule.bridge.sketch.model import Alias, Class, Function, Module

KINDS = ("positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword")
Shape = list[tuple[str, str, bool]]


def written_in(module: types.ModuleType) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions of a module and of its classes, by their dotted names."""
    file = module.__file__
    waiting: list[tuple[str, object, int]] = [(name, value, 0) for name, value in vars(module).items()]
    seen: set[int] = set()
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        if isinstance(value, type):
            if value.__module__ == module.__name__ and id(value) not in seen and depth < 4:
                seen.add(id(value))
                waiting += [(f"{path}.{name}", one, depth + 1) for name, one in vars(value).items()]
        elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            innermost = inspect.unwrap(value)
            code = getattr(innermost, "__code__", None)
            if code is not None and code.co_filename == file and "<locals>" not in innermost.__qualname__:
                yield path, value


def shape_of(function: types.FunctionType) -> Shape | None:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        (one.name, KINDS[one.kind], one.default is one.empty and one.kind not in variadic)
        for one in signature.parameters.values()
    ]


def sketched(module: Module, path: str) -> object:
    """What the sketch has under a dotted name, through names that stand for others."""
    here: object = module
    for name in path.split("."):
        if isinstance(here, Alias):
            here = here.meant
        if isinstance(here, Class) and name.startswith(f"_{here.name.lstrip('_')}__"):
            name = name.removeprefix(f"_{here.name.lstrip('_')}")  # as the class itself writes it
        here = here.member(name) if isinstance(here, Module | Class) else None
    return here.meant if isinstance(here, Alias) else here


def compare(name: str, library: Library) -> tuple[int, list[dict[str, object]]]:
    """How many functions were compared, and the differences."""
    read = library.module(name)
    if read is None or read.error is not None:
        return 0, [{"name": name, "error": None if read is None else read.error}]
    seen = library.resolved(read, imports=True)
    module = importlib.import_module(name)
    count, wrong = 0, []
    for path, function in written_in(module):
        live = shape_of(function)
        if live is None:
            continue
        count += 1
        found = sketched(seen, path)
        said = None
        if isinstance(found, Function) and found.parameters is not None:
            said = [(one.name, one.kind.value, one.required) for one in found.parameters]
        if said != live:
            wrong.append({"name": f"{name}:{path}", "live": live, "sketch": said, "found": type(found).__name__})
    return count, wrong


def main(names: list[str]) -> None:
    library = Library()
    total = 0
    not_imported: list[str] = []
    warnings.simplefilter("ignore")
    for name in names:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                importlib.import_module(name)
        except BaseException:
            not_imported.append(name)
            continue
        if not str(getattr(sys.modules[name], "__file__", None) or "").endswith(".py"):
            continue
        count, wrong = compare(name, library)
        total += count
        for one in wrong:
            print(json.dumps(one))
    print(json.dumps({"compared": total, "not imported": not_imported}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1:])
