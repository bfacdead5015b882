"""Who is at the other end of a connection, and what he may do: the decision, before anything of him is heard.

On a Unix socket the kernel says who connected (SO_PEERCRED, SO_PEERGROUPS). Our own user and root come in everywhere;
others where the listener names them or a group of theirs. Where the listener has tokens, one of them must be in the
hello as well. What a client may call is the listener's `allow`; when that is not said, everything for our own user on a
Unix socket, and nothing for anybody else.
"""

from __future__ import annotations

import array
import contextlib
import grp
import hmac
import os
import pwd
import socket
import stat
import struct
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bascule.bridge.config import LEAST_TOKEN
from bascule.bridge.policy import NOTHING, Policy
from bascule.bridge.router.peers import Grant

if TYPE_CHECKING:
    from bascule.bridge.config import Guarded

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_SO_PEERGROUPS = 59  # Linux; the socket module has no name for it
_MOST_GROUPS = 4096


class AdmissionError(Exception):
    """A listener's tokens, users or groups can't be used; the message says why and what to do."""


class Peer(NamedTuple):
    """A process at the other end of a Unix socket."""

    pid: int
    uid: int
    groups: frozenset[int]

    def __str__(self) -> str:
        return f"uid {self.uid}, pid {self.pid}"


def peer_of(connection: socket.socket) -> Peer:
    """Who connected, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(credentials)
    groups = {gid}
    with contextlib.suppress(OSError):
        numbers = array.array("I")
        numbers.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * numbers.itemsize))
        groups.update(numbers)
    return Peer(pid, uid, frozenset(groups))


class Tokens:
    """The tokens of one file. Only their digests are kept, and compared in constant time.

    Raises:
        AdmissionError: The file can be read by others, has no token, or has one that could be guessed.
    """

    def __init__(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
            lines = path.read_text().split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise AdmissionError(f"{path}: its tokens can't be read: {error}") from None
        if stat.S_IMODE(mode) & 0o077:
            raise AdmissionError(f"{path}: others may read its tokens; chmod 600 {path}")
        tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not tokens:
            raise AdmissionError(f"{path}: there is no token in it; `bascule token` makes one")
        for number, line in enumerate(lines, 1):
            if 0 < len(line.strip()) < LEAST_TOKEN and not line.startswith("#"):
                raise AdmissionError(
                    f"{path}:{number}: found a token of {len(line.strip())} characters; allowed: {LEAST_TOKEN} or more "
                    "(256 random bits); `bascule token` makes one"
                )
        self._digests = [sha256(token.encode()).digest() for token in tokens]

    def find(self, token: str | None) -> int | None:
        """Which of the tokens this is, counted from 1; None when it is none of them."""
        digest = sha256((token or "").encode(errors="replace")).digest()
        matches = [hmac.compare_digest(digest, each) for each in self._digests]
        return matches.index(True) + 1 if token and any(matches) else None


class Admission:
    """One listener's rule.

    Args:
        name: The listener's.
        config: What is said of it; None for the socket of our own user.

    Raises:
        AdmissionError: It names users, groups or tokens that are none.
    """

    def __init__(self, name: str, config: Guarded | None = None) -> None:
        self.name = name
        self.tokens = Tokens(config.token_file) if config is not None and config.token_file is not None else None
        self.pool = None if config is None else config.pool
        users, groups = (getattr(config, "users", ()), getattr(config, "groups", ()))
        self._users = frozenset(_uid(name, user) for user in users)
        self._groups = frozenset(_gid(name, group) for group in groups)
        self._operator = config is not None and config.operator
        allow = None if config is None else config.allow
        self._policy = None if allow is None else Policy(allow, objects=config is not None and config.objects)

    def grant_for_peer(self, peer: Peer) -> Grant | None:
        """What a process of this machine may do, None when it may not even come in."""
        is_own = peer.uid in (os.getuid(), 0)
        if not (is_own or peer.uid in self._users or peer.groups & self._groups):
            return None
        if self._policy is not None:
            return Grant(self.name, str(peer), self._policy, is_own or self._operator, peer.uid)
        return Grant(self.name, str(peer), None if is_own else NOTHING, is_own or self._operator, peer.uid)

    def grant_for_token(self, number: int, address: str) -> Grant:
        """What somebody from elsewhere may do, who has shown that token."""
        return Grant(self.name, f"token {number} from {address}", self._policy or NOTHING, self._operator)

    def renew(self, grant: Grant) -> Grant:
        """The grant of somebody who came in under an earlier rule of this listener, by this rule."""
        is_own = grant.uid in (os.getuid(), 0)
        policy = self._policy if self._policy is not None or is_own else NOTHING
        return grant._replace(policy=policy, operator=is_own or self._operator)


def files_of(config: Guarded | None) -> str:
    """What stands in the files that a rule is made of, as a digest: one that was renewed makes another rule."""
    digest = sha256()
    for path in () if config is None else (config.certificate, config.key, config.client_ca, config.token_file):
        with contextlib.suppress(OSError):  # whoever makes the rule says what is wrong with it
            digest.update(sha256(b"" if path is None else path.read_bytes()).digest())
    return digest.hexdigest()


def _uid(listener: str, user: str | int) -> int:
    try:
        return user if isinstance(user, int) else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise AdmissionError(f"listeners.{listener}.users: found {user!r}; allowed: users of this system") from None


def _gid(listener: str, group: str | int) -> int:
    try:
        return group if isinstance(group, int) else grp.getgrnam(group).gr_gid
    except KeyError:
        raise AdmissionError(f"listeners.{listener}.groups: found {group!r}; allowed: groups of this system") from None
