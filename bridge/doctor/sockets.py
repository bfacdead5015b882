"""The places where a service listens: the folder is one's own, the name fits, and who answers there already."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from bascule.bridge.doctor.findings import Finding, good, note, problem, warning

LONGEST = 107  # bytes of a Unix socket's path


def check(places: Sequence[Path], addresses: Sequence[str]) -> Iterator[Finding]:
    """Each socket, of both kinds."""
    for place in places:
        yield from _check(place)
    for address in addresses:
        yield from _address(address)


def _address(address: str) -> Iterator[Finding]:
    """Whether one could listen there; a moment's try tells."""
    subject = f"address {address}"
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = "somebody listens there: the service, if it runs, or another program"
            yield warning(subject, text, f"see who it is: ss -ltnp 'sport = :{port}'")
        else:
            yield problem(subject, f"nobody can listen there: {error.strerror or error}", "choose another address")
        return
    yield good(subject, "free")


def _check(place: Path) -> Iterator[Finding]:
    subject = f"socket {place}"
    size = len(os.fsencode(place))
    if size > LONGEST:
        yield problem(
            subject, f"the path has {size} bytes, and {LONGEST} is the most", "choose a shorter one: --socket"
        )
        return
    folder = place.parent
    try:
        found = folder.stat()
    except FileNotFoundError:
        if _may_be_made(folder):
            yield good(subject, "nobody listens there; its folder is made when a service starts")
        else:
            yield problem(
                subject, f"its folder {folder} is missing and can't be made", "set XDG_RUNTIME_DIR, or --socket"
            )
        return
    except OSError as error:
        yield problem(subject, f"its folder {folder}: {error.strerror}", "choose another place: --socket")
        return
    if found.st_uid not in (os.getuid(), 0):
        yield problem(subject, f"its folder {folder} is another user's", "choose a folder of your own: --socket")
    elif found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        yield problem(subject, f"anybody may write in its folder {folder}", f"chmod go-w {folder}")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield problem(subject, f"its folder {folder} can't be written", "choose another place: --socket")
    yield from _who_answers(subject, place)


def _may_be_made(folder: Path) -> bool:
    above = next((one for one in folder.parents if one.exists()), None)
    return above is not None and os.access(above, os.W_OK | os.X_OK)


def _who_answers(subject: str, place: Path) -> Iterator[Finding]:
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        yield note(subject, "nobody listens there", "start a service: bascule serve")
        return
    except OSError as error:
        yield problem(subject, str(error.strerror), "choose another place: --socket")
        return
    if not stat.S_ISSOCK(mode):
        yield problem(subject, "something that is no socket stands there", f"look at it, and remove it: rm {place}")
        return
    from bascule.bridge.client import connect
    from bascule.bridge.errors import BasculeError

    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(os.fspath(place))
    except ConnectionRefusedError:
        text = "a socket was left behind: nobody listens"
        yield warning(subject, text, "start a service there, which takes its place: bascule serve")
        return
    except OSError as error:
        yield problem(subject, f"it can't be reached: {error.strerror or error}", "ask its owner for access")
        return
    try:
        with connect(place, patience=5.0) as client:
            client.builtin("bool", timeout=10.0)
    except (BasculeError, OSError) as error:
        yield problem(subject, f"who listens there does not answer a call: {error}", "bascule status; bascule logs")
        return
    yield good(subject, "a service answers")
