"""Locks between the processes of one user on one machine, for places that have no file of their own to lock."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Hashable
from pathlib import Path

from bascule.workers.persist.locks import KernelLock


def machine_lock(place: Hashable, name: str) -> KernelLock:
    """The lock on a name of that place."""
    digest = hashlib.blake2b(repr(place).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return KernelLock(_folder() / digest, name)


def _folder() -> Path:
    """A folder that is ours alone: another user's lock files would let him keep us waiting."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = f"bascule-persist-{os.getuid()}"
    folder = Path(runtime) / "bascule-persist" if runtime else Path(tempfile.gettempdir()) / own
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it, or set XDG_RUNTIME_DIR")
    return folder


def machine_id() -> str:
    """The same for all processes that share these locks, and for no others."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
    except OSError:
        boot = os.uname().nodename
    status = _folder().stat()
    return f"{boot}-{status.st_dev:x}-{status.st_ino:x}"
