"""What a client raises: one class for each kind, everything that is known, and never an exception of the making."""

from __future__ import annotations

import builtins
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge import errors
from bascule.bridge.errors import BasculeError, CallError, PythonError, from_map, to_map
from bascule.protocols.errors import ErrorKind

FULL = {
    "kind": "python",
    "class": "KeyError",
    "module": "builtins",
    "message": "'a'",
    "traceback": "Traceback (most recent call last):\n  File ...\nKeyError: 'a'\n",
    "frames": [{"file": "m.py", "line": 3, "function": "f", "text": "d['a']"}],
    "notes": ["in the morning"],
    "cause": {"kind": "python", "class": "OSError", "module": "builtins", "message": "disk"},
    "worker": "default/1.4",
    "call": 17,
    "elapsed_ms": 2.5,
    "details": {"more": 1},
}


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_each_kind_has_a_class_of_its_own(kind: ErrorKind) -> None:
    error = from_map({"kind": kind.value, "message": "why"})
    assert error.kind is kind
    assert type(error) is not CallError
    assert isinstance(error, BasculeError)
    assert str(error) == "why"


def test_an_error_says_all_that_is_known() -> None:
    error = from_map(FULL)
    assert isinstance(error, PythonError)
    assert (error.class_name, error.module, error.message) == ("KeyError", "builtins", "'a'")
    assert (error.worker, error.call_id, error.elapsed) == ("default/1.4", 17, 0.0025)
    assert (error.frames[0]["line"], error.notes, error.details) == (3, ["in the morning"], {"more": 1})
    assert error.cause is not None
    assert error.cause.class_name == "OSError"
    assert str(error) == "KeyError: 'a'"
    shown = "".join(traceback.format_exception(error))
    assert "In worker default/1.4:\nTraceback (most recent call last):\n  File ...\nKeyError: 'a'" in shown


def test_an_exception_of_a_module_is_named_with_it() -> None:
    error = from_map({"kind": "python", "class": "JSONDecodeError", "module": "json.decoder", "message": "bad"})
    assert str(error) == "json.decoder.JSONDecodeError: bad"
    assert str(from_map({"kind": "python", "class": "Empty", "module": "queue"})) == "queue.Empty"


@pytest.mark.parametrize(
    "builtin",
    sorted(
        {c for c in vars(builtins).values() if isinstance(c, type) and issubclass(c, BaseException)} - {BaseException},
        key=str,
    ),
    ids=lambda c: c.__name__,
)
def test_a_builtin_exception_is_caught_as_such(builtin: type[BaseException]) -> None:
    error = from_map({"kind": "python", "class": builtin.__name__, "module": "builtins", "message": "why"})
    assert isinstance(error, PythonError)
    ordinary = issubclass(builtin, Exception) and not issubclass(builtin, builtins.BaseExceptionGroup)
    assert isinstance(error, builtin) is ordinary
    assert (error.message, str(error)) == ("why", f"{builtin.__name__}: why")
    assert repr(error)


def test_a_missing_attribute_is_both_what_it_is_and_an_attribute_error() -> None:
    error = from_map({"kind": "not_found", "class": "AttributeError", "module": "builtins", "message": "no x"})
    assert isinstance(error, errors.NotFound)
    assert isinstance(error, AttributeError)


def test_a_timeout_and_a_lost_connection_are_what_python_calls_so() -> None:
    assert isinstance(from_map({"kind": "timeout"}), TimeoutError)
    assert isinstance(from_map({"kind": "disconnected"}), ConnectionError)
    assert issubclass(errors.NoService, ConnectionError)


def test_an_error_can_be_pickled() -> None:
    error = from_map(FULL)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert to_map(again) == to_map(error)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*FULL, "other"]), anything) | anything)
def test_whatever_comes_as_an_error_becomes_one(error: Any) -> None:
    made = from_map(error)
    assert isinstance(made, CallError)
    assert isinstance(str(made), str)


def test_a_chain_of_causes_without_end_is_cut() -> None:
    error: dict[str, Any] = dict(FULL)
    for _ in range(5000):
        error = {**FULL, "cause": error}
    depth, made = 0, from_map(error)
    while made.cause is not None:
        depth, made = depth + 1, made.cause
    assert 10 < depth < 1000
