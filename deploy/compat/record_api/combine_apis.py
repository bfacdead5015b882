"""`python -m record_api.combine_apis`: join several APIs."""

from __future__ import annotations

import json
from pathlib import Path

from bascule.bridge.recording.apis import API, combine
from bascule.bridge.recording.reading import Damage
from record_api._environment import done, names, path


def _combine(_: Damage) -> None:
    api = combine(API.read(Path(each)) for each in names("INPUTS"))
    path("OUTPUT").write_text(json.dumps(api.to_json(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    done(_combine)
