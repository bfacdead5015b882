"""Source to `Module`, by griffe. This package alone knows griffe's objects.

griffe walks the syntax tree and says what stands where: its visitor is used as it is, but for three things. Branches
that do not run are taken out before it meets them (`branches`). `__all__` is read by `exported`, which tells 'nothing'
from 'cannot be told'. And each object's node is kept until the module is whole, so that defaults, annotations and
values can be cut out of the source as they were written rather than put together again. `visiting` is that walk,
`converting` makes our values of what it saw, `cutting` cuts, `docstrings` reads docstrings.

Nothing of the source is imported or run, griffe's own inspection is never asked for, and whatever a file holds, the
answer is a `Module`: what keeps it from being read stands in its `error`.
"""

from __future__ import annotations

import logging
import tokenize
from typing import TYPE_CHECKING

from bascule.bridge.collecting import no_collections
from bascule.bridge.sketch.model import Module, Origin
from bascule.bridge.sketch.reading.converting import Converter
from bascule.bridge.sketch.reading.docstrings import read_docstring
from bascule.bridge.sketch.reading.visiting import Reader

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_docstring", "read_file", "read_source"]

logging.getLogger("griffe").addHandler(logging.NullHandler())  # what it could not make sense of is no news to our user


def read_file(file: Path, name: str, *, package: bool = False) -> Module:
    """The module that a file holds.

    Args:
        file: A .py or a .pyi file.
        name: What the module is called.
        package: Whether it is a package's `__init__`.
    """
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    try:
        with tokenize.open(file) as opened:  # in the encoding that the file itself names
            source = opened.read()
    except (OSError, SyntaxError, UnicodeError) as error:
        return Module(name, str(file), origin, package, error=f"{file}: {_reason(error)}")
    return read_source(source, name, file, package=package)


def read_source(source: str, name: str, file: Path, *, package: bool = False) -> Module:
    """The module of this source; `file` is only named."""
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    try:
        with no_collections():
            return _read(source, name, file, package)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Module(name, str(file), origin, package, error=f"{file}: {_reason(error)}")


def _read(source: str, name: str, file: Path, package: bool) -> Module:
    reader = Reader(source, name, file, package)
    seen = reader.get_module()
    origin = Origin.STUB if file.suffix == ".pyi" else Origin.SOURCE
    return Converter(reader, source).module(seen, origin, package)


def _reason(error: Exception | MemoryError) -> str:
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}: " if error.lineno else ""
        return f"{where}not the syntax of this Python: {error.msg}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeError):
        return f"not in its encoding: {error}"
    if isinstance(error, (RecursionError, MemoryError)):
        return "nested too deeply to be read"
    return str(error)
