"""The blocking client against a peer that follows a script: order, sharing, breaking, coming back."""

from __future__ import annotations

import _thread
import contextlib
import os
import random
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_service import PATIENCE, Call, Peer, Script, ScriptedService

import bascule
from bascule.bridge.client import Client, NotSendable, Proxy, blocking
from bascule.bridge.errors import (
    Cancelled,
    ClientClosed,
    Disconnected,
    ForkedClient,
    HandleLost,
    NoService,
    Overloaded,
    ServiceRefused,
    Timeout,
)
from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Flag, Kind, encode_frame
from bascule.protocols.errors import ErrorKind
from bascule.protocols.tokens import Handle

TOKEN = "bsc0123456789abc" + "0001" + "000002" + "00000003" + "n" * 26
OTHER = TOKEN[:-1] + "m"


class Connect:
    """`scripted(script, ..., **options of connect)`: a client whose n-th connection is served by the n-th script."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.service: ScriptedService
        self._opened: list[Client | ScriptedService] = []

    def __call__(self, *scripts: Script, greets: bool = True, **options: Any) -> Client:
        self.service = ScriptedService(self._path, *scripts, greets=greets)
        self._opened.insert(0, self.service)
        client = bascule.connect(self._path, **options)
        self._opened.insert(0, client)
        return client

    def finish(self) -> None:
        for opened in self._opened:
            if isinstance(opened, Client):
                opened.close()
            else:
                opened.finish()


@pytest.fixture
def scripted(runtime_folder: Path) -> Iterator[Connect]:
    connect = Connect(runtime_folder / "s.sock")
    yield connect
    connect.finish()


# ---- Calls ---------------------------------------------------------------------------------------------------------


def test_a_call_says_what_to_call_and_gets_its_result(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        assert (call.op, call.target, call.want, call.token) == (Op.CALL, "m:f", Want.AUTO, "")
        assert (call.args, call.kwargs, call.deadline, call.flags) == ([1, "two"], {"three": 3}, 0, 0)
        peer.reply(call, {"a": [1, 2]})

    assert scripted(script).call("m:f", 1, "two", three=3) == {"a": [1, 2]}


def test_options_travel_in_head_and_header(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        assert (call.want, call.deadline, call.flags) == (Want.VALUE, 1500, Flag.IDEMPOTENT)
        peer.reply(call, None)
        assert peer.call().deadline == 250
        call = peer.call()
        assert call.kwargs == {"timeout": 1, "want": "x"}
        peer.reply(call, None)

    client = scripted(script)
    client.call("m:f", timeout=1.5, want="value", idempotent=True)
    client.submit("m:f", timeout=0.2501 - 0.0001)
    client.apply("m:f", (), {"timeout": 1, "want": "x"})


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_must_be_above_nought(scripted: Connect, timeout: float) -> None:
    client = scripted(Peer.serve_sums)
    with pytest.raises(ValueError, match="above 0"):
        client.call("m:f", timeout=timeout)


def test_a_timeout_that_is_no_number_is_named(scripted: Connect) -> None:
    client = scripted(Peer.serve_sums)
    with pytest.raises(TypeError, match="a timeout is a number of seconds, not '1s'"):
        client.call("m:f", timeout="1s")  # type: ignore[arg-type]
    assert client.call("m:f", 1, 2) == 3


def test_what_cannot_travel_is_refused_before_anything_is_sent(scripted: Connect) -> None:
    client = scripted(Peer.serve_sums)
    with pytest.raises(NotSendable, match=r"builtins\.object can't travel"):
        client.call("m:f", [object()])
    with pytest.raises(NotSendable, match="over the limit"):
        client.call("m:" + "f" * 5000)
    with pytest.raises(NotSendable, match="named by text"):
        client.call(len)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'auto', 'value', 'handle'"):
        client.call("m:f", want="proxy")
    assert client.call("m:f", 1, 2) == 3


def test_errors_of_the_bridge_are_told_by_their_class(scripted: Connect) -> None:
    client = scripted(lambda peer: peer.error(peer.call(), ErrorKind.OVERLOADED, "the queue is full"))
    with pytest.raises(Overloaded, match="the queue is full"):
        client.call("m:f")


def test_answers_may_come_in_any_order(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        calls = [peer.call() for _ in range(100)]
        random.Random(1).shuffle(calls)
        for call in calls:
            peer.reply(call, call.args[0] * 10)

    client = scripted(script)
    assert [future.result() for future in [client.submit("m:f", n) for n in range(100)]] == list(range(0, 1000, 10))


def test_an_answer_may_come_in_pieces_or_with_others(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        for byte in encode_frame(Kind.REPLY, 1, 0, call.id, 0, 0, b"\x07"):
            peer.sock.sendall(bytes([byte]))
        call = peer.call()
        stray = encode_frame(Kind.REPLY, 1, 0, 12345, 0, 0, b"\x00")
        peer.sock.sendall(stray + encode_frame(Kind.REPLY, 1, 0, call.id, 0, 0, b"\x08") + stray[:30])
        call = peer.call()
        peer.sock.sendall(stray[30:] + encode_frame(Kind.REPLY, 1, 0, call.id, 0, 0, b"\x09"))
        peer.error(peer.call(), ErrorKind.OVERLOADED, "full")
        peer.serve_sums()

    client = scripted(script)
    assert [client.call("m:f"), client.call("m:f"), client.call("m:f")] == [7, 8, 9]
    with pytest.raises(Overloaded):
        client.call("m:f")
    assert client.call("m:f", 1, 2) == 3


def test_many_threads_share_one_connection(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        """Answers a few calls at a time, the last one first."""
        waiting: list[Call] = []
        for left in range(64 * 20, 0, -1):
            waiting.append(peer.call())
            if len(waiting) == 8 or left <= 64:
                while waiting:
                    call = waiting.pop()
                    peer.reply(call, sum(call.args))

    client = scripted(script)
    wrong: list[int] = []

    def work(thread: int) -> None:
        wrong.extend(n for n in range(20) if client.call("m:f", thread, n) != thread + n)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong


def test_a_thread_that_gives_up_hands_the_reading_on(scripted: Connect) -> None:
    gave_up = threading.Event()

    def script(peer: Peer) -> None:
        patient, hasty = sorted([peer.call(), peer.call()], key=lambda call: call.target, reverse=True)
        assert gave_up.wait(PATIENCE)
        peer.reply(patient, "patient")
        peer.reply(hasty, "hasty")

    client = scripted(script)
    hasty = client.submit("m:hasty")
    results: list[Any] = []
    started = threading.Event()

    def wait_long() -> None:
        patient = client.submit("m:patient")
        started.set()
        results.append(patient.result())

    thread = threading.Thread(target=wait_long)
    thread.start()
    assert started.wait(PATIENCE)
    with pytest.raises(TimeoutError):
        hasty.result(timeout=0.05)
    gave_up.set()
    thread.join(PATIENCE)
    assert results == ["patient"]
    assert hasty.result() == "hasty"


def test_a_client_reads_while_the_service_does_not(scripted: Connect) -> None:
    """Both sides have more to say than the socket holds: who only wrote would wait for ever."""
    megabyte = bytes(1 << 20)

    def script(peer: Peer) -> None:
        first = peer.call()
        for _ in range(16):
            peer.send(Kind.OUTPUT, first.id, megabyte)
        peer.reply(first, "first")
        for _ in range(8):
            call = peer.call()
            peer.reply(call, len(call.args[0]))

    heard = 0

    def output(text: str, _stream: str, _call: int) -> None:
        nonlocal heard
        heard += len(text)

    client = scripted(script, output=output)
    futures = [client.submit("m:first"), *[client.submit("m:f", megabyte * 2) for _ in range(8)]]
    assert [future.result() for future in futures] == ["first", *[2 << 20] * 8]
    assert heard == 16 << 20


# ---- Futures -------------------------------------------------------------------------------------------------------


def test_what_is_submitted_leaves_without_being_asked_for(scripted: Connect) -> None:
    arrived = threading.Event()

    def script(peer: Peer) -> None:
        for _ in range(10):
            peer.call()
        arrived.set()

    client = scripted(script)
    futures = [client.submit("m:f", number) for number in range(10)]
    assert arrived.wait(PATIENCE)
    assert len(futures) == 10


def test_callbacks_are_called_without_anybody_waiting_and_may_use_the_client(scripted: Connect) -> None:
    client = scripted(Peer.serve_sums)
    done = threading.Event()
    sums: list[int] = []

    def add(future: Any) -> None:
        sums.append(client.call("m:f", future.result(), 100))
        done.set()

    client.submit("m:f", 1, 2).add_done_callback(add)
    assert done.wait(PATIENCE)
    assert sums == [103]


def test_a_callback_that_comes_late_is_called_at_once_and_one_that_fails_is_logged(
    scripted: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = scripted(Peer.serve_sums)
    future = client.submit("m:f", 1, 2)
    assert future.result() == 3
    called: list[Any] = []
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(called.append)
    assert called == [future]
    assert "division by zero" in caplog.text


def test_a_future_tells_its_state(scripted: Connect) -> None:
    answer = threading.Event()

    def script(peer: Peer) -> None:
        first, second = peer.call(), peer.call()
        assert answer.wait(PATIENCE)
        peer.reply(first, 1)
        peer.error(second, ErrorKind.OVERLOADED, "full")

    client = scripted(script)
    good, bad = client.submit("m:good"), client.submit("m:bad")
    assert not good.done()
    assert good.running()
    assert repr(good) == "<call 1 of m:good: pending>"
    with pytest.raises(TimeoutError, match=r"call 1, m:good, has not ended after 0\.01 s"):
        good.result(timeout=0.01)
    answer.set()
    assert isinstance(bad.exception(), Overloaded)
    assert good.exception() is None
    assert (good.result(), good.done(), good.cancelled(), bad.cancelled()) == (1, True, False, False)
    assert repr(bad) == "<call 2 of m:bad: failed>"


def test_to_cancel_is_to_ask_the_service(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        assert peer.expect(Kind.CANCEL)[3] == call.id
        peer.error(call, ErrorKind.CANCELLED, "the call was cancelled by its caller")

    future = scripted(script).submit("m:f")
    assert future.cancel()
    with pytest.raises(Cancelled):
        future.result()
    assert future.cancelled()
    assert not future.cancel()


def test_several_threads_may_wait_for_one_future(scripted: Connect) -> None:
    waiting = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        call = peer.call()
        for _ in range(5):
            assert waiting.acquire(timeout=PATIENCE)
        peer.reply(call, Handle(TOKEN, "thing"))

    client = scripted(script)
    future = client.submit("m:f")
    results: list[Any] = []

    def wait() -> None:
        waiting.release()
        results.append(future.result())

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(results) == 5
    assert all(result is results[0] for result in results)  # decoded once: one proxy, one release


def test_a_call_that_the_service_never_answers_times_out_here(
    scripted: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "OVERDUE", 0.05)

    def script(peer: Peer) -> None:
        call = peer.call()
        assert call.deadline == 50
        assert peer.expect(Kind.CANCEL)[3] == call.id
        peer.serve_sums()

    client = scripted(script)
    with pytest.raises(Timeout, match="has not answered call 1, m:f, at all"):
        client.call("m:f", timeout=0.05)
    assert client.call("m:f", 1, 2) == 3


# ---- Output --------------------------------------------------------------------------------------------------------


def test_output_is_printed_before_the_result_is_there(scripted: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        peer.send(Kind.OUTPUT, call.id, "grüße\n".encode())
        peer.send(Kind.OUTPUT, call.id, b"careful\n", flags=Flag.ERR)
        peer.reply(call, None)

    scripted(script).call("m:f")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("grüße\n", "careful\n")


def test_who_is_told_of_output_must_not_use_the_client_and_harms_nobody(
    scripted: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        peer.send(Kind.OUTPUT, call.id, b"hello")
        peer.reply(call, 1)
        peer.serve_sums()

    def output(_text: str, _stream: str, _call: int) -> None:
        client.call("m:f", 3)

    client = scripted(script, output=output)
    assert client.call("m:f") == 1
    assert "must not wait on the client" in caplog.text or "must not use the client" in caplog.text
    assert client.call("m:f", 1, 2) == 3


# ---- Handles -------------------------------------------------------------------------------------------------------


def test_a_handle_becomes_a_proxy_and_goes_back_as_a_handle(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.reply(peer.call(), [Handle(TOKEN, "thing")])
        call = peer.call()
        assert (call.op, call.target, call.token, call.args) == (Op.METHOD, "__call__", TOKEN, [1])
        peer.reply(call, None)
        call = peer.call()
        assert (call.token, call.args) == ("", [{"k": Handle(TOKEN)}])
        peer.reply(call, None)

    client = scripted(script)
    (proxy,) = client.call("m:f")
    assert type(proxy) is Proxy
    proxy(1)
    client.call("m:f", {"k": proxy})


def test_a_dropped_proxy_is_released_with_the_next_frame(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.reply(peer.call(), [Handle(TOKEN, "thing"), Handle(OTHER, "thing")])
        frames = [peer.frame(), peer.frame()]
        release = next(frame for frame in frames if frame[0] == Kind.RELEASE)
        assert {release[6][:60], release[6][60:]} == {TOKEN.encode(), OTHER.encode()}
        peer.reply(next(Call(frame) for frame in frames if frame[0] == Kind.CALL), None)

    client = scripted(script)
    proxies = client.call("m:f")
    del proxies
    client.call("m:f")


def test_a_proxy_is_kept_while_a_call_that_has_it_runs(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.reply(peer.call(), Handle(TOKEN, "thing"))
        slow, quick = peer.call(), peer.call()  # no RELEASE before or between them
        peer.reply(quick, None)
        peer.reply(slow, None)
        assert peer.frame()[0] == Kind.RELEASE

    client = scripted(script)
    slow = client.submit("m:f", client.call("m:f"))
    client.call("m:f")
    slow.result()
    del slow
    client.flush()


def test_handles_in_results_that_nobody_asks_for_are_released(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.reply(peer.call(), Handle(TOKEN, "thing"))
        call = peer.call()
        peer.reply(call, None)
        assert peer.expect(Kind.RELEASE)[6] == TOKEN.encode()

    client = scripted(script)
    client.submit("m:f")
    client.call("m:f")
    client.flush()


def test_an_explicit_release_is_sent_at_once_and_the_proxy_is_of_no_use(scripted: Connect) -> None:
    released = threading.Event()

    def script(peer: Peer) -> None:
        peer.reply(peer.call(), Handle(TOKEN, "thing"))
        assert peer.expect(Kind.RELEASE)[6] == TOKEN.encode()
        released.set()

    client = scripted(script)
    proxy = client.call("m:f")
    client.release(proxy)
    assert released.wait(PATIENCE)
    assert repr(proxy) == "<proxy, released>"
    with pytest.raises(HandleLost, match="was released"):
        proxy.x  # noqa: B018  # the attribute is asked for


def test_a_proxy_of_another_client_is_refused(scripted: Connect, runtime_folder: Path) -> None:
    client = scripted(lambda peer: peer.reply(peer.call(), Handle(TOKEN, "thing")))
    service = ScriptedService(runtime_folder / "other.sock", Peer.serve_sums)
    with bascule.connect(service.path) as other, pytest.raises(NotSendable, match="another client"):
        other.call("m:f", client.call("m:f"))
    service.finish()


# ---- Streams -------------------------------------------------------------------------------------------------------


def credit(frame: Any) -> int:
    assert frame[0] == Kind.CREDIT
    value: int = struct.unpack("<I", frame[6])[0]
    return value


def test_a_stream_is_given_credit_as_it_is_read(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        assert call.flags == Flag.STREAM
        allowed = credit(peer.frame())
        assert allowed == 4
        for number in range(8):
            if not allowed:
                allowed += credit(peer.frame())
            allowed -= 1
            peer.send(Kind.ITEM, call.id, bytes([number]))
        while allowed < 4:
            allowed += credit(peer.frame())
        peer.send(Kind.END, call.id)

    assert list(scripted(script).stream("m:f", window=4)) == list(range(8))


def test_a_stream_that_is_closed_or_dropped_is_cancelled_and_its_handles_released(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        for _ in range(2):
            call = peer.call()
            peer.expect(Kind.CREDIT)
            peer.send(Kind.ITEM, call.id, b"\x01")
            assert peer.expect(Kind.CANCEL)[3] == call.id
            peer.send(Kind.ITEM, call.id, b"\xc7\x3c\x01" + TOKEN.encode())  # it was on its way
            peer.error(call, ErrorKind.CANCELLED, "cancelled")
            peer.reply(peer.call(), None)
            assert peer.expect(Kind.RELEASE)[6] == TOKEN.encode()

    client = scripted(script)
    with client.stream("m:f") as stream:
        assert next(stream) == 1
    assert list(stream) == []
    client.call("m:f")
    client.flush()
    assert next(client.stream("m:f")) == 1  # dropped at once
    client.call("m:f")
    client.flush()


def test_a_streams_error_comes_after_its_items(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        peer.expect(Kind.CREDIT)
        peer.send(Kind.ITEM, call.id, b"\x01")
        peer.error(call, ErrorKind.WORKER_LOST, "killed")

    stream = scripted(script).stream("m:f")
    assert next(stream) == 1
    with pytest.raises(bascule.bridge.errors.WorkerLost):
        next(stream)
    assert list(stream) == []


def test_a_call_that_gives_no_iterator_is_no_stream(scripted: Connect) -> None:
    client = scripted(lambda peer: peer.reply(peer.call(), [1, 2]))
    with pytest.raises(bascule.bridge.errors.BasculeError, match="gave a list, not a generator"):
        next(client.stream("m:f"))


# ---- Connecting, breaking, coming back -----------------------------------------------------------------------------


def test_without_a_service_it_is_said_how_to_start_one(runtime_folder: Path) -> None:
    missing = runtime_folder / "no.sock"
    with pytest.raises(NoService, match=f"no service at {missing}: there is no such socket.*bascule serve --socket"):
        bascule.connect(missing)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(missing))
        with pytest.raises(NoService, match="nobody listens on it"):
            bascule.connect(missing)
        missing.unlink()
    with pytest.raises(NoService, match="more than 107 bytes"):
        bascule.connect(runtime_folder / ("x" * 120))


def test_the_usual_place_is_the_services_own(runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoService, match=f"at {runtime_folder}/bascule/bascule.sock"):
        bascule.connect()
    monkeypatch.setenv("BASCULE_SOCKET", f"{runtime_folder}/mine")
    with pytest.raises(NoService, match=f"at {runtime_folder}/mine"):
        bascule.connect()
    monkeypatch.delenv("BASCULE_SOCKET")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with pytest.raises(NoService, match=f"at /tmp/bascule-{os.getuid()}/bascule.sock"):
        bascule.connect()


def test_a_refusal_says_why(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        hello = peer.expect(Kind.CONTROL)
        peer.send(Kind.CONTROL, hello[3], bascule.protocols.service.write_message({"op": "refused", "message": "no x"}))

    with pytest.raises(ServiceRefused, match="refused us: no x"):
        scripted(script, greets=False, pool="x")


def test_who_is_no_service_is_found_out(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Kind.CONTROL)
        peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ServiceRefused, match="is no service that we know"):
        scripted(script, greets=False)


def test_who_hangs_up_without_a_word_is_no_service(scripted: Connect) -> None:
    with pytest.raises(NoService, match="closed the connection without a word"):
        scripted(lambda peer: None, greets=False)


def test_a_call_on_a_connection_that_broke_while_idle_is_made_on_a_new_one(scripted: Connect) -> None:
    client = scripted(lambda peer: None, Peer.serve_sums)
    scripted.service.await_close()
    assert client.call("m:f", 1, 2) == 3


def test_a_call_under_way_fails_by_name_when_the_service_goes_and_the_next_one_is_made(scripted: Connect) -> None:
    client = scripted(lambda peer: peer.call() and None, Peer.serve_sums)
    with pytest.raises(Disconnected, match="before call 1, m:f, was answered; it may have run") as caught:
        client.call("m:f")
    assert caught.value.call_id == 1
    assert isinstance(caught.value, ConnectionError)
    assert client.call("m:f", 1, 2) == 3


def test_an_idempotent_call_is_made_again(scripted: Connect) -> None:
    client = scripted(lambda peer: peer.call() and None, Peer.serve_sums)
    assert client.call("m:f", 1, 2, idempotent=True) == 3


def test_what_was_not_written_whole_is_written_to_the_next_service(scripted: Connect) -> None:
    """The first service reads a little of a large call and goes: nobody can have run it."""

    def script(peer: Peer) -> None:
        assert len(peer.sock.recv(100)) == 100

    def next_script(peer: Peer) -> None:
        call = peer.call()
        peer.reply(call, len(call.args[0]))

    assert scripted(script, next_script).call("m:f", bytes(16 << 20)) == 16 << 20


def test_rubbish_from_the_service_ends_the_connection_not_the_client(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.call()
        peer.sock.sendall(b"\xff" * 100)
        peer.serve_sums()

    client = scripted(script, Peer.serve_sums)
    with pytest.raises(Disconnected, match="sent what we can't read: a frame of 4294967295 bytes is over the limit"):
        client.call("m:f")
    assert client.call("m:f", 1, 2) == 3


def test_handles_are_lost_with_the_service(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        peer.reply(peer.call(), Handle(TOKEN, "thing"))

    client = scripted(script, Peer.serve_sums)
    proxy = client.call("m:f")
    scripted.service.await_close()
    with pytest.raises(HandleLost, match="the service restarted"):
        proxy.method()
    with pytest.raises(HandleLost, match="the service restarted"):
        client.call("m:f", [proxy])
    assert repr(proxy).startswith("<proxy of a thing; HandleLost: ")
    assert client.call("m:f", 1, 2) == 3


def test_a_stream_breaks_with_its_connection(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        call = peer.call()
        peer.expect(Kind.CREDIT)
        peer.send(Kind.ITEM, call.id, b"\x01")

    client = scripted(script, Peer.serve_sums)
    stream = client.stream("m:f")
    assert next(stream) == 1
    with pytest.raises(Disconnected):
        next(stream)
    assert client.call("m:f", 1, 2) == 3


def test_all_threads_that_wait_learn_that_the_service_is_gone(scripted: Connect) -> None:
    def script(peer: Peer) -> None:
        for _ in range(16):
            peer.call()

    client = scripted(script, Peer.serve_sums)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            client.call("m:f")
        except Disconnected as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(errors) == 16
    assert client.call("m:f", 1, 2) == 3


def test_when_the_service_does_not_come_back_the_call_says_so(scripted: Connect, runtime_folder: Path) -> None:
    client = scripted(lambda peer: (runtime_folder / "s.sock").unlink(), patience=0.1)
    scripted.service.await_close()
    with pytest.raises(NoService, match="no such socket"):
        client.call("m:f")


def test_a_closed_client_fails_what_was_under_way_and_takes_nothing_new(scripted: Connect) -> None:
    client = scripted(lambda peer: peer.call() and peer.frame())
    future = client.submit("m:f")
    client.close()
    client.close()
    with pytest.raises((Disconnected, ClientClosed)):
        future.result()
    with pytest.raises(ClientClosed):
        client.call("m:f")
    assert repr(client).endswith("s.sock, closed>")


def test_a_signal_while_waiting_costs_nothing_but_the_wait(
    scripted: Connect,
) -> None:
    """Ctrl-C in the middle of a call cancels it: the connection, the handles and the other calls live on."""
    waiting = threading.Event()

    def interrupt(*_: Any) -> None:
        if waiting.is_set():
            waiting.clear()
            raise KeyboardInterrupt

    def script(peer: Peer) -> None:
        first = peer.call()
        peer.sock.settimeout(0.2)
        cancel = None
        while cancel is None:  # one that comes just before a thread begins to wait is not seen by Python: try again
            os.kill(os.getpid(), signal.SIGUSR1)
            with contextlib.suppress(TimeoutError):
                cancel = peer.expect(Kind.CANCEL)
        assert cancel[3] == first.id
        peer.sock.settimeout(PATIENCE)
        second = peer.call()
        peer.reply(first, "late")
        peer.reply(second, "second")

    client = scripted(script)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        waiting.set()
        with pytest.raises(KeyboardInterrupt):
            client.call("m:first")
        assert client.call("m:second") == "second"
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("timeout", [None, 3600.0])
def test_a_signal_that_no_system_call_was_interrupted_by_is_noticed(scripted: Connect, timeout: float | None) -> None:
    """As it happens to one that comes just before the thread begins to wait."""

    class Noticed(Exception):
        pass

    def notice(*_: Any) -> None:
        raise Noticed

    def script(peer: Peer) -> None:
        first = peer.call()
        _thread.interrupt_main(signal.SIGUSR1)  # for Python a signal, and nothing that the system knows of
        assert peer.expect(Kind.CANCEL)[3] == first.id

    client = scripted(script)
    before = signal.signal(signal.SIGUSR1, notice)
    try:
        with pytest.raises(Noticed):
            client.call("m:first", timeout=timeout)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_after_a_fork_the_child_is_refused_and_the_parent_goes_on(scripted: Connect) -> None:
    client = scripted(Peer.serve_sums)
    assert client.call("m:f", 1, 2) == 3
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        said = b"nothing"
        try:
            client.call("m:f", 1, 2)
        except ForkedClient as error:
            said = str(error).encode()
        except BaseException as error:
            said = repr(error).encode()
        os.write(write_end, said)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert "made in another process, before a fork; connect anew" in said
    assert client.call("m:f", 3, 4) == 7
