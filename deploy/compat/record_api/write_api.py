"""`python -m record_api.write_api`: write one stub for each module."""

from __future__ import annotations

from bascule.bridge.recording.compat.writing import write
from bascule.bridge.recording.reading import Damage, read_api
from record_api._environment import done, path, strict


def _write(_: Damage) -> None:
    files = write(read_api(path("INPUT")), path("OUTPUT"), strict=strict())
    print(f"{len(files)} stubs in {path('OUTPUT')}")


if __name__ == "__main__":
    done(_write)
