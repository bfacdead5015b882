"""What a pod's client is told of its runs: `py/scatter`, `py/reduce`, `py/everywhere`, `py/results` and their like.

A run decides what is called next and when it is over (see `pod_runs`). Here it is begun, its calls are passed on, their
answers are brought to it, and the client hears of its progress and its end.
"""

from __future__ import annotations

from bascule.bridge.doors import pod_core
from bascule.bridge.errormaps import error_map
from bascule.protocols.envelope import Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_formats import Format
    from bascule.bridge.doors.pod_runs import Run
    from bascule.protocols.pod import PodConnection
    from bascule.protocols.pod_events import Id, Invoke

_ERROR, _CONTROL = int(Kind.ERROR), int(Kind.CONTROL)


class Gathering:
    """The runs of one conversation.

    Args:
        workers: How many there are.
        form: The payload format.
        pod: The conversation.
        ask: Takes requests for the router.
        fail: Ends a call with an error map.
    """

    def __init__(
        self,
        workers: int,
        form: Format,
        pod: PodConnection,
        ask: Callable[[Request], None],
        fail: Callable[[Id, dict[str, Any]], None],
    ) -> None:
        self._workers = workers
        self._form = form
        self._pod = pod
        self._put = ask
        self._fail = fail
        self._runs: dict[Hashable, Run] = {}

    def begin(self, event: Invoke, name: str, trace: bytes) -> None:
        """Begin what ends with one answer, in a trace context if there is one.

        Raises:
            BadArguments: It can't be begun so.
        """
        from bascule.bridge.doors.pod_scatter import begin

        args = self._form.read_arguments(event.args)
        run = begin(event.id, self._form, name, args, workers=self._workers, columns=name == pod_core.PMAP)
        run.trace = trace
        self._runs[event.id] = run
        self._go_on(run)

    def exchange(self, event: Invoke, name: str, trace: bytes) -> None:
        """Begin, continue or end what is told piece by piece.

        Raises:
            BadArguments: There is nothing of that kind, or it can't be begun so.
        """
        from bascule.bridge.doors.pod_results import converse

        args = self._form.read_arguments(event.args)
        run, said = converse(name, event.id, args, self._runs, self._form, workers=self._workers, trace=trace)
        if run is not None:
            self._go_on(run)
        if said is not None:
            self._pod.send_value(event.id, self._form.write(said))

    def take(self, kind: int, id: Id, number: int, content: bytes) -> None:
        """A worker answered, or failed, one call of a run; or the router answered the run itself."""
        run = self._runs.get(id)
        if run is None:
            return
        if kind == _CONTROL:
            from bascule.bridge.router.messages import read_control

            run.heard(read_control(content))
            self._go_on(run)
            return
        try:
            found = self._form.read(content)
        except RemoteProtocolError as error:
            kind, found = _ERROR, error_map(ErrorKind.NOT_ENCODABLE, f"its results can't be read: {error}")
        told = run.take(number, None, found) if kind == _ERROR else run.take(number, found, None)
        if told:
            self._pod.send_output(id, told.encode(), err=True)
        self._go_on(run)

    def cancel(self, id: Id) -> bool:
        """End the run that this call began; whether it began one."""
        run = self._runs.pop(id, None)
        if run is None:
            return False
        self._ask_all(run.cancel())
        return True

    def forget(self) -> None:
        """The conversation is over."""
        self._runs.clear()

    def _go_on(self, run: Run) -> None:
        """Ask what a run wants to ask now; answer the client when it is over."""
        self._ask_all(run.take_requests())
        answer = run.take_answer()
        if run.over:
            del self._runs[run.id]
            self._ask_all(run.cancel())
        if answer is not None:
            id, value, failure = answer
            if failure is None:
                self._pod.send_value(id, value)
            else:
                self._fail(id, failure)

    def _ask_all(self, requests: list[Request]) -> None:
        for request in requests:
            self._put(request)
