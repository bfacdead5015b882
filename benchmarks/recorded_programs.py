"""Programs to be recorded: each prints how much CPU time its work took, in seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def numpy_user() -> None:
    """Many small operations on arrays."""
    import numpy as np

    for _ in range(1500):
        x = np.arange(100)
        y = x * 2 + 1
        total = np.sum(y[y > 5])
        means = x.reshape(10, 10).mean(axis=0)
        float(total) + len(means)
        np.concatenate([x, y])
        x[1:5] = 3
        len(x.shape)


def pandas_user() -> None:
    """Tables: made, filtered, grouped, joined."""
    import pandas as pd

    for _ in range(15):
        frame = pd.DataFrame({"key": [i % 5 for i in range(200)], "value": range(200)})
        frame["more"] = frame["value"] * 2
        groups = frame[frame["value"] > 20].groupby("key").sum()
        groups.reset_index().merge(frame, on="key").sort_values("value_x").head()


def import_pandas() -> None:
    """What a program spends before it begins: a large library is loaded."""
    import pandas

    assert pandas.DataFrame


class _Counter:
    def __init__(self, start: int) -> None:
        self.value = start

    def up(self) -> int:
        self.value += 1
        return self.value


def _fibonacci(n: int) -> int:
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


def plain() -> None:
    """Python that never touches the target."""
    _fibonacci(20)
    seen: dict[int, int] = {}
    for i in range(40_000):
        counter = _Counter(i)
        total = counter.up() + counter.up()
        seen[total & 255] = i
        if i in seen:
            total -= 1
    len([x * 2 for x in range(20_000) if x % 3])


def main() -> None:
    """Run one of them a few times; the quickest counts."""
    programs: dict[str, Callable[[], None]] = {
        "numpy": numpy_user,
        "pandas": pandas_user,
        "plain": plain,
        "import_pandas": import_pandas,
    }
    work = programs[sys.argv[1]]
    times = []
    for _ in range(int(sys.argv[2])):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    print(min(times))


if __name__ == "__main__":
    main()
