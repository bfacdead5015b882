"""The target of the corpus: plain Python whose every use is written down in app.py."""

from __future__ import annotations

import collections.abc
import functools
import operator

LIMIT = 10


class Vector:
    def __init__(self, x, *, unit="m"):
        self.x = x
        self.unit = unit

    def __add__(self, other):
        return Vector(self.x)

    __radd__ = __sub__ = __iadd__ = __matmul__ = __pow__ = __rpow__ = __and__ = __or__ = __add__

    def __neg__(self):
        return self

    __pos__ = __invert__ = __neg__

    def __lt__(self, other):
        return True

    __gt__ = __eq__ = __lt__
    __hash__ = None

    def __iter__(self):
        return iter((1, 2))

    def __reversed__(self):
        return iter((2, 1))

    def __len__(self):
        return 2

    def __bool__(self):
        return True

    def __contains__(self, item):
        return True

    def __getitem__(self, key):
        return 1.5

    def __setitem__(self, key, value):
        pass

    def __delitem__(self, key):
        pass

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return True

    def scale(self, by, *rest, **more):
        return self

    @property
    def length(self):
        return 2.0

    @classmethod
    def unit_of(cls, name):
        return cls(1)

    @staticmethod
    def zero():
        return Vector(0)

    @functools.cache  # noqa: B019
    def _cached(self):
        return 1


class Mapping:
    def keys(self):
        return ["a"]

    def __getitem__(self, key):
        return 1


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __format__(self, spec):
        return spec


class Table(collections.abc.Mapping):
    def __getitem__(self, key):
        return key

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 2

    def get(self, key, default=None):
        return key


class Row(collections.abc.Sequence):
    def __getitem__(self, index):
        return (1, 2)[index]

    def __len__(self):
        return 2


class Cursor:
    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


class Session:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration

    def __await__(self):
        return iter(())

    async def fetch(self, name):
        return name


class Refused(Exception):
    pass


def function(a, b=2, /, c=3, *args, d=4, **more):
    return a


def refuse(why):
    raise Refused(why)


@functools.cache
def cached(number):
    return number


def decorate(wrapped):
    return wrapped


@functools.wraps(function)
def wrapped(*args, **kwargs):
    return function(*args, **kwargs)


def apply(call):
    return call(1)


def numbers():
    yield 1


ready = operator.attrgetter("x")
