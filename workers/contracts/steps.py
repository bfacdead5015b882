"""What the encoder and the decoder of plain values share: foreign operations by their names, and paths of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from bascule.workers.contracts import wire

if TYPE_CHECKING:
    from bascule.workers.contracts.wire import WireError

_KNOWN_FOREIGN = {"date_time": "datetime.datetime"}
_LONGEST_PATH = 500


def target_of(name: str, way: str, targets: dict[str, str]) -> str:
    """The Python type behind a foreign operation, such as `encode_date_time`.

    Raises:
        AttributeError: There is no such operation.
    """
    target = targets.get(name) or _KNOWN_FOREIGN.get(name.removeprefix(way) if name.startswith(way) else "")
    if target is None:
        raise AttributeError(
            f"{name}: nothing is known of this operation; give `targets`, as `foreign.TARGETS` has them"
        )
    return target


def convert_foreign(way: int, target: str, value: Any, converter: Callable[[str], Any], kind: type[WireError]) -> Any:
    """A foreign value in its plain form (way 0), or of it (way 1)."""
    try:
        convert = converter(target)[way]
    except LookupError as error:
        raise kind("", str(error.args[0])) from None
    try:
        return convert(value)
    except Exception as error:  # a converter is its user's
        told = f" ({error})" if str(error) else ""
        raise kind("", f"expected {target}, found {wire.show(value)}{told}") from None


def below(error: ValueError, step: str, kind: type[WireError]) -> WireError:
    """The same error, seen from one level up.

    Generated code has a copy of the run time, whose errors are not of our classes, but say the same.
    """
    inner, reason = getattr(error, "path", ""), getattr(error, "reason", None) or str(error)
    path = f"{step}.{inner}" if step and inner and not inner.startswith("[") else step + inner
    if len(path) > _LONGEST_PATH:
        path = path[: _LONGEST_PATH // 2] + "..." + path[-_LONGEST_PATH // 4 :]
    return kind(path, reason)


def of_a_key(error: ValueError, kind: type[WireError]) -> WireError:
    """The same error, where it is a Map's key that is wrong: there is no way to it."""
    reason = getattr(error, "reason", None) or str(error)
    return kind("", reason.replace("expected ", "expected a key that is ", 1))
