"""Functions of the client that Python calls while a call of `py/calling` runs.

What is asked goes out as an item of that call, under a number; the client answers with a call of its own, of `-answer`
or `-failed`. Until then a worker waits, and what the client calls meanwhile may be part of its answer.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.errormaps import error_map
from bascule.protocols.envelope import Kind
from bascule.protocols.errors import ErrorKind
from bascule.protocols.pod import CALLING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_formats import Format
    from bascule.protocols.pod import PodConnection
    from bascule.protocols.pod_events import Id, Invoke

_REPLY, _ERROR = int(Kind.REPLY), int(Kind.ERROR)


class Asking:
    """What the client of one conversation is asked.

    Args:
        form: The payload format.
        pod: The conversation.
        answer: Takes answers for the router.
    """

    def __init__(self, form: Format, pod: PodConnection, answer: Callable[[Request], None]) -> None:
        self._form = form
        self._pod = pod
        self._put = answer
        self.asked: dict[int, Id] = {}
        """What Python waits for, the latest last: number -> the call that asks."""

    def ask(self, id: Hashable, number: int, body: bytes) -> None:
        """Python calls a function of the client."""
        if isinstance(id, bytes) and self._pod.open.get(id) is CALLING:
            self._pod.send_item(id, self._form.listed(b'"py/callback"', b"%d" % number, body))
            self.asked[number] = id
            return
        message = "this call was not begun with py/calling: its client can't be called back"
        problem = self._form.write(error_map(ErrorKind.REFUSED, message))
        self._put((_ERROR, self._form.codec, 0, number, 0, problem))

    def answer(self, event: Invoke, *, failed: bool) -> None:
        """A function of the client has ended. An answer that nobody waits for is dropped by the router.

        Raises:
            BadArguments: That is no answer.
        """
        number, *outcome = self._form.read_arguments(event.args) or [None]
        if type(number) is not int or number < 0 or len(outcome) != 1 + failed:
            raise BadArguments("it takes the number of what was asked, then the outcome")
        self.asked.pop(number, None)
        if failed:
            error = {"kind": "clojure", "class": str(outcome[0]), "message": str(outcome[1])}
            self._put((_ERROR, self._form.codec, 0, number, 0, self._form.write(error)))
        else:
            self._put((_REPLY, self._form.codec, 0, number, 0, self._form.write(outcome[0])))
        self._pod.send_value(event.id, self._form.nothing)

    def ended(self, id: Id) -> None:
        """A call has ended: what it asked is waited for no more."""
        for number in [number for number, asker in self.asked.items() if asker == id]:
            del self.asked[number]
