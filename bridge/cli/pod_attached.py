"""The service's side of `bascule pod --attach`: what a relay was told becomes a pod's door."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from bascule.bridge.cli.pod_settings import OF_THE_SERVICE, OPTIONS, pod_options, setting
from bascule.bridge.cli.table import Values, plainly
from bascule.bridge.doors.pod import PodDoor

_log = logging.getLogger("bascule.pod")


class PodOpener:
    """Makes doors for pods, with the service's own settings where a relay names no modules.

    Args:
        settings: The section [pod] of the service's configuration.
        workers: How many there are.
    """

    def __init__(self, settings: dict[str, Any], workers: int) -> None:
        self._settings = {name: setting("the service's configuration", name, value) for name, value in settings.items()}
        self._workers = workers

    def __call__(self, arguments: list[str]) -> PodDoor:
        """The door for a relay that was told `arguments`.

        Raises:
            ValueError: They can't be; the message says what.
        """
        told = plainly(arguments, OPTIONS, "modules") or _understood(arguments)
        for option in OPTIONS:
            if option.name in OF_THE_SERVICE and getattr(told, option.name) != option.default:
                raise ValueError(f"{option.flag} is the service's to say, not for a pod that attaches to it")
        values = vars(told)
        if not values["modules"]:
            values.update({name: value for name, value in self._settings.items() if name not in OF_THE_SERVICE})
        if any(module.partition("=")[0].endswith(".py") for module in values["modules"]):
            raise ValueError("a file can't be attached: name a module that the service's workers can import")
        values["workers"] = self._workers
        return PodDoor(pod_options(told, read_file=False), _say, remote=True)


def _understood(arguments: list[str]) -> Values:
    """What is not written plainly, as argparse reads it.

    Raises:
        ValueError: It can't be understood.
    """
    import argparse

    class Refusing(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise ValueError(f"{message}; `bascule pod --help` tells more")

    parser = Refusing(add_help=False)
    parser.add_argument("modules", nargs="*")
    for option in OPTIONS:
        option.add_to(parser)
    return Values(vars(parser.parse_intermixed_args(arguments)))


def _say(text: str) -> None:
    for line in text.splitlines():
        _log.warning("%s", line)
