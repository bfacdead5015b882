"""Writing frames from many threads into one pipe, and the pieces that need no process to be tested."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from bascule.protocols.envelope import FrameReader, Kind
from bascule.protocols.errors import ErrorKind
from bascule.protocols.tokens import new_prefix
from bascule.workers import page as pages
from bascule.workers.errors import CallFailed
from bascule.workers.objects import ObjectTable
from bascule.workers.wire import LARGE, Wire


def test_frames_of_many_threads_arrive_whole_and_each_thread_keeps_its_order() -> None:
    read_fd, write_fd = os.pipe()
    wire = Wire(write_fd)

    def talk(thread: int) -> None:
        for number in range(300):
            size = LARGE + number if number % 50 == 0 else number
            wire.send(Kind.ITEM, 1, 0, number, thread, bytes([thread]) * size)
            if number % 3 == 0:
                wire.flush()
        wire.flush()

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    reader = FrameReader()
    seen: dict[int, list[int]] = {number: [] for number in range(5)}
    while any(len(numbers) < 300 for numbers in seen.values()):
        for _, _, _, number, thread, _, payload in reader.receive_data(os.read(read_fd, 5000)):
            assert set(payload) <= {thread}
            seen[thread].append(number)
    for thread in threads:
        thread.join()
    assert list(seen.values()) == [list(range(300))] * 5
    os.close(read_fd)
    os.close(write_fd)


def test_a_write_that_signals_cut_short_is_finished() -> None:
    read_fd, write_fd = os.pipe()
    wire = Wire(write_fd)
    data = os.urandom(4 << 20)
    received = bytearray()
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    main = threading.main_thread().ident
    assert main is not None

    def read() -> None:
        while len(received) < len(data) + 24:
            received.extend(os.read(read_fd, 30_000))
            signal.pthread_kill(main, signal.SIGUSR1)

    thread = threading.Thread(target=read)
    thread.start()
    wire.send(Kind.REPLY, 1, 0, 5, 6, data, 7)
    thread.join()
    signal.signal(signal.SIGUSR1, previous)
    assert FrameReader().receive_data(bytes(received)) == [(Kind.REPLY, 1, 0, 5, 6, 7, data)]
    os.close(read_fd)
    os.close(write_fd)


def test_writing_to_a_bridge_that_is_gone_is_no_error() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    wire = Wire(write_fd)
    for size in (1, LARGE + 1, 1):
        wire.send(Kind.REPLY, 1, 0, 5, 6, bytes(size))
        wire.flush()
    assert wire.broken
    os.close(write_fd)


def test_both_sides_of_the_page_see_the_same() -> None:
    fd = pages.create_page()
    bridge, worker = pages.map_page(fd), pages.map_page(fd)
    os.close(fd)
    words = pages.words(worker)
    words[pages.STARTED], words[pages.ARMED] = (1 << 64) - 1, 2
    assert (pages.started_id(bridge), pages.armed_id(bridge)) == ((1 << 64) - 1, 2)
    pages.request_cancel(bridge, 1 << 63)
    assert words[pages.CANCEL] == 1 << 63
    bridge.close()


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def table(clock: Callable[[], float], **options: float) -> ObjectTable:
    return ObjectTable(new_prefix(), 1, 1, cap=5, clock=clock, **options)  # type: ignore[arg-type]


def lost(function: Callable[[], object]) -> bool:
    try:
        function()
    except CallFailed as error:
        assert error.kind is ErrorKind.HANDLE_LOST
        return True
    return False


def test_a_lease_is_renewed_by_use_alone(clock: Clock) -> None:
    objects = table(clock, lease=10)
    used, idle = objects.hand_out(1, []), objects.hand_out(1, {})
    for _ in range(3):
        clock.now += 6
        objects.find(1, used.token)
        objects.listing()
        objects.sweep()
    assert len(objects) == 1
    assert lost(lambda: objects.find(1, idle.token))
    clock.now += 11
    assert lost(lambda: objects.find(1, used.token))  # even before it is swept away
    objects.sweep()
    assert (len(objects), objects.sessions) == (0, 0)


def test_an_index_is_never_used_again(clock: Clock) -> None:
    objects = table(clock)
    first = objects.hand_out(1, [])
    objects.release(1, [first.token])
    second = objects.hand_out(1, [])
    assert first.token[26:34] != second.token[26:34]
    assert lost(lambda: objects.find(1, first.token))


def test_the_cap_is_each_sessions_own(clock: Clock) -> None:
    objects = table(clock)
    held = [objects.hand_out(1, [number]) for number in range(5)]
    objects.hand_out(2, [])
    with pytest.raises(CallFailed) as caught:
        objects.hand_out(1, [])
    assert caught.value.kind is ErrorKind.TOO_MANY_HANDLES
    assert objects.hand_out(1, objects.find(1, held[0].token)) == held[0]
    objects.end_session(1)
    objects.hand_out(1, [])


@pytest.mark.parametrize("token", ["", "x", "é" * 60, "\udc80" * 60, "0" * 60])
def test_what_is_no_token_is_lost(clock: Clock, token: str) -> None:
    objects = table(clock)
    assert not objects.is_elsewhere(token)
    assert lost(lambda: objects.find(1, token))
    objects.release(1, [token])
