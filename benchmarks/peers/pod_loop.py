"""A pod as people write it by hand: read a message with bcoding, look, answer, in one process and one loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import bcoding


def answer(message: dict[str, Any]) -> None:
    """Write one message."""
    sys.stdout.buffer.write(bcoding.bencode(message))
    sys.stdout.buffer.flush()


def main() -> None:
    """Until the input ends."""
    sys.path.insert(0, sys.argv[1])
    from benchmarks import subject

    variables: dict[str, Callable[..., Any]] = {
        "benchmarks.subject/f": subject.f,
        "benchmarks.subject/echo": subject.echo,
        "benchmarks.subject/nap": subject.nap,
    }
    while True:
        try:
            message = bcoding.bdecode(sys.stdin.buffer)
        except (TypeError, EOFError):  # how bcoding says that the input ended
            return
        if message["op"] == "describe":
            names = [{"name": name.rpartition("/")[2]} for name in variables]
            spaces = [{"name": "benchmarks.subject", "vars": names}]
            answer({"format": "json", "namespaces": spaces, "ops": {"shutdown": {}}})
        elif message["op"] == "invoke":
            result = variables[message["var"]](*json.loads(message["args"]))
            answer({"id": message["id"], "value": json.dumps(result), "status": ["done"]})
        elif message["op"] == "shutdown":
            return


if __name__ == "__main__":
    main()
