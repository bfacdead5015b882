"""`python -m record_api.line_counts`: group a trace by call, and count the places."""

from __future__ import annotations

from bascule.bridge.recording.counts import count
from record_api._environment import done, path

if __name__ == "__main__":
    done(lambda damage: print(f"{count([path('INPUT')], path('OUTPUT'), damage)} different calls"))
