"""From a key to the name its result is kept under: 43 letters, digits, - and _.

A key of plain values (numbers, text, bytes, None, and tuples and lists of them) is named by the SHA-256 of its pickle,
which is what pypersist does: both libraries find each other's results. But a pickle also tells whether two equal
strings are one object, so the key is rebuilt first, every string once and every container anew. A key with anything
else in it is named by its canonical bytes (see `canonical`).
"""

from __future__ import annotations

import pickle
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from bascule.workers.persist.canonical import Uncacheable, encode
from bascule.workers.persist.pickling import PROTOCOL

_NUMBERS = frozenset((int, float, bool, type(None)))
_TEXTS = frozenset((str, bytes))
_MOST_DEPTH = 100
_SALT = b"bascule key 1\0"  # another way of writing keys would be another salt
_dumps = pickle.dumps

_RECENT, _RECENT_SIZE = 4096, 512
_recent: dict[bytes, str] = {}  # pickles of small keys met lately -> their names
_recent_ints: dict[Any, str] = {}  # the same by the keys themselves, where the only argument is an int


def hash(key: Any) -> str:
    """The name of a key. Equal keys have equal names, in every process.

    Raises:
        Uncacheable: Something in the key has no content that could be compared.
    """
    if type(key) is tuple:
        # Exactly these types: 1, 1.0 and True are equal, and have names of their own.
        pair = key[0] if len(key) == 1 else None
        is_int = type(pair) is tuple and len(pair) == 2 and type(pair[1]) is int and type(pair[0]) is str
        if is_int:
            name = _recent_ints.get(key)
            if name is not None:
                return name
        if _is_simple(key):
            data = _dumps(key, PROTOCOL)
            name = _recent.get(data)
            if name is None:
                name = _name(data)
                if len(data) <= _RECENT_SIZE:
                    _remember(_recent, data, name)
            if is_int and len(data) <= _RECENT_SIZE:
                _remember(_recent_ints, key, name)
            return name
    try:
        data = _dumps(_rebuilt(key, {}, 0), PROTOCOL)
    except _NotPlain:
        data = _SALT + encode(key)
    return _name(data)


def _remember(names: dict[Any, str], key: Any, name: str) -> None:
    if len(names) >= _RECENT:
        names.clear()
    names[key] = name


def _name(data: bytes) -> str:
    return urlsafe_b64encode(sha256(data).digest())[:43].decode("ascii")


def pypersist_hash(key: Any) -> str | None:
    """The name under which pypersist would have kept this very key; None where it can't be pickled."""
    try:
        data = _dumps(key, PROTOCOL)
    except Exception:  # whatever a key's own __reduce__ raises
        return None
    return _name(data)


def _is_simple(key: tuple[Any, ...]) -> bool:
    """Whether this is the usual key, pairs of a name and a scalar, no text of it twice: its pickle needs no care."""
    if len(key) == 1 and type(key[0]) is tuple and len(key[0]) == 2:
        name, value = key[0]
        if type(name) is str and type(value) in _NUMBERS:
            return True
    texts = []
    for pair in key:
        if type(pair) is not tuple or len(pair) != 2:
            return False
        name, value = pair
        if type(name) is not str:
            return False
        texts.append(name)
        kind = type(value)
        if kind in _TEXTS:
            texts.append(value)
        elif kind not in _NUMBERS:
            return False
    return len(texts) == 1 or len(set(texts)) == len(texts)


class _NotPlain(Exception):
    """There is something else in the key."""


def _rebuilt(value: Any, texts: dict[tuple[type, Any], Any], depth: int) -> Any:
    """The same value, where equal texts are one object and no container stands in two places."""
    kind = type(value)
    if kind in _NUMBERS:
        return value
    if kind in _TEXTS:
        return texts.setdefault((kind, value), value)
    if kind is not tuple and kind is not list:
        raise _NotPlain
    if depth > _MOST_DEPTH:
        raise _NotPlain
    if _NUMBERS.issuperset(map(type, value)):
        return kind([*value])
    return kind([_rebuilt(each, texts, depth + 1) for each in value])


__all__ = ["Uncacheable", "hash", "pypersist_hash"]
