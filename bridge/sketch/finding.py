"""Where a module's source is: found on the path as an import would find it, with nothing imported.

`importlib` finds a submodule by importing its package first; here each package is looked for in its parent's folders
instead. What a package adds to its own `__path__` while it runs is therefore not seen, and what a finder of somebody's
own would invent is not asked for below the top.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder, all_suffixes
from importlib.util import find_spec
from pathlib import Path

_LEFT_OUT = {"__pycache__", "node_modules", "site-packages"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module is."""

    name: str
    file: Path | None
    """Its source or its stub; None: it is compiled, built in, or a folder without `__init__`."""
    package: bool = False
    folders: tuple[str, ...] = ()
    """Of a package: where its submodules are."""
    compiled: bool = False


def place_of(name: str, path: Sequence[str] | None = None) -> Place | None:
    """The place of a module; None when it is nowhere.

    Args:
        name: Its dotted name.
        path: Where to look. None: as this interpreter would, in the current folder too.
    """
    parts = name.split(".")
    if not all(parts):
        return None
    spec = _find(parts[0], path)
    for length in range(2, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = _on_path(".".join(parts[:length]), list(spec.submodule_search_locations))
    return None if spec is None else _place(name, spec)


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = _on_path(name, usual_path() if path is None else list(path))
    if spec is not None and spec.origin is not None:
        return spec
    try:
        return find_spec(name) or spec  # of a top name: this imports nothing. What is built in or frozen is known here
    except (ImportError, ValueError, AttributeError):
        return spec


def _on_path(name: str, folders: list[str]) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, folders)
    except (ImportError, OSError, ValueError):
        return None


def _place(name: str, spec: ModuleSpec) -> Place:
    folders = tuple(spec.submodule_search_locations or ())
    package = spec.submodule_search_locations is not None
    origin = Path(spec.origin) if spec.has_location and spec.origin else None
    if origin is not None and origin.suffix in (".py", ".pyw"):
        return Place(name, origin, package, folders)
    if origin is not None and origin.name.endswith(tuple(EXTENSION_SUFFIXES)):
        stub = origin.with_name(origin.name.partition(".")[0] + ".pyi")
        return Place(name, stub if stub.is_file() else None, package, folders, compiled=True)
    return Place(name, None, package, folders, compiled=origin is not None or not package)


def place_of_file(file: Path) -> Place:
    """The place of a file, named as it is imported: from the outermost folder that is a package."""
    file = Path.cwd() / file  # links are not followed: one is imported by the name that it has
    package = file.stem == "__init__"
    parts = [] if package else [file.name.partition(".")[0]]
    folder = file.parent
    while (folder / "__init__.py").is_file() or (folder / "__init__.pyi").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return Place(".".join(parts) or file.parent.name, file, package, (str(file.parent),) if package else ())


def root_of(place: Place) -> str | None:
    """The folder that would have to be on the path for it to be imported by its name."""
    if place.file is None:
        return None
    up = place.name.count(".") + (2 if place.package else 1)
    return str(place.file.parents[up - 1])


def places_below(folder: Path) -> list[Place]:
    """The modules in a folder and below it, in the order of their names; hidden folders are left out.

    A folder that is no package counts as one when it is below the first: so an import statement would name it.
    """
    folder = Path.cwd() / folder
    top = place_of_file(folder / "__init__.py") if (folder / "__init__.py").is_file() else None
    base = f"{top.name}." if top is not None else ""
    found: dict[str, Place] = {}
    for file in _sources(folder):
        parts = list(file.relative_to(folder).parts)
        package = file.stem == "__init__"
        parts[-1] = parts[-1].partition(".")[0]
        if package:
            parts.pop()
        name = (base + ".".join(parts)).rstrip(".") or folder.name
        if name not in found or file.suffix == ".py":  # a stub says less than the source beside it
            found[name] = Place(name, file, package, (str(file.parent),) if package else ())
    return [found[name] for name in sorted(found)]


def _sources(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted([one for one in folders if not one.startswith(".") and one not in _LEFT_OUT])
        for name in sorted(files):
            if name.endswith((".py", ".pyi")) and not name.startswith("."):
                yield Path(here, name)


def submodules(folders: Iterable[str]) -> tuple[str, ...]:
    """The names of what can be imported from a package's folders."""
    suffixes = sorted([*all_suffixes(), ".pyi"], key=len, reverse=True)
    found: set[str] = set()
    for folder in folders:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            suffix = next((one for one in suffixes if entry.name.endswith(one)), None)
            name = entry.name if suffix is None else entry.name.removesuffix(suffix)
            is_package = suffix is None and os.path.isfile(os.path.join(entry.path, "__init__.py"))  # noqa: PTH113, PTH118
            if name.isidentifier() and not name.startswith("__") and (suffix is not None or is_package):
                found.add(name)
    return tuple(sorted(found))


def usual_path() -> list[str]:
    """Where this interpreter looks for modules, the current folder first."""
    return [str(Path.cwd()), *[one for one in sys.path if one]]
