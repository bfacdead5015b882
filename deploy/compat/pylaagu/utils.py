"""Small things that programs written for Py.Laagu import."""

from __future__ import annotations

import os
import sys

DEBUG = os.environ.get("DEBUG", False)


def debug(*args: object) -> None:
    """Print to standard error, if the environment sets DEBUG."""
    if DEBUG:
        print(*args, file=sys.stderr)


def to_snake(name: str) -> str:
    """`do-it` as `do_it`."""
    return name.replace("-", "_")


def to_kebab(name: str) -> str:
    """`do_it` as `do-it`."""
    return name.replace("_", "-")


def is_public(name: str) -> bool:
    """Whether it has no leading underscore."""
    return not name.startswith("_")
