"""Calls over items: what `py/scatter` and `py/results` have in common.

A target is a function, which gets its items in chunks (a MAP call, whose answer is `[values, errors]`), or a method,
`.total`, of objects that stayed in Python. A method is called where its object lives, an object at a time; and an item
that is an object, or has one, travels alone, so that a function is called there, too.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.doors.pod_runs import Piece, Run, target_of
from bascule.bridge.doors.pod_vars import snake
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Kind
from bascule.protocols.tokens import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bascule.bridge.doors.pod_formats import Format
    from bascule.protocols.pod_events import Id

_CALL = int(Kind.CALL)


class Over(Run):
    """A run over items. What a piece does is called with each of its `what`, which are lists of arguments."""

    def __init__(
        self, id: Id, form: Format, target: str, options: dict[str, Any], *, workers: int, star: bool = False
    ) -> None:
        super().__init__(id, form, options, name=target, workers=workers)
        self._target = snake(target[1:]) if target.startswith(".") else target
        self._is_method = target.startswith(".")
        self._star = star or bool(options.get("star"))
        self._chunk: int | None = options.get("chunk")
        self._keeps_errors = options.get("errors", "raise") == "return"

    def call_of(self, piece: Piece) -> tuple[int, bytes]:
        """A MAP of the chunk's items, or one method call."""
        if not self._is_method:
            return _CALL, encode_call(Op.MAP, self._target, self._form.write([[piece.what]]))
        receiver, *args = piece.what[0]
        token = receiver.token.encode()
        return _CALL, encode_call(Op.METHOD, self._target, self._form.write([args]), object_token=token)

    def singly(self, piece: Piece) -> list[Piece]:
        """Each item by itself."""
        return [Piece([row], 1, piece.first + at, piece.tries + 1) for at, row in enumerate(piece.what)]

    def _pieces(self, items: list[Any], first: int, size: int) -> Iterator[Piece]:
        """Items in chunks of that size; `first` is the first one's number.

        Raises:
            BadArguments: One of them can't be called with, or has no methods of Python's.
        """
        rows = [self._row(item) for item in items]
        begin = 0
        for at, row in enumerate(rows):
            alone = self._chunk is None and any(isinstance(each, Handle) for each in row)
            if at - begin >= size or alone or self._is_method:
                if at > begin:
                    yield Piece(rows[begin:at], at - begin, first + begin)
                begin = at
            if alone:
                yield Piece([row], 1, first + at)
                begin = at + 1
        if begin < len(rows):
            yield Piece(rows[begin:], len(rows) - begin, first + begin)

    def _row(self, item: Any) -> list[Any]:
        if self._star and not isinstance(item, (list, tuple)):
            raise BadArguments("with star, each item is a vector of arguments")
        row = list(item) if self._star else [item]
        if self._is_method and not (row and isinstance(row[0], Handle)):
            raise BadArguments("a method is called of handles: what stands for objects that stayed in Python")
        return row

    def _outcome(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> tuple[list[Any], dict[int, Any]]:
        """The values of a piece that has ended, and errors by their place in it."""
        size = len(piece.what)
        if error is not None:
            return [None] * size, dict.fromkeys(range(size), error)
        if self._is_method:
            return [answer], {}
        values, errors = answer
        return values, {at: problem for at, problem in errors}  # noqa: C416 - a list of lists


def plain_target(args: list[Any]) -> str:
    """The target, which is no method.

    Raises:
        BadArguments: There is none.
    """
    target = target_of(args)
    if target.startswith("."):
        raise BadArguments(f"{target!r} is a method: what is called here is a function (module:name)")
    return target
