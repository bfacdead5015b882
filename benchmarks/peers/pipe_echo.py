"""The floor: one process, one hop, raw reads and writes."""

from __future__ import annotations

import sys

from benchmarks.pipes import Piped

_LOOP = """
import os
while data := os.read(0, 65536):
    os.write(1, data)
"""


def start() -> Piped:
    """The echo process."""
    return Piped([sys.executable, "-I", "-c", _LOOP])
