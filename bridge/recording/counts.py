"""`record counts`: the same call from several places becomes one line with `n`, the number of those places.

What came back, what awaiting it gave and what was raised is gathered under `returns`, `awaited` and `raises`; it does
not make calls different.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bascule.bridge.recording.reading import Damage, read_lines, with_children

_KEYS = frozenset(("location", "function", "params", "bound_params", "returns", "awaited", "raises", "target"))
_Group = tuple[set[int], dict[str, None], dict[str, None], dict[str, None]]
_compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_sorted = json.JSONEncoder(separators=(",", ":"), sort_keys=True, check_circular=False).encode


def count(inputs: list[Path], output: Path, damage: Damage, progress: Callable[[int], None] | None = None) -> int:
    """Group the lines of traces; how many groups there are.

    Raises:
        InputError: An input can't be read.
        OSError: The output can't be written.
    """
    groups: dict[str, _Group] = {}
    for path, number, row in read_lines(with_children(inputs), damage):
        if progress is not None and number % 10_000 == 0:
            progress(number)
        why = _wrong(row)
        if why is not None:
            damage.report(path, number, why)
            continue
        location = row.pop("location")
        row.pop("target", None)  # what a client of a service named it
        gave = {what: _compact(row.pop(what)) for what in ("returns", "awaited") if what in row}
        raises = row.pop("raises", None)
        places, given, raised, later = groups.setdefault(_sorted(row), (set(), {}, {}, {}))
        places.add(hash(location))
        if "returns" in gave:
            given[gave["returns"]] = None
        if "awaited" in gave:
            later[gave["awaited"]] = None
        if raises is not None:
            raised[_compact(raises)] = None
    with output.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for key, (places, given, raised, later) in groups.items():
            more = f',"returns":[{",".join(sorted(given))}]' if given else ""
            more += f',"awaited":[{",".join(sorted(later))}]' if later else ""
            more += f',"raises":[{",".join(sorted(raised))}]' if raised else ""
            file.write(f'{key[:-1]},"n":{len(places)}{more}}}\n')
    return len(groups)


def _wrong(row: dict[str, object]) -> str | None:
    """Why a line is no event; None when it is one."""
    if not isinstance(row.get("location"), str):
        return "it has no `location`: is this a trace? (a grouped file goes to `record infer`)"
    if "function" not in row:
        return "it has no `function`"
    if "params" not in row and "bound_params" not in row:
        return "it has neither `params` nor `bound_params`"
    unknown = row.keys() - _KEYS
    return f"of a version not known here: it says {', '.join(sorted(unknown))}" if unknown else None
