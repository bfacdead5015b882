"""`--watch`: notice when the user's modules change, so that workers can be replaced by fresh ones.

The folders that a pool puts on its workers' sys.path are looked through twice a second: a few thousand `stat` calls, no
dependency, and it works on network and container file systems where change events don't. A change is reported when
nothing has changed any more for one look, so that an editor that saves five files causes one roll.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio

INTERVAL = 0.5  # seconds between looks
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}

Snapshot = dict[str, tuple[int, int]]
"""File -> (time of change in ns, size)."""


def look(folders: Iterable[Path]) -> Snapshot:
    """All Python files below the folders; hidden folders and installed packages are left out."""
    found: Snapshot = {}
    for folder in folders:
        for where, inner, files in os.walk(folder):
            inner[:] = [name for name in inner if name not in _SKIPPED and not name.startswith(".")]
            for name in files:
                if name.endswith(".py"):
                    path = os.path.join(where, name)  # noqa: PTH118 - a Path for each file is ten times the cost
                    try:
                        info = os.stat(path)  # noqa: PTH116 - the same
                    except OSError:
                        continue
                    found[path] = (info.st_mtime_ns, info.st_size)
    return found


def changed(before: Snapshot, now: Snapshot) -> list[str]:
    """Files that were added, removed or written."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


async def watch(folders: Iterable[Path], on_change: Callable[[list[str]], Awaitable[None]]) -> None:
    """Look for ever; call `on_change` with the files once they have settled."""
    folders = list(folders)
    known = await trio.to_thread.run_sync(look, folders)
    last = known
    while True:
        await trio.sleep(INTERVAL)
        now = await trio.to_thread.run_sync(look, folders)
        files = changed(known, now)
        if files and now == last:
            known = now
            await on_change(files)
        last = now
