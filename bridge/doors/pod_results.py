"""`py/results`: a scatter whose items come, and whose results go, a few at a time.

The pod protocol has one request and one answer, so a client whose items are a lazy sequence, perhaps without end, takes
turns with us:

    -results [target options]        -> number             begin
    -exchange [number items last]    -> [results wanted]   here are items (and no more, if `last`); what is there?
    -end [number]                    -> true or false      forget it: what is under way is cancelled

A result is `[index value]` or `[index nil error]`. `wanted` is how many items to bring along next time; nil: that was
all. An exchange is answered as soon as there is a result, or room for more items. So neither side ever has more than
what a few chunks for each worker come to. Chunks grow as long as they come back quickly.
"""

from __future__ import annotations

from itertools import count

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.doors.pod_core import BEGIN, EXCHANGE
from bascule.bridge.doors.pod_items import Over
from bascule.bridge.doors.pod_runs import checked, items_of, target_of
from bascule.bridge.errormaps import error_map
from bascule.bridge.pacing import MOST_ITEMS, suitable_size
from bascule.protocols.errors import ErrorKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_formats import Format
    from bascule.bridge.doors.pod_runs import Piece, Run
    from bascule.protocols.pod_events import Id

MOST_OPEN = 1_000
_MARK = b"results-"  # its calls have ids of this and its number, as other runs' have their client's
_OPTIONS = frozenset(("chunk", "timeout", "star", "errors", "idempotent", "ordered"))
_numbers = count(1)


def converse(
    name: str, id: Id, args: list[Any], runs: dict[Hashable, Run], form: Format, *, workers: int, trace: bytes
) -> tuple[Results | None, Any]:
    """Do what one of the three asks for.

    Args:
        name: Which one.
        id: The client's, of this call.
        args: Decoded.
        runs: What is under way in this pod; what begins is added.
        form: The payload format.
        workers: How many there are.
        trace: What the calls of one that begins belong to.

    Returns:
        The run that now goes on, if one does, and what to answer; nothing if the run will.

    Raises:
        BadArguments: They are something else.
    """
    if name == BEGIN:
        if sum(isinstance(run, Results) for run in runs.values()) >= MOST_OPEN:
            raise BadArguments(f"{MOST_OPEN} results are open already; read them to their end, or py/cancel some")
        number = next(_numbers)
        begun = runs[_key(number)] = Results(_key(number), form, args, workers)
        begun.trace = trace
        return None, number
    given = args[0] if args else None
    run = runs.get(_key(given)) if type(given) is int else None
    if name == EXCHANGE:
        if not isinstance(run, Results):
            raise BadArguments(f"there are no results {given!r:.40}: they have ended, or never begun")
        if len(args) != 3 or not isinstance(args[2], bool):
            raise BadArguments("it takes a number, items, and whether these are the last ones")
        run.exchange(id, items_of(args[1]), last=args[2])
        return run, None
    if not isinstance(run, Results):
        return None, False
    run.give_up()
    return run, True


def _key(number: int) -> bytes:
    return _MARK + b"%d" % number


class Results(Over):
    """One of them. A piece is a chunk; it is begun by whichever exchange brought its items."""

    def __init__(self, id: Id, form: Format, args: list[Any], workers: int) -> None:
        target = target_of(args)
        options = checked([target, None, *args[1:]], _OPTIONS)
        super().__init__(id, form, target, {**options, "progress": False}, workers=workers)
        self._more = True
        self._ordered = bool(options.get("ordered"))
        self._size = self._chunk or 1
        self._next = 0  # the number of the next item
        self._asking: Id | None = None  # the exchange that waits
        self._ready: list[list[Any]] = []
        self._waiting: dict[int, list[list[Any]]] = {}  # by first index: what came before its turn
        self._turn = 0
        self._ended = False

    def exchange(self, id: Id, items: list[Any], *, last: bool) -> None:
        """Items came; the call with that id waits for the answer.

        Raises:
            BadArguments: An item is none, or another exchange is waiting.
        """
        if self._asking is not None:
            raise BadArguments("another exchange of these results waits for its answer")
        if not self._more and items:
            raise BadArguments("the last items have come already")
        self._to_do.extend(self._pieces(items, self._next, self._size))
        self._next += len(items)
        self._more = self._more and not last
        self._asking = id

    def give_up(self) -> None:
        """Nobody wants the rest."""
        self.failure = self.failure or error_map(ErrorKind.CANCELLED, "the client cancelled it")
        self._ended = True

    @property
    def over(self) -> bool:
        """Whether the client has heard the end of it."""
        return self._ended

    def take_requests(self) -> list[Request]:
        """What is to be asked of the router now; after an error, that nothing more be done."""
        made = super().take_requests()
        return made if self.failure is None else made + self.cancel()

    def take_answer(self) -> tuple[Id, bytes, dict[str, Any] | None] | None:
        """What the exchange that waits is told."""
        if self._asking is None:
            return None
        under_way = bool(self._to_do or self._under_way or self._waiting)
        if self.failure is None and not self._ready and under_way and not self._room():
            return None
        id, self._asking = self._asking, None
        if self.failure is not None:
            self._ended = True
            return id, b"", self.failure
        self._ended = not under_way and not self._more
        found, self._ready = self._ready, []
        return id, self._form.write([found, None if self._ended else self._room()]), None

    def settle(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> None:
        """Keep its results for the next answer, in order where that is wanted."""
        values, errors = self._outcome(piece, answer, error)
        if errors and not self._keeps_errors:
            self.failure = next(iter(errors.values()))
            return
        if self._chunk is None:
            self._size = suitable_size(self._size, len(piece.what), self._clock() - piece.since)
        told = [
            [piece.first + at, None, self._form.keyed(errors[at])] if at in errors else [piece.first + at, value]
            for at, value in enumerate(values)
        ]
        if not self._ordered:
            self._ready += told
            return
        self._waiting[piece.first] = told
        while self._turn in self._waiting:
            told = self._waiting.pop(self._turn)
            self._turn += len(told)
            self._ready += told

    def _room(self) -> int:
        """Items that may come now."""
        free = self._window - len(self._to_do) - len(self._under_way) - len(self._waiting)
        return min(MOST_ITEMS, max(0, free) * self._size) if self._more else 0
