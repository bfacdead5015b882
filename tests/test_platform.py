"""Elsewhere than on Linux the commands say what is missing, rather than fail somewhere in the middle."""

from __future__ import annotations

import sys

import pytest

from bascule.bridge.cli.main import main


@pytest.mark.parametrize("command", [["call", "math:pow", "2", "16"], ["pod", "math"], ["port"]])
def test_a_command_is_refused_on_another_system(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(command) == 2
    assert "bascule needs Linux" in capsys.readouterr().err


def test_the_shipped_files_are_found_everywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["path", "erlang"]) == 0
    assert capsys.readouterr().out.strip().endswith("erlang")
