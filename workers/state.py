"""What all parts of a worker share: who it is, and the things there is one of."""

from __future__ import annotations

from bascule.workers.objects import ObjectTable
from bascule.workers.output import Capture
from bascule.workers.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bascule.workers.cancel import ThreadGate
    from bascule.workers.wire import Wire

_DEFAULT_CAP = 100_000


class WorkerState:
    """One worker, as its configuration says.

    Attributes:
        name: "pool/slot.incarnation", for errors.
        threads: How many threads run calls.
        page: The words shared with the bridge.
        wire: To the bridge.
        capture: What user code prints.
        objects: The handles.
        streams: Results that are being sent bit by bit.
        imports: Wire id of a call to come -> its session, and copies of other workers' objects, pickled, by token.
        mapped: What MAPs go over at the moment, each list by its id.
        gates: Of the threads that run calls, when there are several.
        leaving: Finish what runs, take nothing new, exit.
    """

    def __init__(self, configuration: dict[str, Any], page: memoryview, wire: Wire) -> None:
        slot, incarnation = configuration["slot"], configuration["incarnation"]
        self.name = f"{configuration.get('pool', '')}/{slot}.{incarnation}"
        self.threads: int = configuration.get("threads") or 1
        self.page = page
        self.wire = wire
        self.capture = Capture(wire)
        self.objects = ObjectTable(
            configuration["prefix"],
            slot,
            incarnation,
            cap=configuration.get("handle_cap") or _DEFAULT_CAP,
            lease=configuration.get("handle_lease"),
        )
        self.streams = Streams()
        self.imports: dict[int, tuple[int, dict[str, bytes]]] = {}
        self.mapped: dict[int, list[Any]] = {}
        self.gates: list[ThreadGate] = []
        self.leaving = False
