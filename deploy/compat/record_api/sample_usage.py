"""Uses numpy in many small ways: something to record."""

# ruff: noqa: B018

from __future__ import annotations

import numpy as np


def use() -> None:
    """One of each."""
    x = np.arange(10)
    y = 2
    +x, -x, ~x
    for _ in x:
        pass
    x + y, y + x, x - y, y - x, x * y, y * x, x @ x, x**y, y**x
    x // (x + 1), y // (x + 1), x % (x + 1), y % (x + 1), x << y, y << x, x >> y, y >> x
    x & y, y & x, x | y, y | x, x ^ y, y ^ x
    x += y
    x -= y
    x *= y
    x[0] = y
    x[0], x[1:2], x[x > 10], np.arange(10).reshape(5, 2)[((1, 2, 3), (0, 1, 1))]
    _, *_ = x
    x == x, x < y, 1 in x
    np.array("df"), np.array("df" * 100), np.array([1, 2, 3])
    np.zeros((4, 5)), np.ones((5, 4)), np.linspace(0, 2, 100), np.eye(10), np.dtype(np.int16)
    np.random.mtrand.RandomState(0).random()
    z = np.arange(10)
    z.shape = (10, 1)
    z.shape, z.ndim, z.dtype, z.size, z.T
    np.add(x, x), np.exp(x), np.add.reduce(x), x.mean(), np.ndarray.mean(x)
    x.sort(), z.sort(axis=0), x.reshape((5, 2)), x.astype(int)
    np.column_stack([x, x]), np.concatenate((x, x), axis=0), np.ndarray((0, 1, 2))
    np.polynomial.chebyshev.Chebyshev.basis(10)


use()
