"""Results remembered: `persist` keeps what a function computed, on disk, in a database or on a server.

It offers what pypersist does, in the same words and the same files, without its faults, and what joblib, diskcache and
functools.lru_cache have taught people to expect: one computation for all who ask at once, entries that are never half
written, time limits, invalidation when code changes. It needs the standard library alone.

A call goes through these modules, in this order:

    decorator, options     what the function was told
    persisted              the callable: key, name, look; else compute
    preprocessing          arguments -> key;  hashing, canonical: key -> name
    shelf                  may this entry be given? what is to be stored?  entries, serializers, lifetimes, fingerprints
    flights, locks         who computes, and who waits
    commoncache, places    Store and Place: the one small interface, and which place a URL names
    diskcache, ...         one module for each place

Beside them: `memoizing` (in memory), `apps` (an application's own file), `mapping` (the `.cache` of a function),
`limits` (eviction), `statistics`, `recordings` and `replay` (generators), `shared` (what a bridge's cache and its
workers share).
"""

from __future__ import annotations

from bascule.workers.persist.apps import cache, init_app
from bascule.workers.persist.canonical import Uncacheable
from bascule.workers.persist.commoncache import (
    CacheWarning,
    HashCollisionError,
    NotStorable,
    Place,
    Store,
    StoreUnavailable,
    UnknownStore,
)
from bascule.workers.persist.decorator import persist
from bascule.workers.persist.memoizing import memoize
from bascule.workers.persist.places import open_place
from bascule.workers.persist.preprocessing import arg_tuple

__all__ = [
    "CacheWarning",
    "HashCollisionError",
    "NotStorable",
    "Place",
    "Store",
    "StoreUnavailable",
    "Uncacheable",
    "UnknownStore",
    "arg_tuple",
    "cache",
    "init_app",
    "memoize",
    "open_place",
    "persist",
]
