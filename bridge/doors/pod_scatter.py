"""`py/scatter`, `py/pmap`, `py/reduce`, `py/everywhere`: what each of them makes of a run (see `pod_runs`).

Items and results are decoded in the bridge, since they are taken apart and put together: who has large ones keeps them
in Python and scatters handles or names. What a reduction has between its rounds passes through here pickled.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.doors.pod_core import EVERYWHERE, REDUCE
from bascule.bridge.doors.pod_items import Over, plain_target
from bascule.bridge.doors.pod_runs import Piece, Run, checked, items_of, target_of
from bascule.bridge.errormaps import error_map
from bascule.protocols.calls import Op, combine, encode_call
from bascule.protocols.envelope import Kind
from bascule.protocols.errors import ErrorKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bascule.bridge.doors.pod_formats import Format
    from bascule.protocols.pod_events import Id

CHUNKS_A_WORKER = 4  # so that a worker with the slow items does not hold up the others
FOLDED = 256  # items that one call reduces
_LONGEST = 4_000_000_000  # milliseconds to wait for workers: as long as it takes
_CALL, _PLACED = int(Kind.CALL), int(Kind.PLACED)
_SCATTER = frozenset(("chunk", "timeout", "star", "errors", "progress", "idempotent"))
_REDUCE = frozenset(("chunk", "timeout", "each", "progress", "idempotent"))
_EVERYWHERE = frozenset(("copies", "timeout", "errors"))


def begin(id: Id, form: Format, name: str, args: list[Any], *, workers: int, columns: bool) -> Run:
    """The run that a function of the namespace asks for.

    Args:
        id: The client's.
        form: The payload format.
        name: The function.
        args: Decoded: target, items, options; or, with `columns`, target and collections.
        workers: How many there are.
        columns: Items are made of the collections' first elements, their second ones, and so on.

    Raises:
        BadArguments: They are something else.
    """
    if name == REDUCE:
        return _Reduce(id, form, args, workers)
    if name == EVERYWHERE:
        return _Everywhere(id, form, args, workers)
    return _Scatter(id, form, args, workers, columns=columns)


class _Scatter(Over):
    """A piece is a chunk, or an object whose method is called."""

    def __init__(self, id: Id, form: Format, args: list[Any], workers: int, *, columns: bool) -> None:
        target = target_of(args)
        if len(args) < 2:
            raise BadArguments("what to go over is a vector, a list or a set")
        options = {"progress": False} if columns else checked(args, _SCATTER)
        super().__init__(id, form, target, options, workers=workers, star=columns)
        items = [list(each) for each in zip(*map(items_of, args[1:]), strict=False)] if columns else items_of(args[1])
        size = self._chunk or max(1, len(items) // (workers * CHUNKS_A_WORKER))
        self._to_do.extend(self._pieces(items, 0, size))
        self._results: list[Any] = [None] * len(items)
        self._total = len(items)

    def settle(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> None:
        values, errors = self._outcome(piece, answer, error)
        if errors and not self._keeps_errors:
            self.failure = next(iter(errors.values()))
            return
        for at, problem in errors.items():
            values[at] = self._form.keyed({"error": problem})
        self._results[piece.first : piece.first + len(values)] = values

    def value(self) -> bytes:
        """All results, in the items' order."""
        return self._form.write(self._results)


class _Reduce(Run):
    """A piece is one call of a combined target (see `bascule.protocols.calls`).

    When a round is over the next one is made of what it gave.
    """

    def __init__(self, id: Id, form: Format, args: list[Any], workers: int) -> None:
        self._target = plain_target(args)
        options = checked(args, _REDUCE)
        super().__init__(id, form, {"progress": False, **options}, name=self._target, workers=workers)
        items = items_of(args[1] if len(args) > 1 else ...)  # not nil, which means nothing to go over
        if not items:
            raise BadArguments("there is nothing to reduce")
        self._size = options.get("chunk", FOLDED)
        each = options.get("each")
        self._value: Any = None
        self._parts: list[Any] = []
        self._total = len(items)
        name = "fold" if len(items) <= self._size else "fold_part"
        self._finishes = name == "fold"
        functions = [self._target] if each is None else [self._target, str(each)]
        self._begin_round(combine(name, *functions), items, self._size, items_each=True)

    def call_of(self, piece: Piece) -> tuple[int, bytes]:
        target, part = piece.what
        return _CALL, encode_call(Op.CALL, target, self._form.write([[part]]))

    def settle(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> None:
        self.failure = error
        if error is not None:
            return
        self._parts[piece.first] = answer
        self._left -= 1
        if self._left:
            return
        if self._finishes:
            self._value = answer
        else:
            size = max(2, self._size)
            self._finishes = len(self._parts) <= size
            name = "finish_parts" if self._finishes else "join_parts"
            self._begin_round(combine(name, self._target), self._parts, size, items_each=False)

    def value(self) -> bytes:
        """What is left of all items."""
        return self._form.write(self._value)

    def _begin_round(self, target: str, items: list[Any], size: int, *, items_each: bool) -> None:
        chunks = [items[at : at + size] for at in range(0, len(items), size)]
        self._parts = [None] * len(chunks)
        self._left = len(chunks)
        self._to_do.extend(
            Piece((target, chunk), len(chunk) if items_each else 0, number) for number, chunk in enumerate(chunks)
        )


class _Everywhere(Run):
    """A piece is a call that names its worker. Which workers there are is asked first."""

    def __init__(self, id: Id, form: Format, args: list[Any], workers: int) -> None:
        self._target = plain_target(args)
        options = checked(args, _EVERYWHERE)
        super().__init__(id, form, {**options, "progress": False}, name=self._target, workers=workers)
        given = items_of(args[1] if len(args) > 1 else [], "what it is called with")
        self._call = encode_call(Op.CALL, self._target, form.write([given]))
        self._copies: int | None = options.get("copies")
        self._keeps_errors = options.get("errors", "raise") == "return"
        self._results: list[Any] = []
        self._begun = False
        wait = _LONGEST if self._timeout is None else int(self._timeout * 1000)
        self._ask(op="workers", wait_ms=wait, copies=self._copies or 0)

    @property
    def over(self) -> bool:
        """Not before it is known which workers there are."""
        return self.failure is not None or (self._begun and super().over)

    def heard(self, answer: dict[str, Any]) -> None:
        """The router says which workers there are, once all that are wanted have come."""
        slots, size = answer["slots"], answer["size"]
        wanted = min(size, self._copies or size)
        if "why" in answer or not size:
            why = answer.get("why", f"pool {answer['pool']!r} has no workers")
            self.failure = error_map(ErrorKind.POOL_UNAVAILABLE, why)
            return
        if len(slots) < wanted:
            message = (
                f"{len(slots)} of {wanted} workers of pool {answer['pool']!r} were there in time to call {self._name}"
            )
            self.failure = error_map(ErrorKind.TIMEOUT, message)
            return
        self._begun = True
        chosen = [slots[at % len(slots)] for at in range(self._copies or len(slots))]
        self._results = [None] * len(chosen)
        self._window = len(chosen)
        self._to_do.extend(Piece(slot, 1, at) for at, slot in enumerate(chosen))

    def call_of(self, piece: Piece) -> tuple[int, bytes]:
        return _PLACED, piece.what.to_bytes(2, "little") + self._call

    def settle(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> None:
        if error is not None and not self._keeps_errors:
            self.failure = error
            return
        self._results[piece.first] = answer if error is None else self._form.keyed({"error": error})

    def value(self) -> bytes:
        """The results, one of each worker, in the order of their slots."""
        return self._form.write(self._results)
