"""Who may connect, by which way, and what he may then do. Each refusal harms nobody else."""

from __future__ import annotations

import os
import resource
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from configured import Configured, eventually, pool
from running_service import READY_WITHIN, Service

import bascule
from bascule.bridge.errors import Denied, NoService, ServiceRefused
from bascule.protocols.service import hello
from tests.ports import free_port

TOKEN = secrets.token_urlsafe(32)


@pytest.fixture
def place(runtime_folder: Path, nothing_left: None) -> Iterator[Path]:
    yield runtime_folder
    for name in ("bascule.toml", "tokens", "cert.pem", "key.pem"):
        (runtime_folder / name).unlink(missing_ok=True)


def make_certificate(folder: Path) -> None:
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *names, *files], check=True, capture_output=True)


def write_token(folder: Path, token: str = TOKEN, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(f"# the team's\n{token}\n")
    path.chmod(mode)
    return path


def protected(folder: Path, port: int, hello_timeout: float = READY_WITHIN) -> str:
    lines = [f'tcp = "127.0.0.1:{port}"', f'certificate = "{folder}/cert.pem"', f'key = "{folder}/key.pem"']
    lines += [
        f'token_file = "{folder}/tokens"',
        'allow = ["math:*", "builtins:len"]',
        f"hello_timeout = {hello_timeout}",
    ]
    return pool(size=1) + "[listeners.far]\n" + "\n".join(lines) + "\n"


def refused_start(folder: Path, text: str) -> str:
    file = folder / "bascule.toml"
    file.write_text(text)
    command = [sys.executable, "-m", "bascule", "serve", "--socket", str(folder / "b.sock"), "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=READY_WITHIN, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr


# ---- Over TCP: TLS and a token ------------------------------------------------------------------------------------


def test_a_client_from_elsewhere_needs_trust_a_token_and_permission(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(place, protected(place, port))
    try:
        ca = str(place / "cert.pem")
        with bascule.connect(f"tls://localhost:{port}", token=TOKEN, ca=ca) as client:
            assert client.call("math:sqrt", 4) == 2
            assert client.call("builtins:len", b"x" * (3 << 20)) == 3 << 20
            futures = [client.submit("math:factorial", 50) for _ in range(200)]
            assert len({future.result(READY_WITHIN) for future in futures}) == 1
            with pytest.raises(Denied, match="does not allow os:getpid"):
                client.call("os:getpid")
            with pytest.raises(Denied):
                client.call("math:sqrt.__class__")
            with pytest.raises(ServiceRefused, match="for operators"):
                client.status()
            (session,) = [row for row in service.told("sessions") if row["listener"] == "far"]
            assert session["who"].startswith("token 1 from 127.0.0.1:")
        for token in (None, "", TOKEN[:-1], "x" * 60):
            with pytest.raises(ServiceRefused, match="token"):
                bascule.connect(f"tls://localhost:{port}", token=token, ca=ca)
        with pytest.raises(NoService, match="that we can trust"):
            bascule.connect(f"tls://localhost:{port}", token=TOKEN)
        with service.client() as client:
            assert client.call("os:getpid")
    finally:
        service.stop()


def test_a_reload_takes_renewed_certificates_and_tokens(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(place, protected(place, port))
    try:
        ca, other = str(place / "cert.pem"), secrets.token_urlsafe(32)
        assert service.command("reload").stdout == "nothing has changed\n"
        with bascule.connect(f"tls://localhost:{port}", token=TOKEN, ca=ca) as client:
            make_certificate(place)
            write_token(place, other)
            assert service.command("reload").stdout == "listeners.far: its certificate or its tokens changed\n"
            assert client.call("math:sqrt", 4) == 2  # who is connected stays
        with bascule.connect(f"tls://localhost:{port}", token=other, ca=ca) as client:
            assert client.call("math:sqrt", 4) == 2
        with pytest.raises(ServiceRefused, match="token"):
            bascule.connect(f"tls://localhost:{port}", token=TOKEN, ca=ca)
        write_token(place, "short")
        done = service.command("reload")
        assert done.returncode == 1
        assert "nothing was changed" in done.stderr
        bascule.connect(f"tls://localhost:{port}", token=other, ca=ca).close()
    finally:
        service.stop()


def test_who_came_from_elsewhere_stays_when_the_listener_goes(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(place, protected(place, port) + "\n[limits]\nclients = 2\n")
    try:
        with bascule.connect(f"tls://localhost:{port}", token=TOKEN, ca=str(place / "cert.pem")) as client:
            assert client.call("math:sqrt", 4) == 2
            service.write(pool(size=1) + "\n[limits]\nclients = 2\n")
            assert service.command("reload").stdout == "listeners.far: removed\n"
            assert client.call("math:factorial", 20) > 10**18
            with service.client(), pytest.raises(ServiceRefused, match="has 2 clients"):
                service.client()
        eventually(lambda: len(service.told("sessions")) == 1)
    finally:
        service.stop()


def test_the_trio_client_comes_from_elsewhere_too(place: Path, needs: Callable[..., None]) -> None:
    import trio

    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(place, protected(place, port))

    async def main() -> None:
        url = f"tls://localhost:{port}"
        async with bascule.connect_trio(url, token=TOKEN, ca=str(place / "cert.pem")) as client:
            assert await client.call("math:sqrt", 9) == 3

    try:
        trio.run(main)
    finally:
        service.stop()


def test_before_a_token_little_is_read_and_nobody_waits_for_long(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(place, protected(place, port, hello_timeout=5))
    context = ssl.create_default_context(cafile=str(place / "cert.pem"))

    def dial() -> ssl.SSLSocket:
        plain = socket.create_connection(("localhost", port), READY_WITHIN)
        return context.wrap_socket(plain, server_hostname="localhost")

    try:
        with dial() as silent, socket.create_connection(("localhost", port)) as mute, dial() as slow:
            slow.sendall(hello(0, token=TOKEN)[:10])
            with dial() as flood:
                flood.sendall((1 << 20).to_bytes(4, "little") + b"\x0b\x01" + bytes(18))  # it claims a megabyte
                assert b"over the limit of 16384" in flood.recv(4096)
                with pytest.raises((ConnectionError, ssl.SSLError)):  # nobody takes the rest; its start may find room
                    while True:
                        flood.sendall(b"x" * (64 << 10))
            with dial() as http:
                http.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(24))
                assert b"where a hello" in http.recv(4096)
            with bascule.connect(f"tls://localhost:{port}", token=TOKEN, ca=str(place / "cert.pem")) as client:
                assert client.call("math:sqrt", 4) == 2  # nobody waits for those
            for dropped in (silent, slow):
                assert dropped.recv(1) == b""
            mute.settimeout(READY_WITHIN)
            assert mute.recv(1) == b""
        eventually(lambda: service.log().count("no hello in time") >= 3)
    finally:
        service.stop()


@pytest.mark.parametrize("address", ["0.0.0.0:7443", "[::]:7443", "127.0.0.1:7443"])
def test_nobody_listens_on_tcp_without_both_certificate_and_token(place: Path, address: str) -> None:
    said = refused_start(place, f'[listeners.x]\ntcp = "{address}"\n')
    assert "one with certificate and token_file beside tcp" in said


def test_a_token_that_could_be_guessed_or_read_is_refused(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place, token="swordfish")
    assert "tokens:2: found a token of 9 characters; allowed: 43 or more" in refused_start(place, protected(place, 1))
    write_token(place, mode=0o644)
    assert "others may read its tokens; chmod 600" in refused_start(place, protected(place, 1))
    write_token(place)
    (place / "cert.pem").write_text("rubbish")
    assert "its certificate can't be used" in refused_start(place, protected(place, 1))


def test_a_port_in_use_is_said(place: Path, needs: Callable[..., None]) -> None:
    needs("openssl")
    make_certificate(place)
    write_token(place)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused_start(place, protected(place, port))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert not (place / "b.sock").exists()


# ---- Over Unix sockets --------------------------------------------------------------------------------------------

AS_NOBODY = """
import os, sys
import bascule, encodings.idna, traceback
from bascule.bridge.errors import BasculeError

def ask(path, say):
    try:
        with bascule.connect(path) as client:
            for target, argument in (("math:sqrt", 4), ("os:getuid", None)):
                try:
                    say(client.call(target, *([] if argument is None else [argument])))
                except BasculeError as error:
                    say(error)
            try:
                say(client.status())
            except BasculeError as error:
                say(error)
    except BasculeError as error:
        say(error)

for path in sys.argv[1:]:
    ask(path, str)  # another user may not be able to read this Python's modules: whatever it takes is imported before
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ask(sys.argv[1], print)
"""


def as_nobody(folder: Path, path: Path) -> list[str]:
    """What another user is told there."""
    if os.getuid():  # only root can be somebody else
        pytest.fail("this test needs root, to be another user")
    command = [sys.executable, "-c", AS_NOBODY, str(path), str(folder / "b.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)


@pytest.mark.skipif(
    os.getuid() != 0 and os.environ.get("CI") != "true", reason="only root can be another user; in CI that is a failure"
)
def test_another_user_comes_in_where_he_is_named_and_may_do_what_is_allowed(place: Path) -> None:
    open_to_all(place)
    listeners = {
        "closed": "",
        "open": "users = [65534]\n",
        "some": 'groups = [65534]\nallow = ["math:*"]\n',
        "all": 'users = [65534]\nallow = ["*"]\noperator = true\n',
    }
    text = pool(size=1)
    for name, more in listeners.items():
        text += f'[listeners.{name}]\nunix = "{place}/{name}.sock"\nmode = "0666"\n{more}'
    service = Configured(place, text)
    try:
        (told,) = as_nobody(place, place / "closed.sock")
        assert "uid 65534" in told and "may not connect" in told
        nothing = as_nobody(place, place / "open.sock")
        assert nothing[:2] == [f"this listener's policy does not allow {name}" for name in ("math:sqrt", "os:getuid")]
        assert "for operators" in nothing[2]
        some = as_nobody(place, place / "some.sock")
        assert some[:2] == ["2.0", "this listener's policy does not allow os:getuid"]
        everything = as_nobody(place, place / "all.sock")
        assert everything[:2] == ["2.0", "0"]
        assert "'pools'" in everything[2]
        assert "Permission denied" in as_nobody(place, service.socket)[0]
    finally:
        service.stop()


def test_a_policy_is_kept_before_a_worker_is_touched(place: Path) -> None:
    text = pool(size=1) + f'[listeners.x]\nunix = "{place}/x.sock"\nallow = ["math:*"]\n'
    service = Configured(place, text)
    try:
        with bascule.connect(f"{place}/x.sock") as client, service.client() as own:
            before = [worker["calls_done"] for worker in own.status()["workers"]]
            for _ in range(20):
                with pytest.raises(Denied):
                    client.call("os:getpid")
            with pytest.raises(Denied, match="no objects"):
                client.operator("call", client.call("math:sqrt", 4, want="handle"))
            assert list(client.map("math:sqrt", [1, 4])) == [1, 2]
            with pytest.raises(Denied):
                list(client.map("os:getenv", ["HOME"]))
            after = [worker["calls_done"] for worker in own.status()["workers"]]
            assert sum(after) - sum(before) <= 4  # those that were allowed
    finally:
        service.stop()


def test_modes_are_as_configured_and_links_are_refused(place: Path) -> None:
    text = pool(size=1) + f'[listeners.x]\nunix = "{place}/deep/er/x.sock"\nmode = "0660"\ndirectory_mode = "0750"\n'
    service = Configured(place, text)
    try:
        assert (place / "deep/er/x.sock").stat().st_mode & 0o777 == 0o660
        assert (place / "deep/er").stat().st_mode & 0o777 == 0o750
    finally:
        service.stop()
    (place / "real").mkdir()
    link = place / "link.sock"
    link.symlink_to(place / "real" / "x.sock")
    said = refused_start(place, f'[listeners.x]\nunix = "{link}"\n')
    assert "is there already and is no socket" in said
    link.unlink()


def test_a_silent_client_is_dropped_and_told_why(place: Path) -> None:
    text = pool(size=1) + f'[listeners.x]\nunix = "{place}/x.sock"\nhello_timeout = 5\nmax_clients = 2\n'
    service = Configured(place, text)
    try:
        with socket.socket(socket.AF_UNIX) as silent, bascule.connect(f"{place}/x.sock") as client:
            silent.settimeout(READY_WITHIN)
            silent.connect(f"{place}/x.sock")
            with socket.socket(socket.AF_UNIX) as third:
                third.settimeout(READY_WITHIN)
                third.connect(f"{place}/x.sock")
                assert b"as many as its max_clients allows" in third.recv(4096)
                assert third.recv(1) == b""  # two are the most here
            said = b""
            while data := silent.recv(4096):
                said += data
            assert b"no hello came within 5 s" in said
            assert client.call("math:sqrt", 4) == 2
            eventually(lambda: bascule.connect(f"{place}/x.sock").close() is None)  # there is room again
    finally:
        service.stop()


# ---- Clients that are too many, or do not read ----------------------------------------------------------------------


def test_who_does_not_read_loses_his_own_calls_and_nobody_waits(place: Path) -> None:
    service = Configured(place, pool(size=1) + '[limits]\nunread = "4MiB"\nframe = "2MiB"\n')
    try:
        from bascule.protocols.calls import Op, encode_call
        from bascule.protocols.envelope import Codec, Kind, encode_frame
        from bascule.protocols.packed import dumps

        with socket.socket(socket.AF_UNIX) as deaf, service.client() as other:
            assert other.welcome.limits["frame"] == 2 << 20  # what holds, rather than what could
            deaf.connect(str(service.socket))
            deaf.sendall(hello(0, client="deaf"))
            eventually(lambda: "deaf" in [row["client"] for row in service.told("sessions")])
            call = encode_call(Op.CALL, "builtins:bytes", dumps([[1 << 20]]))
            # At once: who does not read is not read from, so of what comes later too little might be heard.
            deaf.sendall(
                b"".join([encode_frame(Kind.CALL, Codec.MSGPACK, 0, number, 0, 0, call) for number in range(1, 61)])
            )
            eventually(lambda: other.status()["sessions"] == 1)
            started = time.monotonic()
            assert other.call("math:sqrt", 4) == 2
            assert time.monotonic() - started < READY_WITHIN
            assert other.status()["calls"]["outstanding"] == 0
    finally:
        service.stop()


def test_who_does_not_read_from_elsewhere_is_let_go_too(place: Path, needs: Callable[..., None]) -> None:
    from bascule.protocols.calls import Op, encode_call
    from bascule.protocols.envelope import Codec, Kind, encode_frame
    from bascule.protocols.packed import dumps

    needs("openssl")
    make_certificate(place)
    write_token(place)
    port = free_port()
    service = Configured(
        place, protected(place, port).replace("builtins:len", "builtins:bytes") + '[limits]\nunread = "4MiB"\n'
    )
    try:
        context = ssl.create_default_context(cafile=str(place / "cert.pem"))
        here = Path(f"/proc/{service.process.pid}/fd")
        with service.client() as other:
            before = len(list(here.iterdir()))
            plain = socket.create_connection(("127.0.0.1", port), READY_WITHIN)
            deaf = context.wrap_socket(plain, server_hostname="localhost")
            deaf.sendall(hello(0, client="deaf", token=TOKEN))
            eventually(lambda: "deaf" in [row["client"] for row in service.told("sessions")])
            call = encode_call(Op.CALL, "builtins:bytes", dumps([[1 << 20]]))
            # At once: who does not read is not read from, so of what comes later too little might be heard.
            deaf.sendall(
                b"".join([encode_frame(Kind.CALL, Codec.MSGPACK, 0, number, 0, 0, call) for number in range(1, 61)])
            )
            eventually(lambda: other.status()["sessions"] == 1)
            eventually(lambda: len(list(here.iterdir())) <= before)  # nobody waits for ever until it reads
            assert other.call("math:sqrt", 4) == 2
            deaf.close()
    finally:
        service.stop()


def test_ten_thousand_clients_are_served_and_forgotten(place: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = before[1] if before[1] != resource.RLIM_INFINITY else 1 << 16
    count = min(10_000, most - 600)  # where the machine lets nobody have so many, as many as it does
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count + 500), before[1]))
    service = Configured(place, pool(size=1))
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = socket.socket(socket.AF_UNIX)
            clients.append(sock)
            sock.connect(str(service.socket))  # waits, when too many others do
            sock.settimeout(READY_WITHIN)
            sock.sendall(hello(0))
        for sock in clients:
            assert len(sock.recv(4096)) > 24  # the answer to its hello
        with service.client() as client:
            assert client.status()["sessions"] == count + 1
            assert client.call("math:sqrt", 4) == 2
            for sock in clients:
                sock.close()
            eventually(lambda: client.status()["sessions"] == 1)
            assert client.call("math:sqrt", 9) == 3
    finally:
        for sock in clients:
            sock.close()
        service.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_who_finds_many_before_him_waits_his_turn(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "b.sock"))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(place / "b.sock"))  # and nobody else has room
            outcome: list[str] = []

            def connect() -> None:
                try:
                    bascule.connect(place / "b.sock").close()
                except (NoService, ServiceRefused) as error:
                    outcome.append(str(error))

            thread = threading.Thread(target=connect)
            thread.start()
            listener.accept()[0].close()
            listener.settimeout(READY_WITHIN)
            listener.accept()[0].close()  # it has come
            thread.join()
            assert "closed the connection without a word" in outcome[0]
    (place / "b.sock").unlink()


def test_a_service_without_descriptors_serves_on(place: Path) -> None:
    limited = place / "serve.sh"
    limited.write_text(f'#!/bin/sh\nulimit -n 160\nexec "{sys.executable}" -m bascule "$@"\n')
    service = Service.__new__(Service)
    service.socket = place / "b.sock"
    service._log = place / "serve.log"
    command = ["sh", str(limited), "serve", "--socket", str(service.socket), "--workers", "1"]
    with service._log.open("wb") as log:
        service.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    service._await_socket()
    held = []
    try:
        eventually(lambda: "listening on" in service.log())
        with service.client() as client:
            for _ in range(200):
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(str(service.socket))
                held.append(sock)
            eventually(lambda: "a client was turned away" in service.log())
            (worker,) = [row for row in client.status()["workers"] if row["state"] == "active"]
            client.kill_worker(worker["slot"])
            assert client.call("math:sqrt", 4) == 2  # a new worker has its descriptors
            for sock in held:
                sock.close()
            held.clear()
            eventually(lambda: _connects(service))
    finally:
        for sock in held:
            sock.close()
        service.stop()
        limited.unlink()


def _connects(service: Service) -> bool:
    try:
        service.client().close()
    except (NoService, ServiceRefused):
        return False
    return True
