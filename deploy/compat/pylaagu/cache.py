"""Results remembered, under Py.Laagu's names: `cache` and `memoize` are Bascule's own.

`init_app` says whose they are; `cache` may decorate a function before that, and needs it when the function is called.
Two functions never share a result, keywords count, None is a result, and threads may call at the same time.
"""

from __future__ import annotations

from bascule.workers.persist import apps
from bascule.workers.persist.apps import cache
from bascule.workers.persist.memoizing import memoize

__all__ = ["appname", "cache", "init_app", "memoize"]

_named: list[str] = []


def init_app(name: str) -> None:
    """Keep results in the folder of the application called so.

    Raises:
        ValueError: The name is none that a folder can have.
    """
    apps.init_app(name)
    _named[:] = [name]


def appname() -> str:
    """The application's name.

    Raises:
        ValueError: `init_app` was not called.
    """
    if not _named:
        raise ValueError("call init_app(NAME) first: it says where results are kept")
    return _named[0]
