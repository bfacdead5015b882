"""Others who remember results on disk: pypersist, diskcache, joblib; and the floor, a file with a pickle in it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Function = Callable[[int], Any]


def pypersist(function: Function, folder: Path) -> Function:
    """By pypersist."""
    import pypersist

    decorated: Function = pypersist.persist(function, cache=f"file://{folder}/pypersist/")
    return decorated


@contextmanager
def diskcache(function: Function, folder: Path) -> Iterator[Function]:
    """By diskcache."""
    import diskcache

    with diskcache.Cache(str(folder / "diskcache")) as cache:
        yield cache.memoize()(function)


def joblib(function: Function, folder: Path) -> Function:
    """By joblib."""
    import joblib

    decorated: Function = joblib.Memory(str(folder / "joblib"), verbose=0).cache(function)
    return decorated


def floor(function: Function, folder: Path) -> Function:
    """A file, a pickle, and nothing else: it knows one argument, and damage not at all."""

    name = getattr(function, "__name__", "")

    def remembered(x: int) -> Any:
        path = f"{folder}/{name}{x}.pickle"
        try:
            with open(path, "rb") as file:
                return pickle.loads(file.read())
        except FileNotFoundError:
            pass
        value = function(x)
        new = folder / f"{name}{x}.new"
        new.write_bytes(pickle.dumps(value, 5))
        new.rename(path)
        return value

    return remembered
