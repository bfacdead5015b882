"""The parameters of a callable as plain data, found without running anything of the user's.

`inspect.signature` asks an object for its `__signature__`, `__wrapped__`, `__text_signature__`: on a proxy, a mock or a
lazy module that runs user code, and the inspect module costs a starting pod more than all the rest of its description.
So what is plain Python is read from its code object here, attributes are looked up as `inspect.getattr_static` does
(nothing but C's own descriptors is called), and inspect is imported only for what C wrote.

A parameter is {name, kind, default, annotation}: kind is one of `KINDS`; default and annotation are texts, and absent
where there is none. Parameters that can't be known are None, which is not the same as none at all.
"""

from __future__ import annotations

import sys
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)

from bascule.workers.errors import clean_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, Optional

    Parameter = dict[str, str]
    Parameters = Optional[list[Parameter]]

KINDS: Final = ("positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword")
_POSITIONAL_ONLY, _PLAIN, _VAR_POSITIONAL, _KEYWORD_ONLY, _VAR_KEYWORD = KINDS

_MAX_TEXT: Final = 200  # characters of a default or an annotation
_MOST_SHOWN: Final = 8  # elements of a container that is a default
_MOST_WRAPPERS: Final = 32

_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 4, 8, 0x20, 0x80, 0x100, 0x200

_class_dict: Final = type.__dict__["__dict__"].__get__
_class_mro: Final = type.__dict__["__mro__"].__get__
_class_module: Final = type.__dict__["__module__"].__get__
_class_qualname: Final = type.__dict__["__qualname__"].__get__
_C_DESCRIPTORS: Final = (GetSetDescriptorType, MemberDescriptorType)
_C_CALLABLES: Final = (
    *(BuiltinFunctionType, MethodWrapperType, WrapperDescriptorType, MethodDescriptorType, ClassMethodDescriptorType),
)
_MISSING: Final = object()


def is_class(value: object) -> bool:
    """`isinstance(value, type)` without asking the value for its `__class__`."""
    return type in _class_mro(type(value))


def class_attribute(cls: type, name: str) -> object:
    """What stands under `name` in the class or its bases, not bound; None where nothing does."""
    for base in _class_mro(cls):
        attributes = _class_dict(base)
        if name in attributes:
            return attributes[name]
    return None


def own_dict(value: Any) -> Mapping[str, Any]:
    """The instance's `__dict__` (a class's own), empty where it has none."""
    if is_class(value):
        attributes: Mapping[str, Any] = _class_dict(value)
        return attributes
    for base in _class_mro(type(value)):
        descriptor = _class_dict(base).get("__dict__")
        if isinstance(descriptor, _C_DESCRIPTORS):
            try:
                attributes = descriptor.__get__(value)
            except (TypeError, AttributeError):
                break
            return attributes if type(attributes) is dict else {}
    return {}


def static_attribute(value: Any, name: str) -> object:
    """The attribute as it is stored, or as C computes it; None where it is missing or only user code could tell."""
    if type(value) is MethodType:
        value = value.__func__
    attributes = own_dict(value)
    if name in attributes:
        return attributes[name]
    found = class_attribute(type(value), name)
    if isinstance(found, _C_DESCRIPTORS):
        try:
            return found.__get__(value, type(value))
        except Exception:
            return None
    return found


def module_of(value: object) -> str | None:
    """The name of the module that a class or function was defined in."""
    try:
        module = _class_module(value) if is_class(value) else static_attribute(value, "__module__")
    except AttributeError:  # a class whose __module__ was deleted
        return None
    return module if type(module) is str else None


def qualified_name(cls: type) -> str:
    """`module.Class`, the module left out for builtins."""
    module = module_of(cls)
    name = clean_text(_class_qualname(cls), _MAX_TEXT)
    return name if module in (None, "builtins") else f"{clean_text(module, _MAX_TEXT)}.{name}"


def code_flags(value: object) -> tuple[bool, bool]:
    """Whether calling it gives a coroutine, and whether it gives a generator (of either sort)."""
    function = value.__func__ if type(value) is MethodType else value
    if type(function) is not FunctionType:
        return False, False
    flags = function.__code__.co_flags
    return bool(flags & (_COROUTINE | _ITERABLE_COROUTINE)), bool(flags & (_GENERATOR | _ASYNC_GENERATOR))


def parameters_of(value: object) -> Parameters:
    """The parameters of a function, a class's constructor or any other callable."""
    return _of_class(value) if is_class(value) else _of_callable(value)


def returns_of(value: object) -> str | None:
    """The return annotation as text."""
    function = value.__func__ if type(value) is MethodType else value
    if type(function) is not FunctionType:
        return None
    annotation = _annotations(_unwrap(function)).get("return", _MISSING)
    return None if annotation is _MISSING else annotation_text(annotation)


def _of_callable(value: Any) -> Parameters:
    kind = type(value)
    if kind is FunctionType:
        return _of_function(value)
    if kind is MethodType:
        return _without_first(_of_callable(value.__func__))
    wrapped = own_dict(value).get("__wrapped__")  # functools.lru_cache and its kind
    if type(wrapped) is FunctionType:
        return _of_function(wrapped)
    if kind in _C_CALLABLES:
        return _of_c_callable(value) if value.__text_signature__ else None
    if module_of(kind) == "functools" and kind.__name__ == "partial":
        return _of_c_callable(value)
    call = class_attribute(kind, "__call__")
    return _without_first(_of_function(call)) if type(call) is FunctionType else None


def _of_class(cls: Any) -> Parameters:
    signature = class_attribute(cls, "__signature__")
    if signature is not None:
        return _of_signature(signature)
    call = class_attribute(type(cls), "__call__")
    if type(call) is FunctionType:
        return _without_first(_of_function(call))
    for base in _class_mro(cls):  # the nearest one that is plain Python, as inspect has it
        attributes = _class_dict(base)
        for name in ("__new__", "__init__"):
            function = attributes.get(name)
            if type(function) is staticmethod:
                function = function.__func__
            if type(function) is FunctionType:
                return _without_first(_of_function(function))
    init, new = class_attribute(cls, "__init__"), class_attribute(cls, "__new__")
    if init is object.__init__ and new is object.__new__:
        return []
    return _of_c_callable(cls) if type(cls) is type else None


def _of_function(function: Any) -> Parameters:
    """From the code object: what inspect does for a plain function, without inspect."""
    function = _unwrap(function)
    signature = function.__dict__.get("__signature__")
    if signature is not None:
        return _of_signature(signature)
    code = function.__code__
    names = code.co_varnames
    flags = code.co_flags
    positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    keyword_defaults = function.__kwdefaults__ or {}
    annotations = _annotations(function)
    first_default = positional - len(defaults)
    parameters: list[Parameter] = []
    for index, name in enumerate(names[:positional]):
        kind = _POSITIONAL_ONLY if index < code.co_posonlyargcount else _PLAIN
        default = defaults[index - first_default] if index >= first_default else _MISSING
        parameters.append(_parameter(name, kind, default, annotations))
    after = positional + keyword_only
    if flags & _VARARGS:
        parameters.append(_parameter(names[after], _VAR_POSITIONAL, _MISSING, annotations))
        after += 1
    parameters += [
        _parameter(name, _KEYWORD_ONLY, keyword_defaults.get(name, _MISSING), annotations)
        for name in names[positional : positional + keyword_only]
    ]
    if flags & _VARKEYWORDS:
        parameters.append(_parameter(names[after], _VAR_KEYWORD, _MISSING, annotations))
    return parameters


def _unwrap(function: Any) -> Any:
    """What a decorator that uses functools.wraps wrapped, as long as that is plain Python too."""
    for _ in range(_MOST_WRAPPERS):
        attributes = function.__dict__
        wrapped = attributes.get("__wrapped__")
        if "__signature__" in attributes or type(wrapped) is not FunctionType:
            break
        function = wrapped
    return function


def _annotations(function: Any) -> Mapping[str, Any]:
    try:
        annotations = function.__annotations__
    except Exception:  # evaluated when asked for, where the interpreter does so
        return {}
    return annotations if type(annotations) is dict else {}


def _of_c_callable(value: Any) -> Parameters:
    import inspect

    try:
        return _of_signature(inspect.signature(value))
    except Exception:  # no text signature, or one that does not parse
        return None


def _of_signature(signature: Any) -> Parameters:
    inspect = sys.modules.get("inspect")
    if inspect is None or type(signature) is not inspect.Signature:
        return None
    return [
        _parameter(
            one.name,
            KINDS[int(one.kind)],
            _MISSING if one.default is one.empty else one.default,
            {} if one.annotation is one.empty else {one.name: one.annotation},
        )
        for one in signature.parameters.values()
    ]


def _parameter(name: str, kind: str, default: object, annotations: Mapping[str, Any]) -> Parameter:
    parameter = {"name": name, "kind": kind}
    if default is not _MISSING:
        parameter["default"] = value_text(default)
    if name in annotations:
        parameter["annotation"] = annotation_text(annotations[name])
    return parameter


def _without_first(parameters: Parameters) -> Parameters:
    """Without `self` or `cls`; a function that takes them by `*args` has nothing to leave out."""
    if parameters and parameters[0]["kind"] in (_POSITIONAL_ONLY, _PLAIN):
        return parameters[1:]
    return parameters


def value_text(value: Any, depth: int = 0) -> str:
    """A default as text: as Python writes it where it is plain data, else its type; no user's `__repr__` is called."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex):
        try:
            return repr(value)
        except ValueError:  # an integer of more digits than Python prints
            return "..."
    if kind is str or kind is bytes:
        return clean_text(repr(value[:_MAX_TEXT]), _MAX_TEXT)
    if kind in (tuple, list, set, frozenset, dict):
        return _container_text(value, kind, depth)
    if is_class(value):
        return qualified_name(value)
    if kind in (FunctionType, BuiltinFunctionType):
        return clean_text(value.__qualname__, _MAX_TEXT)
    if value is Ellipsis:
        return "..."
    member = own_dict(value).get("_name_")
    if type(member) is str and type(class_attribute(kind, "_member_map_")) is dict:  # of an enum
        return f"{qualified_name(kind)}.{member}"
    return f"<{qualified_name(kind)}>"


def _container_text(value: Any, kind: type, depth: int) -> str:
    plain = {"tuple": ("(", ")"), "list": ("[", "]"), "dict": ("{", "}")}
    left, right = plain.get(kind.__name__) or (f"{kind.__name__}([", "])")
    if len(value) > _MOST_SHOWN or (value and depth > 1):
        return f"{left}...{right}"
    if kind is dict:
        inner = [f"{value_text(key, depth + 1)}: {value_text(value[key], depth + 1)}" for key in value]
    else:
        inner = [value_text(one, depth + 1) for one in value]
    comma = "," if kind is tuple and len(inner) == 1 else ""
    return f"{left}{', '.join(inner)}{comma}{right}"


def annotation_text(annotation: Any) -> str:
    """An annotation as it would be written: text as it is, classes by name, typing's own forms by their repr."""
    kind = type(annotation)
    if kind is str:
        return clean_text(annotation, _MAX_TEXT)
    if annotation is None:
        return "None"
    if is_class(annotation) and kind is not GenericAlias:
        return qualified_name(annotation)
    if module_of(kind) in ("typing", "types", "typing_extensions"):
        try:
            return clean_text(repr(annotation), _MAX_TEXT)
        except Exception:
            return "..."
    return value_text(annotation)
