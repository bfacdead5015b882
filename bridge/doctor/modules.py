"""A worker of a pool's kind, and the modules that the pool imports, or that somebody means to call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bascule.bridge.doctor.findings import Finding, Pool, good, problem
from bascule.bridge.scheduling import UnknownScheduler, chooser

if TYPE_CHECKING:
    from bascule.bridge.client import Client

_WITHIN = 60.0  # seconds that an import may take


def pool(pool: Pool, names: Sequence[str]) -> Iterator[Finding]:
    """A worker starts and answers; then each module is imported in it. One that kills it takes no other with it."""
    from bascule.bridge.client import local
    from bascule.bridge.errors import BasculeError

    subject = f"workers of pool {pool.name}"
    try:
        client = local(workers=1, python=pool.python, paths=pool.paths, output=lambda *_: None)
    except (BasculeError, OSError) as error:
        remedy = f"see what it says: bascule serve --workers 1 --python {pool.python}"
        yield problem(subject, f"none starts: {error}", remedy)
        return
    with client:
        yield good(subject, "one starts and answers")
        for name in dict.fromkeys([*pool.preload, *names]):
            yield _module(client, pool, name)


def scheduler(pool: Pool) -> Iterator[Finding]:
    """A function of the operator's own that chooses workers is imported by the bridge, not by a worker."""
    if ":" not in pool.scheduler:
        return
    subject = f"scheduler of pool {pool.name}"
    try:
        chooser(pool.scheduler)
    except UnknownScheduler as error:
        yield problem(subject, str(error), "put its module where the bridge's own Python finds it (PYTHONPATH)")
    else:
        yield good(subject, f"{pool.scheduler} can be imported")


def _module(client: Client, pool: Pool, name: str) -> Finding:
    from bascule.bridge.errors import BasculeError

    subject = f"module {name} in pool {pool.name}"
    try:
        told = client.landscape(name, timeout=_WITHIN)
    except BasculeError as error:
        return problem(subject, f"its import did not end well: {error}", _remedy(pool, name, None))
    error_map = told["error"]
    if error_map is None:
        return good(subject, f"{told['file'] or 'built in'}; offers {len(told['members'])} names")
    text = f"{error_map.get('class') or error_map.get('kind')}: {error_map.get('message')}"
    return problem(subject, text, _remedy(pool, name, error_map))


def _remedy(pool: Pool, name: str, error: dict[str, object] | None) -> str:
    top = name.partition(".")[0]
    if error is not None and (error.get("kind") == "not_found" or error.get("class") == "ModuleNotFoundError"):
        return f"install it there ({pool.python} -m pip install {top}), or name its folder with `paths` or --path"
    return f"see what happens: {pool.python} -c 'import {name}'"
