"""What the encoder and the decoder of plain values share: foreign operations by their names, and paths of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def below(error: WireError, step: str) -> WireError:
    """The same error, seen from one level up."""
    between = "" if not error.path or error.path.startswith("[") else "."
    path = step + between + error.path
    if len(path) > _LONGEST_PATH:
        path = path[: _LONGEST_PATH // 2] + "..." + path[-_LONGEST_PATH // 4 :]
    return type(error)(path, error.reason)
