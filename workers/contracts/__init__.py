"""What generated code and mounted implementations need at run time: the standard library is enough for all of it.

`wire` has the plain form of values and the errors that say where something is wrong; `converters` what foreign types
become there; `codecs` the implementations of formats; `comparing` which differences of two contracts break whom;
`mounting` the implementation of a module as functions that workers offer.
"""

from __future__ import annotations

from pathlib import Path


def fast_path() -> Path:
    """Where the module `fast` is, which can only be imported where msgspec is installed."""
    return Path(__file__).with_name("fast.py")
