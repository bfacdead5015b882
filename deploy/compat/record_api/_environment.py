"""What the commands are told, by variables that begin with PYTHON_RECORD_API_."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from bascule.bridge.recording.reading import Damage, InputError
from bascule.workers.recording.errors import RecordError

PREFIX = "PYTHON_RECORD_API_"


def variable(name: str) -> str:
    """The value of a variable; without one the command ends and says which is missing."""
    value = os.environ.get(PREFIX + name)
    if not value:
        sys.exit(f"record_api: set {PREFIX}{name}")
    return value


def path(name: str) -> Path:
    """A file or folder that a variable names."""
    return Path(variable(name))


def names(name: str) -> list[str]:
    """What a variable lists, between commas or white space."""
    return [each for each in re.split(r"[,\s]+", variable(name)) if each]


def strict() -> bool:
    """Whether the old tool's own result is wanted, with its faults."""
    return "--strict-compat" in sys.argv[1:] or os.environ.get(f"{PREFIX}STRICT_COMPAT") == "1"


def done(do: Callable[[Damage], None]) -> None:
    """Do a step, and tell what was damaged."""
    damage = Damage()
    try:
        do(damage)
    except (InputError, RecordError) as error:
        sys.exit(f"record_api: {error}")
    except OSError as error:
        sys.exit(f"record_api: {error.filename}: {error.strerror}")
    for line in damage.lines():
        print(f"record_api: {line}", file=sys.stderr)
