"""Results remembered: `persist` keeps what a function computed, on disk, in a database or on a server.

It offers what pypersist does, in the same words and the same files, without its faults, and what joblib, diskcache and
functools.lru_cache have taught people to expect: one computation for all who ask at once, entries that are never half
written, time limits, invalidation when code changes. It needs the standard library alone.

A call goes through these modules, in this order:

    decorator, options     what the function was told
    persisted, decorated   the callable: key, name, look; else compute
    preprocessing          arguments -> key;  hashing, canonical: key -> name
    shelf                  may this entry be given? what is to be stored?  entries, serializers, lifetimes, fingerprints
    flights, locks         who computes, and who waits;  driving, event_loops: how
    commoncache, places    Store and Place: the one small interface, and which place a URL names
    diskcache, ...         one module for each place

Beside them: `memoizing` (in memory), `apps` (an application's own file), `mapping` (the `.cache` of a function),
`limits` (eviction), `statistics`, `recordings` and `replay` (generators), `shared` (what a bridge's cache and its
workers share).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bascule.workers.persist.apps import cache as cache
    from bascule.workers.persist.apps import init_app as init_app
    from bascule.workers.persist.canonical import Uncacheable as Uncacheable
    from bascule.workers.persist.commoncache import CacheWarning as CacheWarning
    from bascule.workers.persist.commoncache import HashCollisionError as HashCollisionError
    from bascule.workers.persist.commoncache import NotStorable as NotStorable
    from bascule.workers.persist.commoncache import Place as Place
    from bascule.workers.persist.commoncache import Store as Store
    from bascule.workers.persist.commoncache import StoreUnavailable as StoreUnavailable
    from bascule.workers.persist.commoncache import UnknownStore as UnknownStore
    from bascule.workers.persist.decorator import persist as persist
    from bascule.workers.persist.memoizing import memoize as memoize
    from bascule.workers.persist.places import open_place as open_place
    from bascule.workers.persist.preprocessing import arg_tuple as arg_tuple

_HOMES = {
    "CacheWarning": "commoncache",
    "HashCollisionError": "commoncache",
    "NotStorable": "commoncache",
    "Place": "commoncache",
    "Store": "commoncache",
    "StoreUnavailable": "commoncache",
    "Uncacheable": "canonical",
    "UnknownStore": "commoncache",
    "arg_tuple": "preprocessing",
    "cache": "apps",
    "init_app": "apps",
    "memoize": "memoizing",
    "open_place": "places",
    "persist": "decorator",
}

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


def __getattr__(name: str) -> object:
    """The public names, imported when first asked for: who wants the rules of a lifetime pays for no store."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
