"""One call of `py/scatter` or `py/pmap`: a function over many items, in chunks, on all workers.

A chunk is a MAP call of the door's own. What comes back is put in the items' order; the first failure ends it all,
unless the user wants errors in the place of results. Here is what there is to decide and to remember; the door passes
the calls on and writes to the client. Items and results are decoded in the bridge, since they are taken apart and put
together: who has large ones keeps them in Python and scatters handles or names.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Flag, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_formats import Format

CHUNKS_A_WORKER = 4  # so that a worker with the slow items does not hold up the others
LINES = 20  # of progress, at most
MARK = "scatter"
_OPTIONS = frozenset(("chunk", "timeout", "star", "errors", "progress", "idempotent"))
_LONGEST = 4_000_000  # seconds
_IDEMPOTENT = int(Flag.IDEMPOTENT)
_CALL, _CANCEL = int(Kind.CALL), int(Kind.CANCEL)


class Scatter:
    """The chunks of one call, and what has come of them."""

    def __init__(self, id: bytes, form: Format, args: list[Any], *, workers: int, columns: bool) -> None:
        """Read the arguments.

        Args:
            id: The client's.
            form: The payload format.
            args: Decoded: target, items, options; or, with `columns`, target and collections.
            workers: How many there are.
            columns: Items are made of the collections' first elements, their second ones, and so on.

        Raises:
            BadArguments: They are something else.
        """
        self.id = id
        self._form = form
        target = args[0] if args else None
        if not isinstance(target, str):
            raise BadArguments('the target ("module:name") is missing')
        collections = args[1:] if columns else args[1:2]
        if not collections or not all(isinstance(each, (list, tuple, set)) for each in collections):
            raise BadArguments("what to go over is a vector, a list or a set")
        options = _checked({} if columns or len(args) < 3 else args[2])
        if len(args) > 3 and not columns:
            raise BadArguments(f"it takes a target, items and options, not {len(args)} arguments")
        rows = [list(each) for each in zip(*collections, strict=False)]
        if options.get("star"):
            if not all(isinstance(row[0], (list, tuple)) for row in rows):
                raise BadArguments("with star, each item is a vector of arguments")
            rows = [list(row[0]) for row in rows]
        self._target = str(target)
        self._keeps_errors = options.get("errors", "raise") == "return"
        self._deadline = int(options.get("timeout", 0) * 1000)
        self._flags = _IDEMPOTENT if options.get("idempotent") else 0
        self._progress = bool(options.get("progress", not columns))
        size = options.get("chunk") or max(1, len(rows) // (workers * CHUNKS_A_WORKER))
        self._chunks = [rows[at : at + size] for at in range(0, len(rows), size)]
        self._results: list[list[Any] | None] = [None] * len(self._chunks)
        self._total, self._done, self._told = len(rows), 0, 0
        self.failure: dict[str, Any] | None = None

    def requests(self) -> list[Request]:
        """The calls to make."""
        made: list[Request] = []
        for number, chunk in enumerate(self._chunks):
            call = encode_call(Op.MAP, self._target, self._form.write([[chunk]]))
            made.append((_CALL, self._form.codec, self._flags, self._name(number), self._deadline, call))
        return made

    def cancel(self) -> list[Request]:
        """What ends the calls that are still under way."""
        return [
            (_CANCEL, self._form.codec, 0, self._name(number), 0, b"")
            for number, results in enumerate(self._results)
            if results is None
        ]

    def _name(self, number: int) -> Hashable:
        return (MARK, self.id, number)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.failure is not None or self._done == self._total

    def take(self, number: int, answer: list[Any] | None, error: dict[str, Any] | None) -> str:
        """A chunk's answer, `[values, errors]` as MAP gives it; or why it has none.

        Returns:
            What to tell of the progress, if it is time to.
        """
        size = len(self._chunks[number])
        values: list[Any] = [None] * size
        errors: list[Any] = [[at, error] for at in range(size)]
        if answer is not None:
            values, errors = answer
        if errors and not self._keeps_errors:
            self.failure = errors[0][1]
            return ""
        for at, problem in errors:
            values[at] = self._form.keyed({"error": problem})
        self._results[number] = values
        self._chunks[number] = []
        self._done += size
        if not self._progress or ((self._done - self._told) * LINES < self._total and self._done < self._total):
            return ""
        self._told = self._done
        return f"{self._target} {self._done}/{self._total}\n"

    def value(self) -> bytes:
        """All results, in the items' order."""
        return self._form.write([each for results in self._results for each in results or []])


def _checked(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict) or not _OPTIONS.issuperset(options):
        raise BadArguments(f"the options are a map with some of {', '.join(sorted(_OPTIONS))}, not {options!r:.80}")
    checked = {str(name): value for name, value in options.items()}
    chunk, timeout, errors = checked.get("chunk", 1), checked.get("timeout", 1), checked.get("errors", "raise")
    if type(chunk) is not int or chunk < 1:
        raise BadArguments(f"chunk is a number of items, not {chunk!r:.40}")
    if type(timeout) not in (int, float) or not 0 < timeout <= _LONGEST:
        raise BadArguments(f"timeout is a number of seconds above 0, not {timeout!r:.40}")
    if errors not in ("raise", "return"):
        raise BadArguments(f'errors is "raise" or "return", not {errors!r:.40}')
    return checked
