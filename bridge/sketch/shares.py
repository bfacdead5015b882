"""Many files, read by several processes at once.

Reading is nothing but computing, and no file needs another to be read: so a folder is dealt out by size, and a forked
child reads each share but the first, which is ours. A child gives what it read through a file in memory, since a pipe
would make it wait for us. What a child doesn't give, whatever kept it from it, is read here: the sketch is the same.

For programs of one thread, as the command line is: a fork has no other.
"""

from __future__ import annotations

import os
import pickle
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from bascule.bridge.collecting import no_collections
from bascule.bridge.sketch.library import read_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from bascule.bridge.sketch.finding import Place
    from bascule.bridge.sketch.model import Module

_WORTH_A_PROCESS: Final = 1 << 20  # bytes of source, which take some 0.4 s; a fork and its answer take a tenth of that
_DONE: Final = 0
_FAILED: Final = 1


def read_places(places: Sequence[Place], processes: int) -> list[Module]:
    """The modules at these places, in their order, read by at most so many processes."""
    sizes = [0 if place.file is None else _size(place) for place in places]
    own, *others = dealt_out(sizes, min(processes, sum(sizes) // _WORTH_A_PROCESS))
    read: dict[int, Module] = {}
    children: list[tuple[int, IO[bytes]]] = []
    with ExitStack() as files:
        try:
            with suppress(OSError):  # no more processes are to be had
                for share in others:
                    children.append(_fork([(index, places[index]) for index in share], files))  # noqa: PERF401 (each counts)
            read.update((index, read_place(places[index])) for index in own)
        finally:  # nobody is left behind
            answers = [_answer(pid, file) for pid, file in children]
    for answer in answers:
        read.update(answer)
    return [read[index] if index in read else read_place(place) for index, place in enumerate(places)]


def dealt_out(sizes: Sequence[int], shares: int) -> list[list[int]]:
    """The indexes of `sizes`, the largest first, each to whom has the least so far; at least one share."""
    dealt: list[list[int]] = [[] for _ in range(max(1, shares))]
    weights = [0] * len(dealt)
    for index in sorted(range(len(sizes)), key=lambda one: -sizes[one]):
        least = weights.index(min(weights))
        dealt[least].append(index)
        weights[least] += sizes[index]
    return dealt


def _size(place: Place) -> int:
    try:
        return 0 if place.file is None else place.file.stat().st_size
    except OSError:
        return 0  # reading it will tell


def _fork(share: list[tuple[int, Place]], files: ExitStack) -> tuple[int, IO[bytes]]:
    """A child that reads these files, and the file that it answers in."""
    file = files.enter_context(open(os.memfd_create("bascule-sketch"), "w+b"))  # noqa: SIM115 (closed by the stack)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid, file
    status = _FAILED
    try:
        read = []
        for index, place in share:
            if os.getppid() != parent:
                break  # nobody waits any more
            read.append((index, read_place(place)))
        with no_collections():
            pickle.dump(read, file, pickle.HIGHEST_PROTOCOL)
        file.flush()
        status = _DONE
    finally:
        os._exit(status)  # whatever was raised: only the parent goes on with the program


def _answer(pid: int, file: IO[bytes]) -> list[tuple[int, Module]]:
    """What a child has read, when it has ended; nothing if it failed."""
    _, status = os.waitpid(pid, 0)
    if status != _DONE:
        return []
    file.seek(0)
    with no_collections():
        answer: list[tuple[int, Module]] = pickle.load(file)
    return answer
