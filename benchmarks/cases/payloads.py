"""Large bytes there and back: how fast, and how much memory any process takes for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from benchmarks import ours, subject
from benchmarks.measure import alternate, rate
from benchmarks.peers import pools
from benchmarks.rows import AtLeast, AtMost, Row

_MIB = 1 << 20
_LARGE = 16 * _MIB


def measure() -> Iterator[Row]:
    """Echoes of 1 MiB and 16 MiB; MB/s count the payload once."""
    with ours.service(1) as (client, _), pools.pool(1) as pool:
        for size, times in ((_MIB, 16), (_LARGE, 2)):
            data = bytes(range(256)) * (size // 256)
            amount = times * size / 1e6

            def echo_ours(data: bytes = data, times: int = times) -> None:
                for _ in range(times):
                    assert client.call(ours.ECHO, data) == data

            def echo_pool(data: bytes = data, times: int = times) -> None:
                for _ in range(times):
                    assert pool.apply(subject.echo, (data,)) == data

            compared = alternate(rate(echo_ours, amount), rate(echo_pool, amount), rounds=5)
            what = f"echo of {size // _MIB} MiB, MB/s"
            yield Row(what, compared.ours, "multiprocessing.Pool", compared.peer, compared.ratio, AtLeast(1.5))
    yield _memory()


def _memory() -> Row:
    """How far each process' peak rose above its start: the bridge, its worker, and a client of its own."""
    with ours.service(1) as (client, process):
        watched = {"bridge": process.pid} | {f"worker {pid}": pid for pid in ours.workers(client)}
        before = {name: ours.memory(pid, "VmRSS") for name, pid in watched.items()}
        address = str(client.path)
        told = subprocess.run(
            ours.elsewhere(echo_and_tell, address), check=True, capture_output=True, text=True, cwd=ours.ROOT
        )
        rises = {name: ours.memory(pid, "VmHWM") - before[name] for name, pid in watched.items()}
    rises["client"] = json.loads(told.stdout)
    worst = max(rises, key=lambda name: rises[name])
    what = f"echo of 16 MiB, peak memory of any process (the {worst.split()[0]}), MiB"
    ratio = rises[worst] / _LARGE
    return Row(what, rises[worst] / _MIB, "the payload", _LARGE / _MIB, ratio, AtMost(4))


def echo_and_tell(address: str) -> None:
    """A client process: echo the large payload and print by how much the peak rose."""
    import os

    import bascule

    with bascule.connect(address) as client:
        client.call(ours.ECHO, b"warm")
        before = ours.memory(os.getpid(), "VmRSS")
        data = bytes(_LARGE)
        for _ in range(3):
            assert client.call(ours.ECHO, data) == data
        print(json.dumps(ours.memory(os.getpid(), "VmHWM") - before))
