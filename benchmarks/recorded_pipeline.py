"""`record infer`, `combine` and `write` over as many grouped lines as one says, in a process of its own: prints what it
took, CPU seconds and MiB, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from bascule.bridge.recording.apis import API, combine
from bascule.bridge.recording.infer import infer
from bascule.bridge.recording.reading import Damage
from bascule.bridge.recording.stubs import write_stubs


def line(number: int) -> dict[str, object]:
    """One of many different grouped lines, of 500 functions in 20 modules."""
    text = {"t": "str"} if number % 3 else f"name {number % 1000}"
    args = [["a", {"t": "int"}], ["b", text], ["c", {"t": "tuple", "v": [{"t": "float"}, None][: number % 3]}]]
    function = {"t": "function", "v": {"module": f"lib.part{number % 20}", "name": f"function_{number % 500}"}}
    return {"function": function, "bound_params": {"pos_or_kw": args[: 1 + number % 3]}, "n": 1 + number % 7}


def main() -> None:
    """Do it once."""
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        grouped = Path(scratch) / "grouped.jsonl"
        with grouped.open("w") as file:
            for number in range(count):
                file.write(json.dumps(line(number)) + "\n")
        begin = time.process_time()
        api = infer([grouped], "bench", ("lib",), Damage(strict=True))
        whole = combine([api, API.from_json(api.to_json())])
        write_stubs(whole, Path(scratch) / "stubs")
        took = time.process_time() - begin
    print(json.dumps({"seconds": took, "peak": peak()}))


def peak() -> float:
    """The most memory that this process has had, in MiB; what getrusage says is its parent's, where that had more."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
