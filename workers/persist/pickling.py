"""Results and keys as text, as they stand in pypersist's visible files: base64 of a pickle.

Protocol 4, with which that library writes, is read by every Python that is supported here.
"""

from __future__ import annotations

import base64
import pickle as _pickle
from typing import Any

PROTOCOL = 4


def pickle(obj: Any) -> str:
    """An object as text of letters, digits, - and _."""
    return base64.urlsafe_b64encode(pickle_to_bytes(obj)).decode("ascii")


def unpickle(string: str) -> Any:
    """The object that `pickle` made text of. As with every pickle: only read what you trust."""
    return unpickle_from_bytes(base64.urlsafe_b64decode(string))


def pickle_to_bytes(obj: Any) -> bytes:
    """An object as bytes."""
    return _pickle.dumps(obj, PROTOCOL)


def unpickle_from_bytes(obj: bytes) -> Any:
    """The object that `pickle_to_bytes` made bytes of."""
    return _pickle.loads(obj)
