"""Modules that a pool imports before it is ready, and those that somebody means to call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bascule.bridge.doctor.findings import Finding, Pool, good, problem

_WITHIN = 60.0  # seconds that an import may take


def pool(pool: Pool, names: Sequence[str]) -> Iterator[Finding]:
    """Each is imported in a worker of that pool's kind; a module that kills it takes no other check with it."""
    wanted = list(dict.fromkeys([*pool.preload, *names]))
    if not wanted:
        return
    from bascule.bridge.client import local
    from bascule.bridge.errors import BasculeError

    with local(workers=1, python=pool.python, paths=pool.paths, output=lambda *_: None) as client:
        for name in wanted:
            subject = f"module {name} in pool {pool.name}"
            try:
                told = client.landscape(name, timeout=_WITHIN)
            except BasculeError as error:
                yield problem(subject, f"its import did not end well: {error}", _remedy(pool, name, None))
                continue
            error_map = told["error"]
            if error_map is None:
                yield good(subject, f"{told['file'] or 'built in'}; offers {len(told['members'])} names")
            else:
                text = f"{error_map.get('class') or error_map.get('kind')}: {error_map.get('message')}"
                yield problem(subject, text, _remedy(pool, name, error_map))


def _remedy(pool: Pool, name: str, error: dict[str, object] | None) -> str:
    top = name.partition(".")[0]
    if error is not None and (error.get("kind") == "not_found" or error.get("class") == "ModuleNotFoundError"):
        return f"install it there ({pool.python} -m pip install {top}), or name its folder with `paths` or --path"
    return f"see what happens: {pool.python} -c 'import {name}'"
