"""The landscape of a module, read from its source: what it offers, without importing it.

    module = sketch("requests")                 a module by its name, or a file
    for member in public(module): ...           what it offers
    for module in sketch_all(folder): ...       all modules below a folder

`model` says what comes out. `reading` turns one file into it (and alone knows griffe), `finding` tells where files are,
`library` follows names from file to file, `shares` has all processors read a folder. `live` looks at an imported module
in a worker, for what no source tells. `choosing` picks what is public; `writing` and `classic` put it into the formats
of `bascule sketch`, `changes` compares two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bascule.bridge.sketch import finding
from bascule.bridge.sketch.choosing import matching, public
from bascule.bridge.sketch.library import Library, read_place
from bascule.bridge.sketch.model import Module
from bascule.bridge.sketch.shares import read_places

__all__ = ["Library", "Module", "NoSuchModule", "matching", "public", "sketch", "sketch_all"]


class NoSuchModule(LookupError):
    """Neither a file nor a module that can be found."""


def sketch(what: str | Path, path: Sequence[str] | None = None, *, imports: bool = False) -> Module:
    """One module, with the names that it offers followed to where they are defined.

    Args:
        what: A file, the folder of a package, or a module's dotted name.
        path: Where modules are looked for. None: where this interpreter looks, and in the current folder.
        imports: Follow names that it imports for its own use, too.

    Raises:
        NoSuchModule: There is none.
    """
    place = find(what, path)
    root = finding.root_of(place)
    places = None if path is None and root is None else [*([root] if root else []), *(path or finding.usual_path())]
    library = Library(places)
    module = read_place(place)
    library.add(module)
    return library.resolved(module, imports=imports)


def find(what: str | Path, path: Sequence[str] | None = None) -> finding.Place:
    """The place of a module that a person names: a file or a package's folder where there is one, else by its name.

    Raises:
        NoSuchModule: There is none.
    """
    file = Path(what)
    if file.is_dir() and (file / "__init__.py").is_file():
        return finding.place_of_file(file / "__init__.py")
    if file.is_file():
        return finding.place_of_file(file)
    place = None if isinstance(what, Path) or "/" in what else finding.place_of(what, path)
    if place is None:
        raise NoSuchModule(f"there is no file {str(what)!r}, nor a module of that name on the path")
    return place


def sketch_all(folder: Path, *, processes: int = 1) -> Iterator[Module]:
    """Every module below a folder, with the names that they have from one another followed.

    Args:
        folder: Where they are.
        processes: How many may read, where there is much to read; more than one only in a program of one thread.
    """
    library = Library(closed=True)
    modules = read_places(finding.places_below(folder), processes)
    for module in modules:
        library.add(module)
    for module in modules:
        yield library.resolved(module)
