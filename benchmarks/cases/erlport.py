"""The drop-in for ErlPort as an Erlang node sees it, beside a raw {packet, 4} echo behind the same Erlang code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.erlang import Node, floor, node
from benchmarks.measure import Sample, alternate, one_core
from benchmarks.rows import AtLeast, AtMost, Row

_ADD = "{'C', 1, operator, add, [37, 5]}"
_MIB = 1 << 20
_PEER = "raw {packet, 4} echo"


def measure() -> Iterator[Row]:
    """A small call, two large echoes, a start."""
    ours = f"{_executable()} -u -m erlport.cli --packet=4 --use_stdio --compressed=0 --buffer_size=65536"
    commands = {"ours": ours, "floor": floor()}
    with one_core(), node() as erlang:
        yield _small_calls(erlang, commands, "one core")
    with node() as erlang:
        yield _small_calls(erlang, commands, "unpinned")
        for what, term, times, bound in (
            ("16 MiB", f"binary:copy(<<0:128>>, {_MIB})", 2, 0.5),
            ("10,000 integers", "lists:seq(1, 10000)", 50, 0.25),
        ):
            message = f"{{'C', 1, 'benchmarks.subject', echo, [{term}]}}"
            rates = [
                _rate(erlang, f"bench_node:seconds({name}, {{{message}, {times}}})", times)
                for name in ("ours", "floor")
            ]
            compared = alternate(*rates, rounds=5)
            what = f"ErlPort drop-in: echo of {what} from Erlang, echoes/s"
            yield Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtLeast(bound))
        starts = [_sample(erlang, f'bench_node:start("{command}", {_ADD})') for command in (ours, floor())]
        compared = alternate(*starts, rounds=9)
        what = "ErlPort drop-in: port open -> first reply, ms"
        yield Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtMost(4))


def _small_calls(erlang: Node, commands: dict[str, str], where: str) -> Row:
    """Opens the ports."""
    for name, command in commands.items():
        erlang.number(f'bench_node:open({name}, "{command}")')
        erlang.number(f"bench_node:p50({name}, {_ADD}, 500)")
    samples = [_sample(erlang, f"bench_node:p50({name}, {_ADD}, 1000)") for name in commands]
    compared = alternate(*samples, rounds=11)
    what = f"ErlPort drop-in: add(37, 5) from Erlang, p50, {where}, us"
    return Row(what, compared.ours, _PEER, compared.peer, compared.ratio, AtMost(1.4))


def _sample(erlang: Node, expression: str) -> Sample:
    return lambda: erlang.number(expression)


def _rate(erlang: Node, expression: str, times: int) -> Sample:
    return lambda: times / erlang.number(expression)


def _executable() -> Path:
    """The command of this environment."""
    return Path(sys.executable).parent / "bascule-erlport"
