"""What many calls have in common: they are begun a few at a time, settled, and perhaps tried again.

A run is what `py/scatter`, `py/results`, `py/reduce` or `py/everywhere` asked for. Here is what there is to decide and
to remember; the door passes the requests on and writes to the client. A run's calls have ids of the door's own. What is
begun once more, and when, is decided in `bascule.bridge.pacing`, as for all clients; to look for stragglers a run has
the router wake it.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import count

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.doors.pod_vars import KEYWORDS
from bascule.bridge.errormaps import error_map
from bascule.bridge.pacing import Pace, may_try_again
from bascule.protocols.envelope import Kind
from bascule.protocols.errors import ErrorKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_formats import Format
    from bascule.protocols.envelope import Payload
    from bascule.protocols.pod_events import Id

MARK = "scatter"
LINES = 20  # of progress, at most
WINDOW_A_WORKER = 8  # calls under way
_LONGEST = 4_000_000  # seconds
_CANCEL, _CONTROL, _TRACE = int(Kind.CANCEL), int(Kind.CONTROL), int(Kind.TRACE)
_numbers = count()  # of calls, so that what comes late from an earlier run is taken for nobody's


class Piece:
    """What one call does, or a second one beside it: `what` is the run's own."""

    __slots__ = ("calls", "first", "items", "since", "tries", "what")

    def __init__(self, what: Any, items: int, first: int = 0, tries: int = 0) -> None:
        self.what = what
        self.items = items  # how many this is of the progress
        self.first = first
        self.tries = tries
        self.calls: list[int] = []
        self.since = 0.0


class Run:
    """One run. What it does is said by `call_of`, `singly` and `settle`.

    Attributes:
        id: The client's, of the call that asked for it.
        failure: Why it has no value, as an error map.
        trace: The trace context that its calls belong to.
    """

    def __init__(
        self,
        id: Id,
        form: Format,
        options: dict[str, Any],
        *,
        name: str,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = id
        self.failure: dict[str, Any] | None = None
        self.trace = b""
        self._form = form
        self._name = name
        self._clock = clock
        self._idempotent = bool(options.get("idempotent"))
        self._timeout = options.get("timeout")
        self._until = None if self._timeout is None else clock() + self._timeout
        self._progress = bool(options.get("progress", True))
        self._window = max(8, workers * WINDOW_A_WORKER)
        self._to_do: deque[Piece] = deque()
        self._more = False  # whether something will be added to that which is not known yet
        self._under_way: dict[int, Piece] = {}
        self._made: list[Request] = []
        self._pace = Pace()
        self._asleep = False
        self._total = self._done = self._told = 0

    # -- what a kind of run says of itself -----------------------------------------------------------------------

    def call_of(self, piece: Piece) -> tuple[int, bytes]:
        """The kind and the payload of the request that does a piece."""
        raise TypeError(f"{type(self).__name__} makes no calls")

    def singly(self, piece: Piece) -> list[Piece]:
        """What is tried instead of a piece that was lost."""
        return [Piece(piece.what, piece.items, piece.first, piece.tries + 1)]

    def settle(self, piece: Piece, answer: Any, error: dict[str, Any] | None) -> None:
        """A piece has ended: with an answer, or with an error. It may set `failure`, or add to what is to do."""
        raise TypeError(f"{type(self).__name__} makes no calls")

    def value(self) -> bytes:
        """What the client is given, once it is over."""
        raise TypeError(f"{type(self).__name__} makes no calls")

    # -- what the door does with it ------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.failure is not None or not (self._under_way or self._to_do)

    def take_answer(self) -> tuple[Id, bytes, dict[str, Any] | None] | None:
        """What the client is told now: the id of its call, and a value, or an error map."""
        if not self.over:
            return None
        return self.id, b"" if self.failure is not None else self.value(), self.failure

    def take_requests(self) -> list[Request]:
        """What is to be asked of the router now."""
        self._fill()
        made, self._made = self._made, []
        return made

    def cancel(self) -> list[Request]:
        """What ends the calls that are still under way."""
        self._to_do.clear()
        under_way, self._under_way = self._under_way, {}
        return [self._cancelled(number) for number in under_way]

    def take(self, number: int, answer: Any, error: dict[str, Any] | None) -> str:
        """What a call gave, or why it gave nothing.

        Returns:
            What to tell of the progress, if it is time to.
        """
        piece = self._under_way.pop(number, None)
        if piece is None:
            return ""  # its twin was quicker
        for twin in piece.calls:
            if self._under_way.pop(twin, None) is not None:
                self._made.append(self._cancelled(twin))
        self._pace.ended(self._clock() - piece.since)
        if error is not None and self._idempotent and may_try_again(error.get("kind", ""), piece.tries):
            self._to_do.extendleft(reversed(self.singly(piece)))
            return ""
        self.settle(piece, answer, error)
        self._done += piece.items
        return self._tell() if self.failure is None else ""

    def heard(self, answer: dict[str, Any]) -> None:
        """The router has answered: it is time to look for stragglers."""
        self._asleep = False
        patience = self._pace.straggles_after()
        if patience is None or self._to_do or self._more:
            return
        now = self._clock()
        for piece in dict.fromkeys(self._under_way.values()):
            if len(piece.calls) == 1 and now - piece.since >= patience:
                self._launch(piece)

    # -- inside --------------------------------------------------------------------------------------------------

    def _request(self, payload: Payload, kind: int, number: int = -1, deadline: int = 0) -> Request:
        return (kind, self._form.codec, 0, (MARK, self.id, number), deadline, payload)

    def _cancelled(self, number: int) -> Request:
        return self._request(b"", _CANCEL, number)

    def _ask(self, **message: Any) -> None:
        from bascule.bridge.router.messages import write_control

        self._made.append(self._request(write_control(message), _CONTROL))

    def _fill(self) -> None:
        while self._to_do and len(self._under_way) < self._window and self.failure is None:
            self._launch(self._to_do.popleft())
        patience = self._pace.straggles_after()
        if self._idempotent and not (self._asleep or self._to_do or self._more) and patience is not None:
            due = [piece.since + patience for piece in self._under_way.values() if len(piece.calls) == 1]
            if due:
                self._asleep = True
                self._ask(op="wake", seconds=max(0.01, min(due) - self._clock()))

    def _launch(self, piece: Piece) -> None:
        deadline = 0
        if self._until is not None:
            left = self._until - self._clock()
            if left <= 0:
                message = f"{self._name} has not ended within {self._timeout} s"
                self.settle(piece, None, error_map(ErrorKind.TIMEOUT, message))
                self._done += piece.items
                return
            deadline = max(1, int(left * 1000))
        kind, payload = self.call_of(piece)
        number = next(_numbers)
        piece.calls.append(number)
        piece.since = piece.since or self._clock()
        self._under_way[number] = piece
        if self.trace:
            self._made.append(self._request(self.trace, _TRACE, number))
        self._made.append(self._request(payload, kind, number, deadline))

    def _tell(self) -> str:
        if not self._progress or ((self._done - self._told) * LINES < self._total and self._done < self._total):
            return ""
        if self._told == self._total:
            return ""
        self._told = self._done
        return f"{self._name} {self._done}/{self._total}\n"


def target_of(args: list[Any]) -> str:
    """The target, which comes first.

    Raises:
        BadArguments: There is none.
    """
    target = args[0] if args else None
    if not isinstance(target, str):
        raise BadArguments('the target ("module:name") is missing')
    return str(target)


def items_of(given: Any, what: str = "what to go over") -> list[Any]:
    """A collection's items; of nil, which is Clojure's empty sequence, none.

    Raises:
        BadArguments: It is no collection.
    """
    if given is None:
        return []
    if not isinstance(given, (list, tuple, set)):
        raise BadArguments(f"{what} is a vector, a list or a set")
    return list(given)


def checked(args: list[Any], known: frozenset[str]) -> dict[str, Any]:
    """The options behind a target and what it is called with.

    Raises:
        BadArguments: They are none, or there is more.
    """
    options = _options(args[2:])
    if not isinstance(options, dict) or not known.issuperset(options):
        raise BadArguments(f"the options are a map with some of {', '.join(sorted(known))}, not {options!r:.80}")
    found = {str(name): value for name, value in options.items()}
    chunk, timeout, errors = found.get("chunk", 1), found.get("timeout", 1), found.get("errors", "raise")
    copies, each = found.get("copies", 1), found.get("each", "")
    if type(chunk) is not int or chunk < 1:
        raise BadArguments(f"chunk is a number of items, not {chunk!r:.40}")
    if type(timeout) not in (int, float) or not 0 < timeout <= _LONGEST:
        raise BadArguments(f"timeout is a number of seconds above 0, not {timeout!r:.40}")
    if errors not in ("raise", "return"):
        raise BadArguments(f'errors is "raise" or "return", not {errors!r:.40}')
    if type(copies) is not int or not 1 <= copies <= _MOST_COPIES:
        raise BadArguments(f"copies is a number of calls up to {_MOST_COPIES}, not {copies!r:.40}")
    if not isinstance(each, str):
        raise BadArguments(f'each is the name of a function ("module:name"), not {each!r:.40}')
    return found


def _options(given: list[Any]) -> Any:
    """Options as they are given: a map, or pairs of names and values, or in JSON what stands for those."""
    if given and isinstance(given[0], str):
        names, values = given[::2], given[1::2]
        if len(names) != len(values) or not all(isinstance(name, str) for name in names):
            raise BadArguments("options are pairs of a name and a value, or one map")
        return dict(zip(names, values, strict=True))
    if len(given) > 1:
        raise BadArguments(f"behind a target and items stand options, not {len(given)} values")
    options = given[0] if given else None
    if isinstance(options, dict) and set(options) == {KEYWORDS}:
        options = options[KEYWORDS]
    return {} if options is None else options


_MOST_COPIES = 100_000
