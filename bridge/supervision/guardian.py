"""A tiny process that outlives the bridge by a moment: it kills what a killed bridge can't.

A bridge that is killed with SIGKILL can do nothing for its workers' groups. Workers themselves are killed by the kernel
then (they asked for it), but not what they started. So each bridge has a guardian: a bare `python -I -S` in a session
of its own that reads from a pipe which process groups there are. The pipe ends when the bridge does, however it does:
then the guardian kills every group on its list, and whatever still carries the mark of this bridge in its environment
(which finds those that left their group too, unless they wiped it), and leaves. A bridge that ends in good order says
so first.

    +PID  a group to kill      -PID  no more      q  leave in peace

The guardian holds nothing of the bridge's but that pipe, is started with all signals blocked (so that none ends it, not
even while it starts), and needs 10 ms to start and a few MiB. No trio here: the bridge's first workers are spawned
before trio is imported, and are to be watched as well.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from bascule.bridge.supervision.starting import MARK

if TYPE_CHECKING:
    import logging

_PROGRAM: Final = """\
# bascule: the guardian of bridge {bridge}
import os, signal
groups, rest = set(), b""
def kill(function, number):
    try:
        function(number, signal.SIGKILL)
    except OSError:
        pass
while True:
    data = os.read(0, 65536)
    if not data:
        break
    *lines, rest = (rest + data).split(b"\\n")
    for line in lines:
        if line == b"q":
            os._exit(0)
        (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
for group in groups:
    kill(os.killpg, group)
mark = b"{mark}={bridge}/"
for _ in range(3):  # what is being started while we look is seen by the next look
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open("/proc/" + entry + "/environ", "rb") as file:
                    found = any(line.startswith(mark) for line in file.read().split(b"\\0"))
            except OSError:
                continue
            if found:
                kill(os.kill, int(entry))
"""


class Guardian:
    """The bridge's end of it. Not thread-safe: one thread watches and forgets.

    Args:
        bridge: The bridge's id, as in the marks of its workers.
        executable: A Python to run it with.
    """

    def __init__(self, bridge: str, executable: str = sys.executable) -> None:
        self._bridge = bridge
        self._executable = executable
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    @property
    def pid(self) -> int | None:
        """The guardian's process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, and tell it of the groups that there are."""
        read_end, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # a child inherits it
        try:
            self._process = subprocess.Popen(
                [self._executable, "-I", "-S", "-c", _PROGRAM.format(bridge=self._bridge, mark=MARK)],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError:
            os.close(self._pipe)
            self._pipe = -1
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(read_end)
        for group in sorted(self._groups):
            self._tell(f"+{group}\n")

    def watch(self, group: int) -> None:
        """This group is to be killed should the bridge be."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """This group is dead; its number may be another's soon."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def check(self) -> None:
        """See that there is one, and that it lives; to be called every few seconds."""
        if self._process is None:
            self._try_to_start()
        elif self._process.poll() is not None:
            self._replace()

    def close(self) -> None:
        """The bridge ends in good order: have the guardian leave, and reap it."""
        self._tell("q\n")
        self._end(patience=0.5)

    def _tell(self, message: str) -> None:
        if self._pipe < 0:
            return
        try:
            os.write(self._pipe, message.encode())
        except (BrokenPipeError, BlockingIOError):  # it was killed, or was stopped and reads no more
            self._replace()

    def _replace(self) -> None:
        """Start another in its place, which is told of all groups."""
        _log().warning("the guardian of bridge %s is gone; another one is started", self._bridge)
        self._end(patience=0.0)
        self._try_to_start()

    def _try_to_start(self) -> None:
        try:
            self.start()
        except OSError as error:
            _log().error("no guardian can be started: %s; a bridge that is killed now leaves processes behind", error)

    def _end(self, patience: float) -> None:
        """Reap the process, and kill it when it does not leave by itself in time."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            pidfd = os.pidfd_open(process.pid)
            if not select.select([pidfd], [], [], patience)[0]:
                process.kill()
            os.close(pidfd)
            process.wait()
        os.close(self._pipe)  # only now: at the end of the pipe a living guardian would do its work
        self._pipe = -1


def _log() -> logging.Logger:
    """Logging costs a pod or a port milliseconds of its start, so it is imported when there is something to say."""
    import logging

    return logging.getLogger(__name__)
