"""A bridge as a program of its own, for tests that kill it. Prints one line of JSON when all is up, then serves on.

    python bridge_program.py FOLDER

FOLDER has `family.py`, whose `start(away)` starts a child and a grandchild and returns their pids.
"""

from __future__ import annotations

import json
import sys

import trio
from pool_world import world


async def main(folder: str) -> None:
    async with world(guarded=True) as made:
        pool = await made.start_pool(size=2, paths=[folder])
        client = await made.client()
        started = [await client.call("family:start", away) for away in (False, True)]
        assert made.guardian is not None
        told = {
            "workers": [worker["pid"] for worker in pool.status()["workers"]],
            "guardian": made.guardian.pid,
            "in_group": started[0],
            "away": started[1],
        }
        print(json.dumps(told), flush=True)
        while await trio.to_thread.run_sync(sys.stdin.readline):  # each line asks who the guardian is now
            print(made.guardian.pid, flush=True)


trio.run(main, sys.argv[1])
