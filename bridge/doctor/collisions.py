"""Files of the user's that hide modules of others: a `json.py` in a folder that comes first on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bascule.bridge.doctor.findings import Finding, Pool, good, problem, warning
from bascule.bridge.sketch.finding import submodules

_OURS = {"bascule", "msgpack"}


def pool(pool: Pool) -> Iterator[Finding]:
    """What the folders of a pool's `paths` hide."""
    subject = f"names in pool {pool.name}"
    first: dict[str, str] = {}
    clean = True
    for folder in pool.paths:
        if not Path(folder).is_dir():
            clean = False
            yield problem(subject, f"{folder} is no folder", "mend `paths`, or --path")
            continue
        for name in submodules([folder]):
            place = f"{folder}/{name}"
            if name in sys.stdlib_module_names:
                clean = False
                text = f"{place} hides the standard library's {name} from everything in the pool"
                yield problem(subject, text, "give it another name")
            elif name in _OURS:
                clean = False
                yield warning(
                    subject, f"{place} hides the installed {name} from the pool's code", "give it another name"
                )
            elif name in first:
                clean = False
                text = f"{place} is never imported: {first[name]}/{name} comes before it"
                yield warning(subject, text, "rename one of them, or change the order of `paths`")
            first.setdefault(name, folder)
    if clean and pool.paths:
        yield good(subject, f"nothing in {', '.join(pool.paths)} hides another module")
