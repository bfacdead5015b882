"""Where in a value the thing stands that can't be encoded.

The encoder keeps no path: that would cost each element something, for the sake of the one that fails. When one does
fail, it is looked for again, by identity.
"""

from __future__ import annotations

from bascule.protocols.etf_terms import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_STEPS = 8
_LONGEST_KEY = 40


def where(root: object, culprit: object) -> str:
    """` (at [3]['price'])`, or nothing when it is the root itself or can't be found (what `default` made of things)."""
    if root is culprit:
        return ""
    paths: list[tuple[object, tuple[object, ...] | None]] = [(root, None)]  # (container, (path of its parent, step))
    seen: set[int] = set()
    while paths:
        container, path = paths.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        for step, element in _elements(container):
            if element is culprit:
                return f" (at {_written((path, step))})"
            if isinstance(element, (list, tuple, dict, Map)):
                paths.append((element, (path, step)))
    return ""


def _elements(container: object) -> Iterator[tuple[str, object]]:
    if isinstance(container, (dict, Map)):
        for key, value in container.items():
            yield f"[{short(key)}]", value
            yield f"[key {short(key)}]", key
    elif isinstance(container, (list, tuple)):
        for index, value in enumerate(container):
            yield f"[{index}]", value
        tail = getattr(container, "tail", None)
        if tail is not None:
            yield "[tail]", tail


def short(key: object) -> str:
    """A key for a message."""
    written = repr(key) if isinstance(key, (str, bytes, int, float, bool, type(None))) else f"a {type(key).__name__}"
    return written if len(written) <= _LONGEST_KEY else written[: _LONGEST_KEY - 3] + "..."


def _written(path: tuple[object, ...] | None) -> str:
    steps: list[str] = []
    while path is not None:
        parent, step = path
        steps.append(str(step))
        path = parent  # type: ignore[assignment]
    steps.reverse()
    if len(steps) > _MOST_STEPS:
        steps[_MOST_STEPS // 2 : -_MOST_STEPS // 2] = ["..."]
    return "".join(steps)
