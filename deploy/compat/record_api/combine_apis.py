"""`python -m record_api.combine_apis`: join several APIs."""

from __future__ import annotations

import json
from pathlib import Path

from bascule.bridge.recording.apis import API, combine
from bascule.bridge.recording.compat import merging
from bascule.bridge.recording.reading import Damage
from record_api._environment import done, names, path, strict


def _combine(_: Damage) -> None:
    inputs = [Path(each) for each in names("INPUTS")]
    told = merging.combine(inputs) if strict() else combine(map(API.read, inputs)).to_json()
    end = "" if strict() else "\n"
    path("OUTPUT").write_text(json.dumps(told, indent=2, ensure_ascii=False) + end)


if __name__ == "__main__":
    done(_combine)
