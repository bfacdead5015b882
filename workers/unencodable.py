"""What there is to say when a result, or an error, could not be written: where the trouble stands, and a softer text.

Imported at the first failure of this kind.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

_LEAVES: Final = frozenset((type(None), bool, int, float, str, bytes))
_MOST_LOOKED_AT: Final = 1_000_000  # objects, to find the place of the one that failed
_LONGEST_STEP: Final = 40  # characters of a key in a path
_MOST_SOFTENED: Final = 1_000  # elements of a list in an error map that could not be sent as it was
_LONGEST_SOFTENED: Final = 65_536  # characters of a text in one


def path_to(root: object, offender: object, inside: Callable[[object], object]) -> str:
    """` (at ['rows'][3])`: where in `root` the object stands that was refused, "" when it is the root or hard to find.

    Looked for by identity; what converters make anew each time is found by its type instead.

    Args:
        root: What was to be written.
        offender: What could not be.
        inside: Gives what a converter makes of an object, or NotImplemented.
    """
    kind = type(offender)
    alike = ""
    waiting: list[tuple[object, tuple[Any, str] | None]] = [(root, None)]
    seen: dict[int, object] = {}  # the objects themselves: an id is only good while its object lives
    while waiting and len(seen) < _MOST_LOOKED_AT:
        obj, path = waiting.pop()
        if obj is offender:
            return _written(path)
        if type(obj) is kind and not alike:
            alike = _written(path)
        if type(obj) in _LEAVES or id(obj) in seen:
            continue
        seen[id(obj)] = obj
        waiting.extend([(inner, path if step is None else (path, step)) for step, inner in _parts(obj, inside)])
    return alike


def _parts(obj: object, inside: Callable[[object], object]) -> Iterator[tuple[str | None, object]]:
    """What is inside a container, and the step that leads there; or what a converter makes of an object."""
    if isinstance(obj, dict):
        for key, value in obj.items():
            shown = repr(key) if type(key) in _LEAVES else f"a {type(key).__name__}"
            shown = shown if len(shown) <= _LONGEST_STEP else shown[: _LONGEST_STEP - 3] + "..."
            yield f"[{shown}]", value
            yield f"[key {shown}]", key
    elif isinstance(obj, (list, tuple)):
        for index, element in enumerate(obj):
            yield f"[{index}]", element
    elif isinstance(obj, (set, frozenset)):
        for element in obj:
            yield "[in a set]", element
    else:
        replacement = inside(obj)
        if replacement is not NotImplemented:
            yield None, replacement


def _written(path: tuple[Any, str] | None) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(step)
    steps.reverse()
    if len(steps) > 8:
        steps[4:-4] = ["..."]
    return f" (at {''.join(steps)})" if steps else ""


def softened(value: object, depth: int = 6) -> Any:
    """Plain data of bounded depth and size, whatever it was: what is left of an error that could not be written."""
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -0x8000000000000000 <= value < 0x8000000000000000:
        return value
    if type(value) is float and value - value == 0.0:
        return value
    if depth and isinstance(value, dict):
        return {_plain_text(key): softened(inner, depth - 1) for key, inner in list(value.items())[:_MOST_SOFTENED]}
    if depth and isinstance(value, (list, tuple)):
        return [softened(inner, depth - 1) for inner in value[:_MOST_SOFTENED]]
    return _plain_text(value)


def _plain_text(value: object) -> str:
    try:
        text = value if type(value) is str else str(value)
        return text[:_LONGEST_SOFTENED].encode("utf-8", "backslashreplace").decode()
    except Exception:  # a __str__ of the user's
        return f"<{type(value).__name__}>"
