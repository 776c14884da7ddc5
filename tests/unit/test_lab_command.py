"""`python -m lab`: what is wrong with a command line is told in lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.__main__ import COMMANDS, main

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["nothing"], 2), (["--help"], 0)])
def test_without_a_command_all_are_named(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in said] == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["node", "--directory", str(tmp_path / "file" / "below"), "--name", "blue"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("lab node: ")
    assert str(tmp_path / "file") in said
    assert said.count("\n") == 1
