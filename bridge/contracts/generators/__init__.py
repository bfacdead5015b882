"""From a schema to text in some language: each module here is one target, a pure function from a schema to files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class File(NamedTuple):
    """A generated file: where it belongs below the output folder, and what it says."""

    path: str
    text: str


def in_order(files: Mapping[str, str]) -> list[File]:
    """The files by their paths."""
    return [File(path, files[path]) for path in sorted(files)]
