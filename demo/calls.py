"""What a Python client does with the service: calls, an object behind its handle, operators, a scatter, a killing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bascule.bridge.client import Client
from bascule.bridge.errors import CallError, WorkerLost
from demo.stage import Stage

_Found = TypeVar("_Found")
_SCATTERED = 2_000
_PATIENCE = 10.0  # seconds


def functions(stage: Stage, client: Client, bascule: str) -> None:
    """Values in, values out; errors with their class; the same from the shell."""
    stage.expect('call("math:pow", 2, 16)', client.call("math:pow", 2, 16), 65536.0)
    stage.expect('call("statistics:mean", [1, 2, 3, 6])', client.call("statistics:mean", [1, 2, 3, 6]), 3)
    shortened = client.call("textwrap:shorten", "a drawbridge that balances", width=16)
    stage.expect('call("textwrap:shorten", ..., width=16)', shortened, "a [...]")
    stage.expect('const("math:pi", "int")', client.const("math:pi", "int"), 3)
    try:
        client.call("math:sqrt", -1)
    except ValueError as error:
        told = isinstance(error, CallError) and error.message == "math domain error"
        stage.check('call("math:sqrt", -1) raises', f"{type(error).__name__}: {error}", told)
    else:
        stage.check('call("math:sqrt", -1)', "no exception", right=False)
    shell = subprocess.run([bascule, "call", "math:pow", "2", "16"], capture_output=True, text=True, check=False)
    stage.expect("$ bascule call math:pow 2 16", shell.stdout.rstrip("\n"), "65536.0")


def objects(stage: Stage, client: Client) -> None:
    """An object that stays in its worker, and a proxy that stands for it."""
    ships = client.object("collections:Counter", ["tug", "ferry", "tug"])
    stage.check('ships = object("collections:Counter", [...])', repr(ships), "Counter" in repr(ships))
    stage.expect('ships.update(["barge", "tug"])', ships.update(["barge", "tug"]), None)
    stage.expect('ships["tug"]', ships["tug"], 3)
    stage.expect("len(ships)", len(ships), 3)
    stage.expect("sorted(ships)", sorted(ships), ["barge", "ferry", "tug"])
    ((name, number),) = ships.most_common(1)
    stage.expect("ships.most_common(1)", (name, number), ("tug", 3))
    stage.expect("attribute: fraction.denominator", client.object("fractions:Fraction", 3, 12).denominator, 4)
    stage.expect("the session's handles", len(client.handles()) >= 1, True)


def operators(stage: Stage, client: Client) -> None:
    """Operators on values by name, and on proxies as on any object."""
    stage.expect('operator("add", 19, 23)', client.operator("add", 19, 23), 42)
    stage.expect('operator("contains", [1, 2], 2)', client.operator("contains", [1, 2], 2), True)
    third = client.object("fractions:Fraction", 1, 3)
    sixth = client.object("fractions:Fraction", 1, 6)
    stage.expect("str(Fraction(1, 3) + Fraction(1, 6))", str(third + sixth), "1/2")
    stage.expect("Fraction(1, 3) > Fraction(1, 6)", bool(third > sixth), True)
    stage.expect("float(-Fraction(1, 3) * 3)", float(-third * 3), -1.0)


def scatter_and_kill(stage: Stage, client: Client, console_width: int) -> None:
    """2,000 calls under way; in their middle a worker is killed with SIGKILL while it runs one call of ours."""
    names_before = {worker["name"] for worker in client.status()["workers"]}
    victim = client.submit("time:sleep", 60)
    client.flush()
    busy = _until(lambda: next((worker for worker in _workers(client) if worker["outstanding"]), None), "a busy worker")
    stage.say(f"worker {busy['name']} (process {busy['pid']}) runs time:sleep(60)")

    columns = (TextColumn("  "), BarColumn(min(60, console_width - 30)), MofNCompleteColumn(), TimeElapsedColumn())
    wrong = 0
    with Progress(*columns, console=stage.console) as progress:
        task = progress.add_task("scatter", total=_SCATTERED)
        # A coroutine function, which the worker awaits: half a millisecond, then its second argument.
        pending = [client.submit("asyncio:sleep", 0.0005, number) for number in range(_SCATTERED)]
        for number, call in enumerate(pending):
            if number == _SCATTERED // 2:
                os.kill(busy["pid"], signal.SIGKILL)
            wrong += call.result(timeout=_PATIENCE) != number
            progress.advance(task)
    stage.expect("wrong or missing among 2,000 scattered results", wrong, 0)

    try:
        victim.result(timeout=_PATIENCE)
    except WorkerLost as error:
        stage.check("the killed worker's own call", f"WorkerLost: {error.message}", "SIGKILL" in error.message)
    else:
        stage.check("the killed worker's own call", "a result", right=False)

    def healed() -> set[str] | None:
        names = {worker["name"] for worker in _workers(client) if worker["state"] == "active"}
        return (
            names if busy["name"] not in names and len(names) >= client.status()["pools"]["default"]["size"] else None
        )

    names = _until(healed, "the pool to heal")
    new = ", ".join(sorted(names - names_before)) or "the spare"
    stage.check("the pool is whole again", f"{len(names)} workers take calls, {new} came", right=True)
    stage.expect("and serves", client.call("math:factorial", 10), 3628800)


def _workers(client: Client) -> list[dict[str, Any]]:
    workers: list[dict[str, Any]] = client.status()["workers"]
    return workers


def _until(found: Callable[[], _Found | None], what: str) -> _Found:
    deadline = time.monotonic() + _PATIENCE
    while (result := found()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.01)
    return result
