"""A Unix socket, made safely.

Its folder must be one that nobody else can write to (made with mode 0700 when it is missing); the socket has mode 0600,
if the configuration does not say other, before anybody can connect. A socket that nobody answers on is a leftover of a
killed service and is replaced; one that answers is not ours to take; anything else at that path, a symbolic link too,
is refused.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKLOG = 1024


class ListenRefused(Exception):
    """The socket can't be made there; the message says why and what to do."""


@contextmanager
def listening(path: Path, *, mode: int = 0o600, directory_mode: int = 0o700) -> Iterator[socket.socket]:
    """A listening socket at `path`, which is removed at the end.

    Args:
        path: Where.
        mode: Its permissions: who may write to it may connect.
        directory_mode: Those of its folder, when that must be made.

    Raises:
        ListenRefused: A service listens there, the path is taken by something else, or the folder is not safe.
    """
    _prepare_folder(path.parent, directory_mode)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode is set before anybody can connect: connecting needs `listen`.
        try:
            listener.bind(str(path))
        except OSError as error:
            raise ListenRefused(f"cannot listen on {path}: {error.strerror or error}") from None
        made = path.lstat()
        path.chmod(mode)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        try:
            yield listener
        finally:
            _remove(path, made)
    finally:
        listener.close()


def _prepare_folder(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        info = folder.stat()
        owners = {info.st_uid, folder.lstat().st_uid}  # of the folder, and of a link to it
    except OSError as error:
        raise ListenRefused(f"cannot use the folder {folder}: {error.strerror}") from None
    writable_by_others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not owners <= {os.getuid(), 0} or (writable_by_others and not info.st_mode & stat.S_ISVTX):
        raise ListenRefused(f"others could replace a socket in {folder}; choose a folder of your own (mode 0700)")


def _clear(path: Path) -> None:
    """Make sure that nothing is at `path`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenRefused(f"{path} is there already and is no socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ListenRefused(f"cannot tell who listens on {path}: {error.strerror or error}") from None
    raise ListenRefused(f"a service listens on {path} already; stop it or choose another --socket")


def _remove(path: Path, made: os.stat_result) -> None:
    """Remove our socket, unless somebody has put another in its place."""
    try:
        now = path.lstat()
    except FileNotFoundError:
        return
    if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
        path.unlink(missing_ok=True)
