"""From a URL to the place it names. Each place is opened once in a process; its module is imported when asked for."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from bascule.workers.persist.commoncache import Place, UnknownStore
from bascule.workers.persist.statistics import hand_in_all

KNOWN = {
    "file": "a folder in pypersist's layout: file://persist/",
    "sqlite": "one file: sqlite://results.db, or sqlite:// for the one in the user's cache folder",
    "memory": "this process alone: memory://",
    "redis": "a Redis server: redis://localhost:6379/0",
    "rediss": "the same, encrypted: rediss://",
    "mongodb": "a MongoDB server: mongodb://localhost:27017/results",
    "mongodb+srv": "the same, found by DNS: mongodb+srv://",
    "mongodb+http": "pypersist's REST server: mongodb+http://localhost:5000/persist/",
    "mongodb+https": "the same, encrypted: mongodb+https://",
}

_guard = threading.Lock()
_open: dict[tuple[str, int], Place] = {}


def open_place(url: str) -> Place:
    """The place of a URL; text without a scheme is a folder.

    Raises:
        UnknownStore: There is no such scheme, or an option of the URL is unknown.
        TypeError: It is neither text nor a path.
    """
    try:
        url = os.fspath(url)
    except TypeError:
        raise TypeError(
            f"results are kept in a folder or at a URL, sqlite://results.db for one, not in {url!r}"
        ) from None
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "file", url
    make = _MAKERS.get(scheme)
    if make is None:
        raise UnknownStore(f"no store has the scheme {scheme!r} of {url!r}; there are: {'; '.join(KNOWN.values())}")
    place = make(url, rest)
    key = (repr(place.identity), os.getpid())
    with _guard:
        return _open.setdefault(key, place)


def _close_all() -> None:
    """At the end: hand in what was counted, then let go of connections."""
    hand_in_all()
    for place in list(_open.values()):
        place.close()


atexit.register(_close_all)


def absolute(url: str) -> str:
    """The same place for a process in another folder and of another environment. Nothing is opened, or checked."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme not in ("file", "sqlite"):
        return url
    path, mark, query = (rest if separator else url).partition("?")
    scheme = scheme if separator else "file"
    path = path or ("persist" if scheme == "file" else str(default_sqlite()))
    return f"{scheme}://{os.path.abspath(os.path.expanduser(path))}{mark}{query}"


def default_sqlite() -> Path:
    """Where `sqlite://` without a file is."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "bascule" / "results.sqlite"


def _file(url: str, rest: str) -> Place:
    from bascule.workers.persist.diskcache import FilePlace

    path, options = _options(url, rest, {"durable"})
    return FilePlace(path or "persist", durable=_flag(url, options.get("durable", "0")))


def _options(url: str, rest: str, known: set[str]) -> tuple[str, dict[str, str]]:
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise UnknownStore(f"{url!r}: the option {name!r} is unknown; there are: {', '.join(sorted(known))}")
    return path, options


def _flag(url: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise UnknownStore(f"{url!r}: an option is 0 or 1, not {text!r}")
    return text == "1"


def _sqlite(url: str, rest: str) -> Place:
    from bascule.workers.persist.sqlitecache import SqlitePlace

    path, options = _options(url, rest, {"durable"})
    return SqlitePlace(path or default_sqlite(), durable=_flag(url, options.get("durable", "0")))


def _memory(url: str, rest: str) -> Place:
    from bascule.workers.persist.memorycache import MemoryPlace

    return MemoryPlace(_options(url, rest, set())[0])


def _redis(url: str, rest: str) -> Place:
    from bascule.workers.persist.rediscache import RedisPlace

    path, options = _options(url, rest, {"timeout"})
    return RedisPlace(f"{url.partition('://')[0]}://{path}", timeout=_number(url, options.get("timeout"), 5.0))


def _mongo(url: str, rest: str) -> Place:
    from bascule.workers.persist.mongocache import MongoPlace

    return MongoPlace(url)


def _rest(url: str, rest: str) -> Place:
    from bascule.workers.persist.mongodbcache import TIMEOUT, RestPlace

    path, options = _options(url, rest, {"timeout"})
    return RestPlace(f"{url.partition('://')[0]}://{path}", timeout=_number(url, options.get("timeout"), TIMEOUT))


def _number(url: str, text: str | None, default: float) -> float:
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise UnknownStore(f"{url!r}: timeout must be a number of seconds, not {text!r}")
    return number


_MAKERS: dict[str, Callable[[str, str], Place]] = {
    "file": _file,
    "sqlite": _sqlite,
    "memory": _memory,
    "redis": _redis,
    "rediss": _redis,
    "mongodb": _mongo,
    "mongodb+srv": _mongo,
    "mongodb+http": _rest,
    "mongodb+https": _rest,
}
