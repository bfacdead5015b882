"""The namespace `py`: all that can be done with Python, beside the exported modules' own functions.

Each function is a row of `FUNCTIONS`: which operation it is, what its first arguments are, and what its user reads
about it. `request` turns a row and the text of the arguments into the payload of a CALL. What is in `OF_THE_DOOR` is no
call: the door does it itself (see `pod`). Macros and what else runs in the client is in `pod_code`.

An object that an operation works on comes first. When it is a handle, its token goes into the call's head, where the
router sees which worker has it; a plain value stays among the arguments.
"""

from __future__ import annotations

import enum

from bascule.bridge.doors.pod_arguments import Arguments, BadArguments
from bascule.bridge.doors.pod_vars import snake, var
from bascule.protocols.calls import Op, Want, combine, encode_call
from bascule.protocols.envelope import Flag
from bascule.protocols.errors import LocalProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bascule.protocols.bencode import Value


LONGEST = 4_000_000  # seconds: milliseconds of it fit the 32 bits that a frame has for a deadline


class Shape(enum.Enum):
    """What a function's first arguments are; what follows is passed on."""

    TARGET = "the name of something in a module"
    MODULE = "the name of a module"
    TIMED = "seconds, then the name of something in a module"
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
    "within": Function(
        Op.CALL,
        Shape.TIMED,
        ("[seconds target & args]",),
        'Calls a function that has so much time: (py/within 0.5 "time:sleep" 60) fails with the kind "timeout".',
    ),
    "fresh": Function(
        Op.CALL,
        Shape.TARGET,
        ("[target & args]",),
        "Calls a function whose answers the service keeps, and has it compute a new one, which is then kept.",
        flags=Flag.FRESH,
    ),
    "import": Function(Op.CONST, Shape.MODULE, ("[module]",), 'A module, as a handle: (py/import "numpy").'),
    "value": Function(
        Op.OPERATOR,
        Shape.OBJECT,
        ("[obj]",),
        "What a handle stands for, as data: the rows of a data frame, the text of a path. An error where it is none.",
        target="identity",
        want=Want.VALUE,
    ),
    "map": Function(
        Op.MAP,
        Shape.TARGET,
        ("[target items]",),
        "Calls a function with each item, a vector of arguments, in one worker: [values errors].",
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
        "The values of an iterable, one message each: of a handle, or of what a function returns.",
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


RELEASE, CANCEL, KEYED, TRACED = "release", "-cancel", "-keyed", "-traced"
SCATTER, PMAP, REDUCE, EVERYWHERE = RUNS = ("scatter", "pmap", "reduce", "everywhere")
BEGIN, EXCHANGE, END = RESULTS = ("-results", "-exchange", "-end")
CALLING, ANSWER, FAILED = "-calling", "-answer", "-failed"
OF_THE_DOOR = {
    RELEASE: ("Lets Python forget objects; their handles are lost.", ("[handle & handles]",)),
    CANCEL: ("Ends a call or a stream that was begun with this key; whether there was one.", ("[key]",)),
    KEYED: ("Calls a var of this pod so that -cancel can end it: the key is any text of yours.", ("[key var & args]",)),
    TRACED: (
        "Calls a var of this pod in a trace: the bridge's span of it is a child of this W3C traceparent.",
        ("[traceparent var & args]",),
    ),
    CALLING: (
        'Calls a function that may be given functions of the client, #py/callback "name". Its values are messages:\n'
        '["py/callback" number [name args]], to be answered with -answer or -failed, and at last ["py/result" value].',
        ("[target & args]",),
    ),
    ANSWER: ("Gives the value of a function that Python called.", ("[number value]",)),
    FAILED: ("Says that a function that Python called failed, and how.", ("[number class message]",)),
    SCATTER: (
        "Calls a function with each item on all workers; the results in the items' order. Progress goes to *err*.\n"
        'Options, a map or pairs at the end: "chunk" items that travel together, "timeout" in seconds for all of it,\n'
        '"star" true: each item is a vector of arguments, "errors" "raise" (the default), or "return": {"error" ...}\n'
        'stands in a result\'s place, "progress" false, "idempotent" true: what is lost with its worker is tried\n'
        "again, item by item, and a straggler at the end is run a second time.",
        ("[target items]", "[target items & options]"),
    ),
    BEGIN: (
        "Begins a scatter whose items come with -exchange: its number. See results.",
        ("[target]", "[target options]"),
    ),
    EXCHANGE: (
        "Brings items, and whether they are the last ones: [results wanted]. A result is [index value] or\n"
        "[index nil error]; wanted is how many items to bring next time, nil when that was all.",
        ("[number items last]",),
    ),
    END: ("Forgets what -results began; whether it was there.", ("[number]",)),
    PMAP: (
        "Calls a function with the first of each collection, the second of each, and so on, on all workers.",
        ("[target items & more]",),
    ),
    REDUCE: (
        "Reduces items in the workers, with an associative function of two.\n"
        'Options, a map or pairs at the end: "each" a function that is applied to every item first, "chunk" items\n'
        'that one call reduces (256), "timeout" in seconds for all of it, "progress" true, "idempotent" true.',
        ("[target items]", "[target items & options]"),
    ),
    EVERYWHERE: (
        "Makes the same call on each worker, once all are there (up to the timeout): their results.\n"
        'Options, a map or pairs at the end: "copies" so many calls instead, on the workers in turn, "timeout" in\n'
        'seconds for all of it, "errors" "raise" (the default) or "return".',
        ("[target]", "[target args]", "[target args & options]"),
    ),
}
"""What the door does itself: its documentation and arglists."""


def variables(*, arg_meta: bool = False) -> list[Value]:
    """The namespace's vars for the description, without the code that runs in the client.

    Args:
        arg_meta: The client shall send the metadata of arguments.
    """
    described = [var(name, function.doc, function.arglists) for name, function in FUNCTIONS.items()]
    described += [var(name, doc, arglists) for name, (doc, arglists) in OF_THE_DOOR.items()]
    if arg_meta:
        for one in described:
            one["arg-meta"] = "true"
    return list(described)


def request(function: Function, arguments: Arguments) -> tuple[int, int, bytes]:
    """The flags, the deadline in ms (0: none) and the payload of the CALL that does it.

    Raises:
        BadArguments: The arguments are not what the function takes.
    """
    op, target, token, value, deadline = function.op, function.target, b"", b"", 0
    shape = function.shape
    if shape is Shape.STREAM:
        if arguments.next_is_text():
            op, target = Op.CALL, arguments.text("the target (a handle, or a function's name)")
        else:
            token, value = _object(arguments, "the target (a handle, or a function's name)")
    elif shape is Shape.MODULE:
        target = arguments.text("the module's name") + ":"
    elif shape is Shape.TARGET or shape is Shape.TIMED:
        if shape is Shape.TIMED:
            deadline = _milliseconds(arguments.number("the time in seconds"))
        target = arguments.text('the target ("module:name")')
        if op is Op.CONST and arguments.next_is_text():
            kind, value = arguments.text_and_raw("the type to convert to")
            if ":" in kind or "." in kind:  # a type of a module is named where policies look
                target, value = combine("convert", target, kind), b""
    elif shape is Shape.NAME_OBJECT:
        target = snake(arguments.text("the name"))
        token = arguments.handle()
    else:
        token, value = _object(arguments, "the object")
        if shape is Shape.OBJECT_NAME:
            target = snake(arguments.text("the name"))
    try:
        call = encode_call(op, target, arguments.payload(value), object_token=token, want=function.want)
    except LocalProtocolError as error:  # the client's name is too long
        raise BadArguments(str(error)) from None
    return function.flags, deadline, call


def _object(arguments: Arguments, what: str) -> tuple[bytes, bytes]:
    """What an operation works on: a handle's token, or a value as it came."""
    token = arguments.handle()
    return token, b"" if token else arguments.raw(what)


def _milliseconds(seconds: float) -> int:
    if not 0 < seconds <= LONGEST:
        raise BadArguments(f"the time must be above 0 and at most {LONGEST} seconds, not {seconds}")
    return max(1, int(seconds * 1000))
