"""What generated code and mounted implementations need at run time: the standard library is enough for all of it.

`wire` has the plain form of values, the converters of foreign types, and the errors that say where something is wrong;
`fast` is how msgspec does the same where it is installed; `codecs` are the implementations of formats, `encoding` and
`decoding` what all of those share; `comparing` says which differences of two contracts break whom; `mounting` has the
implementation of a module as functions that workers offer.
"""

from __future__ import annotations

from pathlib import Path


def fast_path() -> Path:
    """Where the module `fast` is, which can only be imported where msgspec is installed."""
    return Path(__file__).with_name("fast.py")
