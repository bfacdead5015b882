"""Uses library.py in every way. Behind `#:` stands what the trace must say of that line, and nothing else.

`-> T` is what came back, `!! E` what was raised; `;` separates events. A line without `#:` is no use of the library.
"""
# ruff: noqa

import asyncio
import threading

import library
from library import Cursor, Mapping, Session, Vector

v = Vector(3)  #: Vector(x: int) -> Vector
w = Vector(4, unit="cm")  #: Vector(x: int, unit: 'cm') -> Vector
items = [1, 2, 3]


def operators(a):
    -a  #: neg(Vector) -> Vector
    +a  #: pos(Vector) -> Vector
    ~a  #: invert(Vector) -> Vector
    not a  #: not_(Vector)
    a + 1  #: add(Vector, int) -> Vector
    1 + a  #: add(int, Vector) -> Vector
    a - None  #: sub(Vector, None) -> Vector
    a @ a  #: matmul(Vector, Vector) -> Vector
    a**2  #: pow(Vector, int) -> Vector
    2**a  #: pow(int, Vector) -> Vector
    a & a | a  #: and_(Vector, Vector) -> Vector; or_(Vector, Vector) -> Vector
    a += "x"  #: iadd(Vector, 'x') -> Vector
    number = 1
    number += a  #: iadd(int, Vector) -> Vector
    1 + 1
    return a


operators(v)


def comparisons(a, b):
    a < b  #: lt(Vector, Vector) -> bool
    1 > a  #: gt(int, Vector) -> bool
    a == 1  #: eq(Vector, int) -> bool
    1 < a < 2  #: lt(int, Vector) -> bool; lt(Vector, int) -> bool
    a is b
    1 in a  #: contains(Vector, int)
    "abc" not in a  #: contains(Vector, 'abc')
    a in [a]


comparisons(v, w)


def subscripts(a):
    a[0]  #: getitem(Vector, int) -> float
    a["a text of more than twenty characters"]  #: getitem(Vector, str) -> float
    a[1:2]  #: getitem(Vector, int:int:None) -> float
    a[::2, ...]  #: getitem(Vector, (None:None:int, ellipsis)) -> float
    a[0] = [1, "b"]  #: setitem(Vector, int, [int, 'b'])
    a[1:] = None  #: setitem(Vector, int:None:None, None)
    del a[0]  #: delitem(Vector, int)
    a[0] += 1  #: getitem(Vector, int) -> float; setitem(Vector, int, float)
    items[0] = a


subscripts(v)


def attributes(a):
    a.x  #: getattr(Vector, 'x') -> int
    a.length  #: getattr(Vector, 'length') -> float
    a.unit = "km"  #: setattr(Vector, 'unit', 'km')
    del a.unit  #: delattr(Vector, 'unit')
    library.LIMIT  #: getattr(library, 'LIMIT') -> int
    library.LIMIT = 11  #: setattr(library, 'LIMIT', int)
    getattr(a, "x")  #: getattr(Vector, 'x') -> int
    hasattr(a, "x")  #: hasattr(obj: Vector, name: 'x') -> bool
    try:
        a.missing  #: getattr(Vector, 'missing') !! AttributeError
    except AttributeError:
        pass


attributes(w)


def iteration(a):
    for _ in a:  #: iter(Vector)
        pass
    [x for x in a]  #: iter(Vector)
    {x: y for x in a for y in a}  #: iter(Vector)
    first, second = a  #: iter(Vector)
    first, *rest = a  #: iter(Vector)
    [*a, 1]  #: iter(Vector)
    {*a}  #: iter(Vector)
    (*a, *a)  #: iter(Vector)
    for _ in Cursor():  #: Cursor() -> Cursor; iter(Cursor); next(Cursor)
        pass
    list(a)  #: list(Vector) -> [int, int]
    len(a)  #: len(obj: Vector) -> int
    sum(a)  #: sum(iterable: Vector) -> int
    print(*a, end="")  #: iter(Vector)
    {**Mapping()}  #: Mapping() -> Mapping; Mapping.keys(self: Mapping)
    dict(**Mapping())  #: Mapping() -> Mapping; Mapping.keys(self: Mapping)
    yield from a  #: iter(Vector)
    for _ in library.numbers():  #: library.numbers() -> generator
        pass


list(iteration(v))


def truth(a):
    if a:  #: truth(Vector)
        pass
    while a:  #: truth(Vector)
        break
    1 if a else 2  #: truth(Vector)
    a and 1  #: truth(Vector)
    a or 1  #: truth(Vector)
    assert a  #: truth(Vector)
    bool(a)  #: bool(Vector) -> bool
    if items:
        pass


truth(v)


def calls(a):
    library.function(1)  #: library.function(a: int) -> int
    library.function(1, "b", c=None)  #: library.function(a: int, b: 'b', c: None) -> int
    library.function(1, 2, 3, 4, d=5, e=6)  #: library.function(a: int, b: int, c: int, *args: (int,), d: int, **more: {'e': int}) -> int
    library.function(*items, **{"d": 5})  #: library.function(a: Vector, b: int, c: int, d: int) -> Vector
    library.wrapped(1)  #: library.function(a: int) -> int
    library.cached(3)  #: library.cached(number: int) -> int
    a.scale(2)  #: Vector.scale(self: Vector, by: int) -> Vector
    a.scale(by=2.5)  #: Vector.scale(self: Vector, by: float) -> Vector
    Vector.scale(a, 2)  #: Vector.scale(self: Vector, by: int) -> Vector
    bound = a.scale  #: getattr(Vector, 'scale') -> Vector.scale
    bound(True)  #: Vector.scale(self: Vector, by: bool) -> Vector
    a.scale(1, *items, z=1)  #: Vector.scale(self: Vector, by: int, *rest: (Vector, int, int), **more: {'z': int}) -> Vector
    Vector.unit_of("m")  #: type[Vector].unit_of('m') -> Vector
    a.unit_of("m")  #: type[Vector].unit_of('m') -> Vector
    Vector.zero()  #: Vector.zero() -> Vector
    library.ready  #: getattr(library, 'ready') -> attrgetter
    (lambda: library.decorate(1))()  #: library.decorate(wrapped: int) -> int
    library.apply(complex)  #: library.apply(call: type[complex]) -> complex
    max(a, key=None)  #: max(Vector, key=None) -> int
    print(a.x, end="")  #: getattr(Vector, 'x') -> int


calls(v)


def decorated():
    @library.decorate  #: library.decorate(wrapped: decorated.<locals>.inner) -> decorated.<locals>.inner
    def inner():
        pass


decorated()


def errors():
    try:
        library.refuse("no")  #: library.refuse(why: 'no') !! library.Refused
    except library.Refused:  #: getattr(library, 'Refused') -> type[library.Refused]
        pass


errors()


def passed_on():
    library.refuse(1)  #: library.refuse(why: int) !! library.Refused


try:
    passed_on()
except library.Refused:  #: getattr(library, 'Refused') -> type[library.Refused]
    pass


def managed(a):
    with (a as inner):  #: Vector.__enter__(self: Vector) -> Vector; Vector.__exit__(self: Vector, kind: None, error: None, trace: None) -> bool
        pass
    with a:  #: Vector.__enter__(self: Vector) -> Vector; Vector.__exit__(self: Vector, kind: type[ValueError], error: ValueError, trace: traceback)
        raise ValueError


managed(v)


async def coroutines():
    async with (Session() as session):  #: Session() -> Session; Session.__aenter__(self: Session) -> coroutine => Session; Session.__aexit__(self: Session, *error: (None, None, None)) -> coroutine => None
        await session.fetch("a")  #: Session.fetch(self: Session, name: 'a') -> coroutine => str
    async for _ in session:  #: aiter(async_iterable: Session); anext(Session)
        pass
    await session  #: Session.__await__(self: Session) -> tuple_iterator


asyncio.run(coroutines())


class Derived(Vector):
    colour = "red"

    def __init__(self):
        super().__init__(1)  #: Vector.__init__(self: Vector, x: int) -> None

    def __sub__(self, other):
        return self

    def own(self):
        return self.scale(2)  #: Vector.scale(self: Vector, by: int) -> Vector


class Bare(Vector):
    pass


def derived():
    d = Derived()
    d + 1  #: add(Vector, int) -> Vector
    d - 1
    d.own()
    d.colour
    d.length  #: getattr(Vector, 'length') -> float
    len(d)  #: len(obj: Vector) -> int
    Bare(2)  #: Vector(x: int) -> Vector


derived()


class Liar:
    @property
    def __class__(self):
        raise RuntimeError("asked for its class")

    def __getattr__(self, name):
        raise RuntimeError("asked for an attribute")

    def __eq__(self, other):
        raise RuntimeError("compared")

    def __hash__(self):
        raise RuntimeError("hashed")

    def __repr__(self):
        raise RuntimeError("shown")


library.function(Liar())  #: library.function(a: Liar) -> Liar

endless = []
endless.append(endless)
library.function(endless)  #: library.function(a: [[[[list]]]]) -> [[[[list]]]]


def compiled():
    sorted([1], key=library.cached)  #: getattr(library, 'cached') -> library.cached; <compiled> library.cached(number: int)
    list(map(library.decorate, ["a"]))  #: getattr(library, 'decorate') -> library.decorate; <compiled> library.decorate(wrapped: 'a')


compiled()


def consumed():
    values = iter([1, 2])
    library.function(values)  #: library.function(a: list_iterator) -> list_iterator
    print(*values, end="")
    return list(values)


assert consumed() == []


def in_thread():
    v.scale("thread")  #: Vector.scale(self: Vector, by: 'thread') -> Vector


thread = threading.Thread(target=in_thread)
thread.start()
thread.join()


class Body:
    made = Vector(0)  #: Vector(x: int) -> Vector


def match_it(value):
    match value:
        case Vector(x=1):  #: getattr(Vector, 'x')
            pass
        case {"a": library.LIMIT}:
            pass
        case _:
            return value + 1  #: add(Vector, int) -> Vector


match_it(v)


def generator():
    try:
        yield v.x  #: getattr(Vector, 'x') -> int
    finally:
        v.length  #: getattr(Vector, 'length') -> float


next(generator())
for _ in generator():
    pass


def formatted(p, n):
    f"{p}"  #: format(value: Point)
    f"{p:>{n}}"  #: format(value: Point, format_spec: '>3')
    f"{p!r:>40}"  #: repr(obj: Point)
    f"{p!s}{n}"  #: str(Point)
    f"{n:>3}{n!r}"


formatted(library.Point(1, 2), 3)  #: Point(x: int, y: int) -> Point


def matched(value):
    match value:
        case library.Point(1, y=3):  #: getattr(library, 'Point') -> type[Point]; getattr(Point, 'x'); getattr(Point, 'y')
            return 1
        case library.Point(x, 2):  #: getattr(library, 'Point') -> type[Point]; getattr(Point, 'x'); getattr(Point, 'y')
            return 2
        case {"a": a, "b": b}:  #: len(obj: Table); Table.get(self: Table, key: 'a'); Table.get(self: Table, key: 'b')
            return 3
        case [one, two]:  #: len(obj: Row); iter(Row)
            return 4


assert matched(library.Point(1, 2)) == 2  #: Point(x: int, y: int) -> Point
assert matched(library.Table()) == 3  #: ABCMeta[Table]() -> Table
assert matched(library.Row()) == 4  #: ABCMeta[Row]() -> Row
assert matched([1]) is None
