"""The pytest plugin: records what each test does while it is called, not its collection and not its fixtures.

    pytest --bascule-record trace.jsonl --bascule-record-to numpy --bascule-record-from xarray --pyargs xarray

pytest finds it by its entry point wherever Bascule is installed, so without these options it does nothing and imports
nothing. `bascule record pytest` names it with `-p` in Pythons that know nothing of Bascule, and has begun the recording
itself; so have, through `sitecustomize`, the processes that pytest-xdist starts: there it is taken over.

It is loaded before pytest could rewrite its assertions, of which it has none: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import sys

from .errors import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from .session import Recording

NAME = __name__
"""The entry point's name too, so that pytest, when `-p` names it, does not load it twice."""

_FILE = "--bascule-record"
_MORE = ("to", "from", "exhaustive")


def plugin(recording: Recording) -> object:
    """A plugin that suspends a recording except during tests.

    Args:
        recording: One that was started and is paused.
    """
    import pytest

    class Plugin:
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_call(self) -> Generator[None, None, None]:
            recording.paused = False
            yield
            recording.paused = True

        def pytest_sessionstart(self) -> None:
            recording.see_pytest()

    return Plugin()


def pytest_addoption(parser: Any) -> None:
    """The options, which `pytest --help` tells of."""
    group = parser.getgroup("bascule record", "which API do the tests really use?")
    group.addoption(_FILE, metavar="FILE", help="record what tests do and write the trace, JSON lines")
    for name, what in (("to", "the target: use of what"), ("from", "whose use, besides the tests'")):
        group.addoption(
            f"{_FILE}-{name}", action="append", default=[], metavar="MODULE", help=f"{what} is recorded; repeat"
        )
    group.addoption(f"{_FILE}-exhaustive", action="store_true", help="see all uses of each place; far slower")


def pytest_configure(config: Any) -> None:
    """Begin, or take over what was begun; nothing unless asked to."""
    option = config.option
    if option.bascule_record is None and any(getattr(option, f"bascule_record_{name}") for name in _MORE):
        raise _usage(f"say where the trace goes: {_FILE} FILE")
    begun = getattr(sys, MARK, None)
    if begun is not None and begun.wanted.tests:
        _take_over(config, begun)
        return
    if option.bascule_record is None:
        return
    from .session import Recording, Wanted, invite

    to, users = _names(option.bascule_record_to), _names(option.bascule_record_from)
    wanted = _or_usage(
        lambda: Wanted(option.bascule_record, to, users, exhaustive=option.bascule_record_exhaustive, tests=True)
    )
    worker = hasattr(config, "workerinput")  # of pytest-xdist, whose first process writes the trace itself
    if not worker:
        _or_usage(lambda: _emptied(wanted.output))
    recording = _or_usage(Recording(wanted, child=worker).start)
    config.add_cleanup(invite(wanted))
    config.pluginmanager.register(_Owner(recording), "bascule record's end")
    _take_over(config, recording)


class _Owner:
    """Ends the recording that it began, and says what came of it."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        self.recording.stop()
        terminalreporter.write_sep("-", "bascule record")
        terminalreporter.write_line(self.recording.summary())

    def pytest_unconfigure(self) -> None:
        self.recording.stop()


def _take_over(config: Any, recording: Recording) -> None:
    recording.paused = True
    config.pluginmanager.register(plugin(recording), "bascule record's tests")


def _names(given: list[str]) -> list[str]:
    return [name for each in given for name in each.split(",") if name]


def _emptied(output: str) -> None:
    from .output import remove_children

    with open(output, "wb"):
        remove_children(output)


def _or_usage(do: Callable[[], Any]) -> Any:
    from .errors import RecordError

    try:
        return do()
    except RecordError as error:
        raise _usage(str(error)) from None
    except OSError as error:
        raise _usage(f"{error.filename}: the trace can't be written: {error.strerror}") from None


def _usage(message: str) -> Exception:
    import pytest

    return pytest.UsageError(f"bascule record: {message}")
