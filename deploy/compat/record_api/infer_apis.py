"""`python -m record_api.infer_apis`: infer the API that grouped calls use."""

from __future__ import annotations

import json

from bascule.bridge.recording.infer import infer
from bascule.bridge.recording.reading import Damage
from record_api._environment import done, names, path, variable


def _infer(damage: Damage) -> None:
    api = infer([path("INPUT")], variable("LABEL"), tuple(names("MODULES")), damage)
    path("OUTPUT").write_text(json.dumps(api.to_json(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    done(_infer)
