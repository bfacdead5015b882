"""`python -m demo`: every part in its order; status 0 only if each step gave the right answer."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

import bascule
from demo import calls, erlang, pod, service
from demo.stage import Stage


def main() -> int:
    """Play the whole."""
    console = Console(highlight=False)
    stage = Stage(console)
    command = executable()
    console.print(f"[bold]Bascule {bascule.__version__}[/]: the bridge between any runtime and Python")
    started = time.perf_counter()
    with stage.act("A service on its embedded defaults"), service.running(command), bascule.connect() as client:
        pool = client.status()["pools"]["default"]
        stage.check("bascule serve", f"{pool['size']} workers behind {client.path.name}", pool["active"] >= 1)
        with stage.act("Functions, from Python and from the shell"):
            calls.functions(stage, client, command)
        with stage.act("An object that stays in its worker"):
            calls.objects(stage, client)
        with stage.act("Operators"):
            calls.operators(stage, client)
        with stage.act("2,000 calls, and a worker killed with SIGKILL in the middle"):
            calls.scatter_and_kill(stage, client, console.width)
    with stage.act("A babashka pod"):
        pod.play(stage, command)
    with stage.act("An Erlang node"):
        erlang.play(stage, command)

    console.print()
    taken = time.perf_counter() - started
    if stage.wrong:
        console.print(f"[bold red]{len(stage.wrong)} wrong[/], {stage.right} right, {taken:.1f} s")
        for line in stage.wrong:
            console.print(f"  {line}", markup=False)
        return 1
    console.print(f"[bold green]All {stage.right} answers were right[/], {taken:.1f} s")
    return 0


def executable() -> str:
    """The `bascule` command of this environment."""
    beside = Path(sys.executable).parent / "bascule"
    found = str(beside) if beside.exists() else shutil.which("bascule")
    if found is None:
        raise SystemExit("the command `bascule` is not installed: `make demo` does that")
    return found


if __name__ == "__main__":
    sys.exit(main())
