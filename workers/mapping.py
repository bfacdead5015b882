"""The operation MAP inside the worker: one function over many items, with one frame in and one frame out.

Whatever becomes of an item, the others are not touched by it: an exception, or a result that does not encode, is the
answer for that item alone. Only a cancellation ends the whole.
"""

from __future__ import annotations

from bascule.protocols.errors import ErrorKind
from bascule.workers.cancel import Cancelled
from bascule.workers.coroutines import is_awaitable
from bascule.workers.errors import CallFailed
from bascule.workers.explain import ENCODING, explained
from bascule.workers.page import ARMED
from bascule.workers.plan import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bascule.workers.calls import Function
    from bascule.workers.running import Runner


class Mapping:
    """What a runner does for MAP."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, function: Function, items: Any, *columns: Any) -> list[Any]:
        """A value for each item, None where there is an error: `[values, [[index, error map], ...]]`.

        Two loops say the same of one argument and of two, which is what nearly everybody maps over: Python calls a
        function whose arguments it can see in two thirds of the time.
        """
        runner = self._runner
        mapped = _checked(items, columns)
        width = len(columns)
        rows: Any = iter(mapped) if width <= 1 else zip(*columns)
        cell, under_way = runner.cell, runner.state.mapped
        values: list[Any] = []
        errors: list[list[Any]] = []
        append = values.append
        wait, call_id = runner.awaiter.wait, runner.call_id
        under_way[id(mapped)] = mapped
        try:
            while True:
                try:
                    if width == 1:
                        for item in rows:
                            result = function(item)
                            if type(result) not in PLAIN and is_awaitable(result):
                                result = wait(result, call_id)
                            append(result)
                    elif width == 2:
                        for first, second in rows:
                            result = function(first, second)
                            if type(result) not in PLAIN and is_awaitable(result):
                                result = wait(result, call_id)
                            append(result)
                    else:
                        for item in rows:
                            result = function(*item)
                            if type(result) not in PLAIN and is_awaitable(result):
                                result = wait(result, call_id)
                            append(result)
                    cell[ARMED]  # in a child that an item forked, its items are gone and this raises
                    return [values, errors]
                except Cancelled:
                    raise
                except BaseException as error:
                    cell[ARMED]
                    errors.append([len(values), runner.describe(error)])
                    append(None)
        finally:
            under_way.pop(id(mapped), None)

    def encode(self, encode: Any, error_value: Any, as_handles: bool, answer: list[Any]) -> Any:
        """Write that: one item that does not encode must not take the others with it."""
        runner = self._runner
        values, errors = answer
        if errors:
            errors = [[at, error_value(error)] for at, error in errors]
        if as_handles:
            failed = {at for at, _ in errors}
            values = [None if at in failed else runner.hand_out(value) for at, value in enumerate(values)]
        try:
            return encode([values, errors])
        except Exception:
            for at, value in enumerate(values):
                try:
                    encode(value)
                except Exception as error:
                    values[at] = None
                    errors.append([at, error_value(runner.describe(explained(error, ENCODING)))])
            errors.sort(key=_place)
            return encode([values, errors])


def _checked(items: Any, columns: tuple[Any, ...]) -> list[Any]:
    """The list that a MAP goes over: of its items, each a list of arguments, or of all items' first arguments.

    Raises:
        CallFailed: It is neither.
    """
    if not columns:
        if type(items) is not list:
            raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"MAP takes a list of items, not a {type(items).__name__}")
        return items
    if items is not None:
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, "MAP takes a list of items, or null and a list for each argument")
    for column in columns:
        if type(column) is not list:
            raise CallFailed(
                ErrorKind.BAD_ARGUMENTS, f"MAP takes a list for each argument, not a {type(column).__name__}"
            )
        if len(column) != len(columns[0]):
            raise CallFailed(
                ErrorKind.BAD_ARGUMENTS,
                f"MAP takes lists of the same length: one has {len(columns[0])} elements, another {len(column)}",
            )
    first: list[Any] = columns[0]
    return first


def _place(error: list[Any]) -> int:
    place: int = error[0]
    return place
