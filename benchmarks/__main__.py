"""`python -m benchmarks`: measure, print the table, write bench.json."""

from __future__ import annotations

import argparse
import json
import re
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.rows import Row

_WIDTH = 160  # where no terminal says how wide it is
_MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}


def main() -> int:
    """Exit status 1 when a case could not be measured; a target that is missed is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="cases whose name matches this regular expression"
    )
    parser.add_argument("--json", metavar="FILE", default="bench.json", type=Path, help="default: %(default)s")
    options = parser.parse_args()
    chosen = [case for case in CASES if re.search(options.only, case.name)]
    if not chosen:
        names = ", ".join(case.name for case in CASES)
        print(f"no case matches {options.only!r}; there are: {names}", file=sys.stderr)
        return 2

    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    rows: list[Row] = []
    broken: list[str] = []
    for case in chosen:
        with console.status(f"measuring: {case.name}"):
            try:
                rows += case.measure()
            except Exception as error:
                broken.append(f"{case.name}: {type(error).__name__}: {error}")
                traceback.print_exc()
    console.print(table(rows))
    options.json.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    for line in broken:
        console.print(f"[red]not measured[/] {escape(line)}")
    return 1 if broken else 0


def table(rows: list[Row]) -> Table:
    """The rows for a terminal."""
    made = Table(title="Bascule beside its peers, one run")
    made.add_column("what")
    made.add_column("ours", justify="right")
    made.add_column("against", justify="right")
    made.add_column("peer")
    made.add_column("ratio", justify="right", style="bold")
    made.add_column("target", justify="right")
    made.add_column("reached")
    for row in rows:
        target = "" if row.target is None else str(row.target)
        ours, against = f"{row.ours:,.4g}", f"{row.against:,.4g}"
        made.add_row(escape(row.what), ours, against, escape(row.peer), f"{row.ratio:.2f}", target, _MARKS[row.reached])
    return made


if __name__ == "__main__":
    sys.exit(main())
