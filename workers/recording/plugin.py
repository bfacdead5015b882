"""The pytest plugin: records what each test does while it is called, not its collection and not its fixtures."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from .session import Recording


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
