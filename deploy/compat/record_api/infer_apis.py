"""`python -m record_api.infer_apis`: infer the API that grouped calls use."""

from __future__ import annotations

import json

from bascule.bridge.recording.compat import inferring
from bascule.bridge.recording.infer import infer
from bascule.bridge.recording.reading import Damage
from record_api._environment import done, names, path, strict, variable


def _infer(damage: Damage) -> None:
    given = ([path("INPUT")], variable("LABEL"), tuple(names("MODULES")), damage)
    told = inferring.infer(*given) if strict() else infer(*given).to_json()
    end = "" if strict() else "\n"
    path("OUTPUT").write_text(json.dumps(told, indent=2, ensure_ascii=False) + end)


if __name__ == "__main__":
    done(_infer)
