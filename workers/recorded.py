"""Tells the bridge which functions clients call, with arguments and results of which types: `bascule serve --record`.

It stands around the function of a plan, so a worker whose bridge records nothing has no part of it. What is told are
types, in the trace's format (see `workers/recording/values.py`), each thing once; the bridge knows the door and writes.
"""

from __future__ import annotations

import os
from types import CoroutineType

from bascule.protocols.calls import Op, names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bascule.workers.calls import Function

    Find = Callable[[str, tuple[str, ...]], Function]

VARIABLE = "BASCULE_RECORD_CALLS"
_MOST_TOLD = 1 << 14  # different calls remembered; then some are told again, which counting does not mind
_MOST_ITEMS = 10  # of one MAP


def recorder(tell: Callable[[int, str], None]) -> CallRecorder | None:
    """What records this worker's calls; None when nobody wants that."""
    return CallRecorder(tell) if os.environ.get(VARIABLE) == "1" else None


def finding(path: str, place: str, find: Find) -> Find:
    """For a worker without a bridge: a `find` that does the same, and what it finds tells of its calls in a file.

    Args:
        place: The door and the kind of client, which a bridge would know.

    Raises:
        OSError: The file can't be written.
    """
    from bascule.workers.recording.lines import as_json
    from bascule.workers.recording.output import Output

    with open(path, "wb"):  # it is begun anew
        output = Output(path)
    begin = f'{{"location":{as_json(place)},'

    def tell(_: int, line: str) -> None:
        output.write(f"{begin}{line[1:]}\n".encode("utf-8", "surrogatepass"))

    recorder = CallRecorder(tell)

    def recorded(module: str, names: tuple[str, ...]) -> Function:
        return recorder.around(int(Op.CALL), f"{module}:{'.'.join(names)}", find(module, names), lambda: 0)

    return recorded


class CallRecorder:
    """Records the calls of one thread.

    Args:
        tell: Takes the session and what is to be written of its call.
    """

    def __init__(self, tell: Callable[[int, str], None]) -> None:
        from bascule.workers.recording.matching import Matcher
        from bascule.workers.recording.values import Encoder

        self._tell = tell
        self._encoder = Encoder(Matcher((), ()))
        self._told: set[object] = set()

    def around(self, op: int, target: str, function: Function, session: Callable[[], int]) -> Function:
        """A function that does the same and tells of it."""
        if op == Op.KEPT:
            op, target = Op.CALL, target.rpartition("\n")[0]
        use = _USES.get(op)
        if use is None:
            return function
        if target.endswith(")"):
            return self._around_combined(target, function, session)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            number = session()
            uses = self._uses(use, target, args, kwargs)
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                kind = type(error)
                for one in uses:
                    self._once(number, one, "raises", {"t": self._encoder.type_name(kind)})
                raise
            for one in uses:
                if op == Op.MAP:
                    self._once(number, one, None, None)
                else:
                    self._once(number, one, "returns", self._result(result))
            if type(result) is CoroutineType and op in (Op.CALL, Op.METHOD):
                return self._awaited(number, uses, result)
            return result

        return recorded

    def _result(self, value: object) -> object:
        return {"t": "str"} if type(value) is str else self._encoder.encode(value)

    async def _awaited(self, number: int, uses: list[dict[str, Any]], coroutine: Any) -> Any:
        """Stands for a coroutine, and tells what awaiting it gave."""
        value = await coroutine
        for one in uses:
            self._once(number, {**one, "returns": {"t": "coroutine"}}, "awaited", self._result(value))
        return value

    def _around_combined(self, target: str, function: Function, session: Callable[[], int]) -> Function:
        """A combined target: what it names was looked up; what that is called with stays in the worker."""

        def recorded(*args: Any, **kwargs: Any) -> Any:
            number = session()
            for name in names_in(target)[1]:
                for one in self._uses(_const, name, (), {}):
                    self._once(number, one, None, None)
            return function(*args, **kwargs)

        return recorded

    def _uses(self, use: Any, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[str, Any]]:
        """What is told of a call, made before it: it may change its arguments."""
        from bascule.workers.recording.lines import given

        told = []
        try:
            asked = _asked(target) if use in (_call, _map, _const, _use) else {}
            for function, its_args, its_kwargs, name in use(target, args, kwargs):
                said = self._encoder.encode(function)
                if name is not None:
                    said, function = {"t": "method", "v": {"self": said, "name": name}}, None
                told.append({"function": said, **given(self._encoder, function, its_args, its_kwargs), **asked})
        except Exception:  # whatever it was, the call goes on: it is the client's, not ours
            return told
        return told

    def _once(self, session: int, use: dict[str, Any], key: str | None, value: object) -> None:
        from bascule.workers.recording.lines import as_json

        line = as_json(use if key is None else {**use, key: value})
        known = (session, hash(line))
        if known in self._told:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(known)
        self._tell(session, line)


def _asked(target: str) -> dict[str, str]:
    """What the client named, which the function itself may call otherwise: `os.path:join`, where it is posixpath's."""
    from bascule.workers.names import resolve

    named = resolve(target)
    return {"target": f"{named.module_name}:{'.'.join(named.path)}"}


# What each operation is told as: functions with their arguments, or, with a name, a method of an object.


def _call(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    from bascule.workers.names import resolve

    return [(resolve(target).value, args, kwargs, None)]


def _map(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    from bascule.workers.names import resolve

    function = resolve(target).value
    items = args[0][:_MOST_ITEMS] if args[0] is not None else list(zip(*args[1:]))[:_MOST_ITEMS]
    return [(function, tuple(item) if type(item) in (list, tuple) else (item,), {}, None) for item in items]


def _method(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [(args[0], args[1:], kwargs, target)]


def _get(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [(getattr, (args[0], target), {}, None)]


def _set(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [(setattr, (args[0], target, args[1]), {}, None)]


def _delete(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [(delattr, (args[0], target), {}, None)]


def _const(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    from bascule.workers.names import resolve

    named = resolve(target)
    return [(getattr, (named.module, named.path[0]), {}, None)] if len(named.path) == 1 else []


def _use(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    from bascule.workers.names import resolve

    return (_call if callable(resolve(target).value) else _const)(target, args, kwargs)


def _operator(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    import operator

    bare = target.strip("-_")
    function = getattr(operator, bare, None) or getattr(operator, bare + "_", None)
    return [(function, args, kwargs, None)] if function is not None else []


def _builtin(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    import builtins

    function = getattr(builtins, target, None)
    return [(function, args, kwargs, None)] if function is not None else []


def _iterate(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [(iter, args, {}, None)]


_USES = {
    int(Op.CALL): _call,
    int(Op.INIT): _call,
    int(Op.MAP): _map,
    int(Op.USE): _use,
    int(Op.METHOD): _method,
    int(Op.GETATTR): _get,
    int(Op.SETATTR): _set,
    int(Op.DELATTR): _delete,
    int(Op.CONST): _const,
    int(Op.OPERATOR): _operator,
    int(Op.BUILTIN): _builtin,
    int(Op.ITERATE): _iterate,
}
