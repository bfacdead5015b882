"""What the operator's commands share: reaching the service, showing rows, saying what went wrong."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bascule.bridge.client.paths import default_socket

DONE, FAILED, NO_SERVICE = 0, 1, 3


def add_socket(parser: argparse.ArgumentParser) -> None:
    """The option that says which service is meant."""
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help=f"the service's socket (default: {default_socket()})"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option for programs."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def with_service(options: argparse.Namespace, work: Callable[[Any], int]) -> int:
    """Connect, do `work(client)`, say what went wrong; the exit status."""
    from bascule.bridge.client import connect
    from bascule.bridge.errors import Disconnected, NoService, ServiceRefused

    try:
        with connect(options.socket, name=f"bascule {options.command}", patience=0.5) as client:
            return work(client)
    except ServiceRefused as error:
        print(f"bascule {options.command}: {error}", file=sys.stderr)
        return FAILED
    except (NoService, Disconnected) as error:
        print(f"bascule {options.command}: {error}", file=sys.stderr)
        return NO_SERVICE


def as_json(value: Any) -> str:
    """An answer for programs."""
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def table(rows: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str]]) -> str:
    """Rows under headings, each column as wide as it must be: (key, heading)."""
    cells = [[heading for _, heading in columns]]
    cells += [[cell(row.get(key)) for key, _ in columns] for row in rows]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """One value of a row."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return duration(value)
    return str(value).replace("\n", " ")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}m{seconds % 60:02.0f}s"
    return f"{seconds // 3600:.0f}h{seconds % 3600 // 60:02.0f}m"
