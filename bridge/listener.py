"""The service's Unix socket: made safely, served to nobody but its owner.

The folder is the user's own with mode 0700 (made when it is missing), the socket has mode 0600, and each peer's user id
is asked of the kernel before a byte of it is read. Clients can't use up all descriptors: some are kept back for new
workers. A socket that nobody answers on is a leftover of a killed service and is replaced; one that answers is not ours
to take; anything else at that path, a symbolic link too, is refused.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

_log = logging.getLogger(__name__)

BACKLOG = 1024
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_RESERVED = 64  # descriptors that clients can't have: a lost worker could not be replaced
_RETRY = 0.1  # seconds to wait when there are no descriptors left


class ListenRefused(Exception):
    """The socket can't be made there; the message says why and what to do."""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path`, which is removed at the end.

    Raises:
        ListenRefused: A service listens there, the path is taken by something else, or the folder is not safe.
    """
    _prepare_folder(path.parent)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode is set before anybody can connect: connecting needs `listen`.
        try:
            listener.bind(str(path))
        except OSError as error:
            raise ListenRefused(f"cannot listen on {path}: {error.strerror or error}") from None
        made = path.lstat()
        path.chmod(0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        try:
            yield listener
        finally:
            _remove(path, made)
    finally:
        listener.close()


async def serve(listener: socket.socket, accepted: Callable[[socket.socket, str], None]) -> None:
    """Accept for ever; each client of our own user (or root) is handed over with a text that names it."""
    server = trio.socket.from_stdlib_socket(listener)
    own = os.getuid()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    full = sys.maxsize if most == resource.RLIM_INFINITY else most - _RESERVED
    while True:
        try:
            client, _ = await server.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                await trio.sleep(_RETRY)  # those that are connected go on; new ones wait in the backlog
                continue
            if error.errno == errno.ECONNABORTED:
                continue
            raise
        connection = socket.socket(fileno=client.detach())
        pid, uid, _gid = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if connection.fileno() >= full:  # the lowest free number: so many are open
            _log.warning("a client was turned away: %d descriptors are in use; raise `ulimit -n`", connection.fileno())
            connection.close()
        elif uid in (own, 0):
            accepted(connection, f"pid {pid}")
        else:
            connection.close()


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
