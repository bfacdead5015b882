"""pypersist's names over Bascule's `persist`: put the folder above on PYTHONPATH, and change nothing else.

Results that pypersist stored are found. As there, `mongodb://` is the URL of a REST server.
"""

from __future__ import annotations

from typing import Any

from bascule.workers.persist import persist as _persist
from pypersist import commoncache, diskcache, hashing, mongodbcache, pickling, preprocessing

__all__ = ["commoncache", "diskcache", "hashing", "mongodbcache", "persist", "pickling", "preprocessing"]


def persist(func: Any = None, cache: str = "file://persist/", *args: Any, **options: Any) -> Any:
    """Remember a function's results; see `bascule.persist`."""
    if isinstance(cache, str) and cache.startswith("mongodb://"):
        cache = mongodbcache.rest_url(cache)
    return _persist(func, cache, *args, **options)
