"""`init_app(name)`, then `@cache`: an application's results, in one SQLite file in its folder among the user's data.

`@cache` may stand above a function before `init_app` is called: the file is opened at the first call.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from bascule.workers.persist.commoncache import Place, Store
from bascule.workers.persist.decorator import persist

_FILE = "cache.sqlite"
_named: list[Path] = []


class NoApp(RuntimeError):
    """`@cache` was used and nobody has said whose it is."""


def init_app(name: str) -> Path:
    """Say which application this is; the folder where its results are kept.

    Raises:
        ValueError: The name is none that a folder can have.
    """
    if not name or name in (".", "..") or any(character in name for character in "/\\\0"):
        raise ValueError(f"init_app({name!r}): the name becomes a folder's name: no slashes, not empty")
    folder = data_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    _named[:] = [folder]
    return folder


def data_folder() -> Path:
    """Where applications keep a user's data on this system."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def cache(func: Any = None, **options: Any) -> Any:
    """Remember a function's results in the application's folder. With or without options, which are `persist`'s.

    The first call of a decorated function needs `init_app` to have been called.
    """
    if "cache" in options:
        raise TypeError("cache() keeps results in the application's folder; for another place there is persist(cache=)")
    if func is None:
        return lambda function: persist(function, AppPlace(), **options)
    return persist(func, AppPlace(), **options)


class AppPlace(Place):
    """The application's database, once it has a name."""

    def __init__(self) -> None:
        super().__init__("the application's folder", ("app", id(self)))
        self._place: Place | None = None

    def _opened(self) -> Place:
        if self._place is None:
            if not _named:
                raise NoApp("call init_app('the name of your application') before a function with @cache is called")
            from bascule.workers.persist.places import open_place

            self._place = open_place(f"sqlite://{_named[0] / _FILE}")
            self.url, self.identity = self._place.url, self._place.identity
        return self._place

    def store(self, function: str) -> Store:
        """The results of one function."""
        return self._opened().store(function)

    def functions(self) -> Any:
        """The names of the functions that have a store here."""
        return self._opened().functions()

    def claim(self, function: str, owner: str) -> bool:
        """Whether this name belongs to that owner."""
        return self._opened().claim(function, owner)


cache.init_app = init_app  # type: ignore[attr-defined]
