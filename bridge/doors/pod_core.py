"""The namespace `py`: all that can be done with Python, beside the exported modules' own functions.

Each function is a row of `FUNCTIONS`: which operation it is, what its first arguments are, and what its user reads
about it. `request` turns a row and the text of the arguments into the payload of a CALL. Only `release` is no call.

An object that an operation works on comes first. When it is a handle, its token goes into the call's head, where the
router sees which worker has it; a plain value stays among the arguments.
"""

from __future__ import annotations

import enum

from bascule.bridge.doors.pod_arguments import Arguments, BadArguments, payload, split
from bascule.bridge.doors.pod_vars import snake, var
from bascule.protocols.calls import Op, Want, encode_call
from bascule.protocols.envelope import Flag
from bascule.protocols.errors import LocalProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bascule.protocols.bencode import Value


class Shape(enum.Enum):
    """What a function's first arguments are; what follows is passed on."""

    TARGET = "the name of something in a module"
    NAME_OBJECT = "a name, then what it works on"
    OBJECT_NAME = "an object, then a name"
    OBJECT = "an object"
    STREAM = "a handle of what to iterate, or the name of a function"


class Function:
    """A var of the namespace."""

    __slots__ = ("arglists", "doc", "flags", "op", "shape", "target", "want")

    def __init__(
        self,
        op: Op,
        shape: Shape,
        arglists: tuple[str, ...],
        doc: str,
        *,
        target: str = "",
        want: Want = Want.AUTO,
        flags: int = 0,
    ) -> None:
        self.op = op
        self.shape = shape
        self.arglists = arglists
        self.doc = doc
        self.target = target
        self.want = want
        self.flags = flags


def _builtin(name: str, doc: str, arglist: str = "[obj]") -> Function:
    return Function(Op.BUILTIN, Shape.OBJECT, (arglist,), doc, target=name)


def _operator(name: str, arglist: str, doc: str) -> Function:
    return Function(Op.OPERATOR, Shape.OBJECT, (arglist,), doc, target=name)


FUNCTIONS: dict[str, Function] = {
    "call": Function(
        Op.CALL,
        Shape.TARGET,
        ("[target & args]",),
        'Calls a function: (py/call "math:pow" 2 16), or by its dotted name: (py/call "os.path.join" "a" "b").\n'
        "A last argument {:py/kwargs {...}} gives keywords. What JSON can't carry comes back as a handle.",
    ),
    "ref": Function(
        Op.CALL,
        Shape.TARGET,
        ("[target & args]",),
        'Calls a function and keeps even a plain result in Python: (py/ref "builtins:list" [1 2]) is a handle.',
        want=Want.HANDLE,
    ),
    "init": Function(
        Op.INIT, Shape.TARGET, ("[class & args]",), 'Makes an object: (py/init "collections:Counter" "abracadabra").'
    ),
    "const": Function(
        Op.CONST,
        Shape.TARGET,
        ("[target]", "[target type]"),
        'The value of a name in a module: (py/const "math:pi"), converted if a type is given: '
        '(py/const "math:pi" "int").',
    ),
    "method": Function(
        Op.METHOD,
        Shape.OBJECT_NAME,
        ("[obj name & args]",),
        'Calls a method: (py/method counter "most_common" 3). A dotted name is followed.',
    ),
    "attr": Function(Op.GETATTR, Shape.OBJECT_NAME, ("[obj name]",), 'An attribute: (py/attr df "shape").'),
    "set-attr": Function(Op.SETATTR, Shape.OBJECT_NAME, ("[obj name value]",), "Sets an attribute."),
    "del-attr": Function(Op.DELATTR, Shape.OBJECT_NAME, ("[obj name]",), "Deletes an attribute."),
    "op": Function(
        Op.OPERATOR,
        Shape.NAME_OBJECT,
        ("[name & operands]",),
        'A function of Python\'s operator module: (py/op "add" a b), (py/op "getitem" xs 0), (py/op "not-" a).',
    ),
    "builtin": Function(
        Op.BUILTIN, Shape.NAME_OBJECT, ("[name & args]",), 'A builtin function: (py/builtin "sorted" [3 1 2]).'
    ),
    "stream": Function(
        Op.ITERATE,
        Shape.STREAM,
        ("[handle]", "[target & args]"),
        "The values of an iterable, one message each: of a handle, or of what a function returns. Use it through\n"
        "(babashka.pods/invoke pod-id 'py/stream [target] {:handlers {:success f :error g :done h}}).",
        flags=Flag.STREAM,
    ),
    "describe": Function(Op.DESCRIBE, Shape.OBJECT, ("[obj]",), "What an object is: type, module, repr, size."),
    "repr": _builtin("repr", "The object as Python shows it."),
    "str": _builtin("str", "The object as text."),
    "len": _builtin("len", "How many elements it has."),
    "dir": _builtin("dir", "The names of its attributes."),
    "type": _builtin("type", "Its class, as a handle."),
    "list": _builtin("list", "Its elements, as an array."),
    "dict": _builtin("dict", "Its items, as a map."),
    "next": _builtin("next", "The next value of an iterator.", "[iterator & default]"),
    "get-item": _operator("getitem", "[obj key]", "obj[key]"),
    "set-item": _operator("setitem", "[obj key value]", "obj[key] = value"),
    "del-item": _operator("delitem", "[obj key]", "del obj[key]"),
    "contains": _operator("contains", "[obj value]", "Whether value is in obj."),
}


RELEASE = "release"
_RELEASE_DOC = "Lets Python forget objects; their handles are lost."


def variables() -> list[Value]:
    """The namespace's vars for the description."""
    calls = [var(name, function.doc, function.arglists) for name, function in FUNCTIONS.items()]
    return [*calls, var(RELEASE, _RELEASE_DOC, ["[handle & handles]"])]


def request(function: Function, args: bytes) -> tuple[int, bytes]:
    """The flags and the payload of the CALL that does it.

    Raises:
        BadArguments: The arguments are not what the function takes.
    """
    positional, keywords = split(args)
    arguments = Arguments(positional)
    op, target, token, value = function.op, function.target, b"", b""
    shape = function.shape
    if shape is Shape.STREAM:
        token = arguments.handle()
        if not token:
            op, target = Op.CALL, arguments.text("the target (a handle, or a function's name)")
    elif shape is Shape.TARGET:
        target = arguments.text('the target ("module:name")')
    else:
        if shape is Shape.NAME_OBJECT:
            target = snake(arguments.text("the name"))
            token = arguments.handle()
        else:
            token = arguments.handle()
            if not token and arguments.left:
                value = arguments.raw("the object")
            elif not token:
                raise BadArguments("the object is missing")
        if shape is Shape.OBJECT_NAME:
            target = snake(arguments.text("the name"))
    rest = b",".join([part for part in (value, arguments.rest()) if part])
    try:
        call = encode_call(op, target, payload(rest, keywords), object_token=token, want=function.want)
    except LocalProtocolError as error:  # the client's name is too long
        raise BadArguments(str(error)) from None
    return function.flags, call


def handles(args: bytes) -> bytes:
    """The tokens of arguments that are handles alone, back to back.

    Raises:
        BadArguments: One of them is something else.
    """
    arguments = Arguments(split(args)[0])
    tokens: list[bytes] = []
    while arguments.left:
        token = arguments.handle()
        if not token:
            raise BadArguments(f"argument {len(tokens) + 1} is no handle")
        tokens.append(token)
    return b"".join(tokens)
