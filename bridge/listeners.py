"""The service's listeners: each a socket, a rule of admission, and a loop that accepts.

What comes in is handed to the router as plain descriptors together with a grant. On a Unix socket without tokens that
is at once: the kernel has said who it is, and the router drops it when it has not said hello in time. Everybody else
is greeted here first (see `greeting`).

Clients can't use up all descriptors: some are kept back for new workers; who comes when only those are left is turned
away with a word, and those that are connected go on.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import select
import socket
import ssl
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.admission import Admission, files_of, peer_of
from bascule.bridge.crowd import Carrying, Crowd
from bascule.bridge.doors.front import FrontDoor, OpenPod
from bascule.bridge.doors.service import ServiceDoor
from bascule.bridge.greeting import greet, pair, refusal, tls_context
from bascule.bridge.listener import BACKLOG, ListenRefused, listening

if TYPE_CHECKING:
    from pathlib import Path

    from bascule.bridge.app import Bridge
    from bascule.bridge.config import LimitsConfig, ListenerConfig
    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Grant, Session

_log = logging.getLogger(__name__)

RESERVED = 64  # descriptors that clients can't have: a lost worker could not be replaced
_RETRY = 0.1  # seconds to wait when there are no descriptors left
_HELLO_TIMEOUT = 10.0  # on the socket of our own user
_LATER = 1.0  # seconds until we see whether what a client said was read
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True)
class Terms:
    """What holds for every listener: where clients go, how many there are, and how much they may ask for."""

    bridge: Bridge
    limits: LimitsConfig
    open_pod: OpenPod
    crowd: Crowd


@dataclass(frozen=True)
class Rule:
    """All of a listener that can change while it listens."""

    config: ListenerConfig | None  # None: the default one's
    admission: Admission
    tls: ssl.SSLContext | None
    files: str  # what its certificate and its tokens were when they were read


def make_rule(name: str, config: ListenerConfig | None) -> Rule:
    """Read what the rule consists of.

    Raises:
        AdmissionError: Its users, groups or tokens can't be used.
        ListenRefused: Its certificate can't be used.
    """
    files = files_of(config)
    admission = Admission(name, config)
    if config is None or config.certificate is None:
        return Rule(config, admission, None, files)
    try:
        return Rule(config, admission, tls_context(config.certificate, config.key, config.client_ca), files)
    except OSError as error:
        raise ListenRefused(f"listener {name}: its certificate can't be used: {error}") from None


class Listener:
    """One listener: open it, serve it, close it.

    Args:
        name: As in the configuration; `default` is the socket of our own user.
        terms: What holds for all of them.
        rule: What is said of it.
        path: Where the default one is.
        inherited: Sockets that systemd made, for the listener that names them.

    Attributes:
        clients: How many are connected.
        place: Where it listens, to tell two that listen at the same place; None where systemd made the sockets.
    """

    def __init__(
        self,
        name: str,
        terms: Terms,
        rule: Rule,
        *,
        path: Path | None = None,
        inherited: tuple[socket.socket, ...] = (),
    ) -> None:
        self.name = name
        self.terms = terms
        self.clients = 0
        self.rule = rule
        self._path = path if rule.config is None else rule.config.unix
        self._inherited = inherited
        self._sockets: list[socket.socket] = []
        self._closing = ExitStack()
        self._before: Listener | None = None
        tcp = rule.config.tcp if rule.config is not None else None
        self.place = None if inherited else tcp if self._path is None else str(self._path.absolute())

    def open(self, before: Listener | None = None) -> None:
        """Make its socket.

        Args:
            before: One that listens at the same place and is about to go: its socket is used on, under another name.

        Raises:
            ListenRefused: It can't be made; the message says why and what to do.
        """
        config = self.rule.config
        if self._inherited:
            self._sockets = [sock.dup() for sock in self._inherited]  # another listener may want them after this one
        elif before is not None:
            self._sockets, self._before = [sock.dup() for sock in before._sockets], before
        elif self._path is not None:
            mode, directory = ("0600", "0700") if config is None else (config.mode, config.directory_mode)
            opened = listening(self._path, mode=int(mode, 8), directory_mode=int(directory, 8))
            self._sockets = [self._closing.enter_context(opened)]
        elif config is not None and config.tcp is not None:
            self._sockets = [listen_tcp(config.tcp)]
        else:
            wanted = config.systemd if config is not None else ""
            raise ListenRefused(f"listener {self.name}: systemd handed over no socket with the name {wanted!r}")
        if any(sock.family != socket.AF_UNIX for sock in self._sockets) and not self._is_protected():
            raise ListenRefused(f"listener {self.name}: a TCP socket needs both a certificate and a token_file")

    def take_over(self) -> None:
        """What is at its place in the file system is this one's now, where another has listened there so far."""
        if self._before is not None:
            self._closing = self._before._closing.pop_all()
            self._before = None
            self._set_mode()

    def close(self) -> None:
        """Accept nobody any more; those that are connected stay."""
        self._closing.close()
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def change(self, rule: Rule) -> None:
        """Another rule from now on, also for those who are connected."""
        self.rule = rule
        self._set_mode()
        self.terms.bridge.pump.post(partial(self._readmit, self.terms.bridge.core))

    def __str__(self) -> str:
        return ", ".join(_address_of(sock) for sock in self._sockets)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept until cancelled."""
        async with trio.open_nursery() as nursery:
            for sock in self._sockets:
                nursery.start_soon(self._accept, sock, nursery)
            task_status.started()

    async def _accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        server = trio.socket.from_stdlib_socket(listener)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        full = sys.maxsize if most == resource.RLIM_INFINITY else most - RESERVED
        while True:
            try:
                accepted, _ = await server.accept()
            except OSError as error:
                if error.errno in _OUT_OF:
                    await trio.sleep(_RETRY)  # those that are connected go on; new ones wait in the backlog
                    continue
                if error.errno == errno.ECONNABORTED:
                    continue
                raise
            client = socket.socket(fileno=accepted.detach())
            try:
                self._check_room(client.fileno() >= full)  # the lowest free number: so many are open
            except _TurnedAway as refused:
                self._turn_away(client, str(refused))
            else:
                self._let_in(client, nursery)

    def _check_room(self, full: bool) -> None:
        most = self.terms.limits.clients
        if full:
            raise _TurnedAway("the service has no descriptors left for clients; raise its `ulimit -n`")
        if self.rule.config is not None and self.clients >= self.rule.config.max_clients:
            raise _TurnedAway(f"listener {self.name} has {self.clients} clients, as many as its max_clients allows")
        if self.terms.crowd.clients >= most:
            raise _TurnedAway(f"the service has {most} clients, as many as limits.clients allows")

    def _turn_away(self, client: socket.socket, why: str) -> None:
        """Say why, where a word can be said before TLS is spoken, and close."""
        _log.warning("listener %s: a client was turned away: %s", self.name, why)
        if self.rule.tls is None:
            with contextlib.suppress(OSError):
                client.send(refusal(why), socket.MSG_DONTWAIT)
        client.close()

    def _let_in(self, client: socket.socket, nursery: trio.Nursery) -> None:
        """Somebody connected: who is it?"""
        grant = None
        if client.family == socket.AF_UNIX:
            peer = peer_of(client)
            grant = self.rule.admission.grant_for_peer(peer)
            if grant is None:
                self._turn_away(client, f"{peer} may not connect to it")
                return
        self.clients += 1
        self.terms.crowd.clients += 1
        if grant is None or self.rule.tls is not None or self.rule.admission.tokens is not None:
            nursery.start_soon(self._greet, client, grant)
        else:
            self._attach(client, grant, b"", patience=self._patience())

    async def _greet(self, client: socket.socket, grant: Grant | None) -> None:
        """Hear the hello of one that needs a token or speaks TLS, then hand it over. One that fails harms nobody."""
        plain = trio.SocketStream(trio.socket.from_stdlib_socket(client))
        stream: trio.abc.Stream = plain
        address = "a local process" if grant is not None else _peer_name(client)
        if self.rule.tls is not None:
            stream = trio.SSLStream(plain, self.rule.tls, server_side=True, https_compatible=True)
        attached = carried = False
        try:
            greeted = None
            with trio.move_on_after(self._patience()) as patience:
                greeted = await greet(stream, self.rule.admission.tokens, self.terms.limits.before_hello)
            if greeted is None:
                why = "it said no hello in time" if patience.cancelled_caught else "its hello was none, or had no token"
                _log.warning("listener %s: a client from %s was turned away: %s", self.name, address, why)
                return
            if greeted.token is not None and grant is None:
                grant = self.rule.admission.grant_for_token(greeted.token, address)
            if grant is None:
                return
            if stream is plain:
                self._attach(client.dup(), grant, greeted.opening)
            else:
                theirs, ours = pair()
                carrying, carried = self.terms.crowd.carry(stream, ours, plain), True
                self._attach(theirs, grant, greeted.opening, carrying=carrying)
            attached = True
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError) as error:
            _log.warning("listener %s: a client from %s broke off: %s", self.name, address, _cause(error))
        finally:
            if not attached:
                self._left()
            if not carried:
                await trio.aclose_forcefully(plain)

    def _attach(
        self,
        client: socket.socket,
        grant: Grant,
        opening: bytes,
        *,
        patience: float | None = None,
        carrying: Carrying | None = None,
    ) -> None:
        bridge, limits = self.terms.bridge, self.terms.limits
        door = FrontDoor(self.terms.open_pod, partial(ServiceDoor, limits.frame, limits.before_hello))
        fd = client.detach()

        def on_attached(session: Session) -> None:
            bridge.left[session.id] = partial(self._left, carrying)
            if patience is not None:
                core = bridge.core
                core.endings.set_timer(core.now + patience, partial(_drop_silent, core, session, patience, fd))

        pool = self.rule.admission.pool or bridge.default_pool()
        bridge.pump.attach_client(
            fd, fd, door, pool=pool, identity="", opening=opening, grant=grant, on_attached=on_attached
        )

    def _readmit(self, core: RouterCore) -> None:
        """Another rule for the same socket: it holds for those who are connected as well. In the router's thread."""
        for session in core.sessions.values():
            if session.grant is not None and session.grant.listener == self.name:
                session.grant = self.rule.admission.renew(session.grant)
                session.policy = session.grant.policy

    def _set_mode(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):  # somebody has removed it
                self._path.chmod(int("0600" if self.rule.config is None else self.rule.config.mode, 8))

    def _left(self, carrying: Carrying | None = None) -> None:
        self.clients -= 1
        self.terms.crowd.clients -= 1
        if carrying is not None:
            carrying.end()

    def _patience(self) -> float:
        config = self.rule.config
        return _HELLO_TIMEOUT if config is None else config.hello_timeout

    def _is_protected(self) -> bool:
        return self.rule.tls is not None and self.rule.admission.tokens is not None


class _TurnedAway(Exception):
    """There is no room for a client; the message says why."""


def _drop_silent(core: RouterCore, session: Session, patience: float, fd: int) -> None:
    """It has not said in time who it is. One whose words lie there unread has: the delay is ours."""
    door = session.door
    if session.dead or not (isinstance(door, FrontDoor) or (isinstance(door, ServiceDoor) and door.hello is None)):
        return
    if _has_unread(fd):
        core.endings.set_timer(core.now + _LATER, partial(_drop_silent, core, session, patience, fd))
        return
    session.outbox.append(refusal(f"no hello came within {patience:g} s"))
    core.mark(session)
    core.requests.close_session(session)


def _has_unread(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def listen_tcp(address: str) -> socket.socket:
    """A listening TCP socket at host:port.

    Raises:
        ListenRefused: There can't be one.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or str(error)
        raise ListenRefused(f"cannot listen on {address}: {why}; choose another address or port") from None
    return listener


def _address_of(sock: socket.socket) -> str:
    name: Any = sock.getsockname()
    return str(name) if sock.family == socket.AF_UNIX else f"{name[0]}:{name[1]}"


def _peer_name(client: socket.socket) -> str:
    try:
        return _address_of_peer(client.getpeername())
    except OSError:
        return "an address that is gone"


def _address_of_peer(name: Any) -> str:
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a local process"


def _cause(error: BaseException) -> str:
    """The innermost reason, for people."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
