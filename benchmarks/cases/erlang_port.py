"""The OTP application `py` on a real node, beside a raw {packet, 4} echo behind the same Erlang code.

Calls go through the pool: the node, the bridge, a worker, and back. The floor is one process that reads frames and
gives each its own arguments back.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.erlang import Node, node
from benchmarks.measure import Sample, alternate, one_core
from benchmarks.ours import ROOT, python_path
from benchmarks.rows import AtLeast, AtMost, Row

_APPLICATION = ROOT / "deploy" / "erlang" / "py"
_PEER = "raw {packet, 4} echo, same Erlang code"
_MIB = 1 << 20


def measure() -> Iterator[Row]:
    """Small calls, large echoes, a start, and who suffers from whom."""
    with one_core(), _started() as erlang:
        yield _small(erlang, "one core")
    with _started() as erlang:
        yield _small(erlang, "unpinned")
        compared = alternate(*_both(erlang, "bench_py:rate({}, 64, 200)"), rounds=5)
        what = "py:add(37, 5), 64 callers, 2 workers, calls/s"
        yield Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtLeast(0.6))
        for what, term, times, bound in (
            ("16 MiB", f"binary:copy(<<0:128>>, {_MIB})", 2, 0.5),
            ("10,000 integers", "lists:seq(1, 10000)", 50, 0.25),
        ):
            compared = alternate(*_both(erlang, f"bench_py:echoes({{}}, {term}, {times})"), rounds=5)
            what = f"py: echo of {what} from Erlang, echoes/s"
            yield Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtLeast(bound))
        starts = [_sample(erlang, f"bench_py:first_reply(#{{{settings}}})") for settings in ("", _floor())]
        compared = alternate(*starts, rounds=7)
        what = "py: port open -> first reply, ms"
        yield Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtMost(4))
        beside = [_sample(erlang, f"bench_py:small_beside_large(default, {size}, 50)") for size in (100 * _MIB, 0)]
        compared = alternate(*beside, rounds=3)
        what = "py: 63 small callers beside echoes of 100 MiB, p99, ms"
        yield Row(what, compared.ours, "the same without the echoes", compared.peer, compared.ratio)


def _small(erlang: Node, where: str) -> Row:
    compared = alternate(*_both(erlang, "bench_py:small({}, 1000)"), rounds=9)
    what = f"py:add(37, 5) from Erlang, p50, {where}, us"
    return Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtMost(2.2))


def _both(erlang: Node, expression: str) -> list[Sample]:
    return [_sample(erlang, expression.format(server)) for server in ("default", "floor")]


def _sample(erlang: Node, expression: str) -> Sample:
    return lambda: erlang.number(expression)


def _floor() -> str:
    return f"command => {_command()}"


def _command() -> str:
    """The floor as the setting `command`."""
    program = ROOT / "benchmarks" / "peers" / "packet_reply.py"
    return f'["{sys.executable}", "{program}"]'


@contextmanager
def _started() -> Iterator[Node]:
    """A node with both servers."""
    bascule = Path(sys.executable).parent / "bascule"
    environment = {"BASCULE": str(bascule), "PYTHONPATH": python_path()}
    sources = sorted((_APPLICATION / "src").glob("*.erl"))
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        node(sources=sources, paths=[Path(folder)], environment=environment) as erlang,
    ):
        shutil.copy(_APPLICATION / "src" / "py.app.src", Path(folder) / "py.app")
        settings = f'[{{workers, 2}}, {{path, ["{ROOT}"]}}]'
        erlang.number(f"bench_py:start({_command()}, {settings})")
        yield erlang
