"""Processes are started whole or not at all, ended with all that they started, and reaped; others' are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from pool_world import is_gone, until

from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.slots import Slots
from bascule.bridge.supervision import orphans
from bascule.bridge.supervision.exits import ExitCause
from bascule.bridge.supervision.orphans import Orphans
from bascule.bridge.supervision.process import Undertaker
from bascule.bridge.supervision.spawn import Spawned, SpawnError, spawn_worker
from bascule.bridge.supervision.starting import MARK, new_bridge_id
from bascule.protocols.envelope import FrameReader, Kind
from bascule.protocols.tokens import new_prefix

pytestmark = pytest.mark.usefixtures("nothing_left")

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)"]


def start(code: str = "", **options: object) -> Spawned:
    """A process started as a worker is; with `code`, one that runs that in the place of a worker's."""
    spec = PoolSpec(size=1, **options)  # type: ignore[arg-type]
    arguments = {"prefix": new_prefix(), "bridge": BRIDGE}
    if not code:
        return spawn_worker(spec, 3, 7, **arguments)
    return spawn_worker(spec, 3, 7, **arguments, command=lambda exe, *fds: [exe, "-I", "-c", code, *map(str, fds)])


BRIDGE = new_bridge_id()


def descriptors() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that listed the folder
            found[entry.name] = str(entry.readlink())
    return found


def close(spawned: Spawned) -> None:
    wire = spawned.wire
    for fd in (wire.read_fd, wire.write_fd, wire.stdout_fd, wire.stderr_fd, wire.pidfd):
        os.close(fd)
    wire.page.close()


@pytest.fixture
def undertaker() -> Iterator[Undertaker]:
    with orphans.subreaper():
        yield Undertaker(BRIDGE)


@pytest.mark.trio
async def test_a_real_worker_says_that_it_is_ready_and_leaves_at_the_end_of_its_wire(undertaker: Undertaker):
    spawned = start()
    undertaker.admit(spawned.process)
    await trio.lowlevel.wait_readable(spawned.wire.read_fd)
    (frame,) = FrameReader().receive_data(os.read(spawned.wire.read_fd, 65536))
    assert frame[0] == Kind.CONTROL
    assert b"ready" in frame[6]
    wire = spawned.wire
    os.close(wire.write_fd)
    assert await undertaker.bury(spawned.process) == ExitCause(code=0)
    assert is_gone(wire.pid)
    for fd in (wire.read_fd, wire.stdout_fd, wire.stderr_fd, wire.pidfd):
        os.close(fd)
    wire.page.close()


@pytest.mark.trio
async def test_a_worker_has_nothing_of_ours_but_its_wire(undertaker: Undertaker):
    secret = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(secret, True)
    code = (
        "import os\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    path = f'/proc/self/fd/{name}'\n"
        "    if os.path.lexists(path): print(os.readlink(path))\n"
    )
    spawned = start(code)
    undertaker.admit(spawned.process)
    await undertaker.bury(spawned.process)
    seen = os.read(spawned.wire.stdout_fd, 65536).decode()
    assert "/dev/zero" not in seen
    assert seen.count("pipe:") == 4, "the wire's two ends, and its output"
    assert "bascule-page" in seen
    os.close(secret)
    close(spawned)


def test_a_spawn_that_fails_leaves_no_descriptor():
    before = descriptors()
    with pytest.raises(SpawnError, match="/no/such/python"):
        start(executable="/no/such/python")
    with pytest.raises(SpawnError, match="working folder /no/such/folder"):
        start(cwd="/no/such/folder")
    with pytest.raises(SpawnError, match="can't be run: Permission denied"):
        start(executable="/etc/passwd")
    assert descriptors() == before


def test_the_first_worker_can_be_spawned_and_guarded_before_trio_is_imported():
    code = (
        "import sys, bascule.bridge.supervision.spawn, bascule.bridge.supervision.guardian, bascule.bridge.scheduling;"
        "import bascule.bridge.supervision.exits, bascule.bridge.slots, bascule.bridge.pool_spec;"
        "print([name for name in ('trio', 'pydantic', 'asyncio', 'logging', 'ctypes', 'json') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_workers_are_spawned_on_the_main_thread_only():
    errors: list[str] = []

    def spawn() -> None:
        try:
            start()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join()
    assert errors == ["workers are spawned on the main thread only: they die with the thread that spawned them"]


@pytest.mark.trio
async def test_the_whole_group_is_dead_before_its_leader_is_reaped(undertaker: Undertaker):
    code = f"import subprocess; p = subprocess.Popen({SLEEP!r}); print(p.pid, flush=True)"
    spawned = start(code)
    undertaker.admit(spawned.process)
    await undertaker.bury(spawned.process)
    assert is_gone(int(os.read(spawned.wire.stdout_fd, 99)))
    close(spawned)


@pytest.mark.trio
@pytest.mark.parametrize("wiped", [False, True])
async def test_a_daemon_is_ended_with_its_worker_or_with_the_bridge(undertaker: Undertaker, wiped: bool):
    """It forked twice, left the session, and maybe its environment: the bridge is its parent now."""
    sleeper = [*SLEEP[:-1], "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"]
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execve(sys.executable, {sleeper!r}, {{}} if {wiped} else os.environ)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "time.sleep(3600)\n"
    )
    spawned = start(code)
    undertaker.admit(spawned.process)
    text = b""
    while not text.strip():
        await trio.lowlevel.wait_readable(spawned.wire.stdout_fd)
        text += os.read(spawned.wire.stdout_fd, 99)
    daemon = int(text)
    strays = Orphans(BRIDGE).strays()
    assert [stray.pid for stray in strays] == [daemon]
    assert strays[0].worker == (None if wiped else spawned.process.mark)
    async with trio.open_nursery() as nursery:
        await nursery.start(undertaker.run)
        os.kill(spawned.process.pid, signal.SIGKILL)
        await undertaker.bury(spawned.process)
        assert is_gone(daemon) is not wiped, "one that wiped its environment belongs to no worker we know of"
        nursery.cancel_scope.cancel()
    assert is_gone(daemon)
    close(spawned)


@pytest.mark.trio
async def test_children_that_are_not_the_workers_are_left_alone(undertaker: Undertaker):
    dead = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""], start_new_session=True)
    alive = subprocess.Popen(SLEEP, start_new_session=True)
    other_bridges = subprocess.Popen(SLEEP, env={**os.environ, MARK: f"{new_bridge_id()}/0.1"})
    Path(f"/proc/{other_bridges.pid}/oom_score_adj").write_text("307")
    await until(lambda: Path(f"/proc/{dead.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    found = Orphans(BRIDGE)
    assert found.strays() == []
    assert found.reap_dead() == 0
    assert await found.end_those_of(None) == 0
    assert dead.wait() == 0, "its exit status was left for us"
    for process in (alive, other_bridges):
        assert process.poll() is None
        process.kill()
        process.wait()


@pytest.mark.trio
async def test_an_orphan_that_ends_by_itself_is_reaped_while_its_worker_lives(undertaker: Undertaker):
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0: os.setsid(); time.sleep(0.1); os._exit(0)\n"
        "    os._exit(0)\n"
        "os.wait(); print(1, flush=True); time.sleep(3600)\n"
    )
    spawned = start(code)
    undertaker.admit(spawned.process)
    await trio.lowlevel.wait_readable(spawned.wire.stdout_fd)
    found = Orphans(BRIDGE)
    with trio.fail_after(60):
        while not found.reap_dead():
            await trio.sleep(0.01)
    assert found.strays() == []
    spawned.process.kill_group()
    await undertaker.bury(spawned.process)
    close(spawned)


def test_a_slot_never_lives_the_same_life_twice():
    slots = Slots()
    assert [slots.take() for _ in range(3)] == [(0, 1), (1, 1), (2, 1)]
    slots.release(1)
    slots.release(0)
    assert [slots.take() for _ in range(3)] == [(0, 2), (1, 2), (3, 1)]
