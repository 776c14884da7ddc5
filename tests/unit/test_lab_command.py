"""`python -m lab`: what is wrong with a command line is told in lines."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import typer
from typer.core import TyperOption

from lab.__main__ import COMMANDS, main
from lab.node.cli import played

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


@pytest.mark.parametrize("version", ["abc", "4.1.5", "5.7.2", "6.0.0"])
def test_a_version_that_the_node_does_not_play_is_refused_before_anything_is_made(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["node", "--directory", str(tmp_path / "new"), "--version", version])
    assert ended.value.code == 2
    assert version in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["5.8.0", "5.8.11", "5.10.4"])
def test_a_version_from_the_recorded_one_on_is_played(version: str) -> None:
    assert played(version) == version


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.1:99999", "[::1]:0", "::1:1883", "[::1]"])
def test_an_address_that_cannot_be_is_refused_before_a_device_dials(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--address", address, "--clients", "1", "--anonymous", "--log", str(tmp_path / "log")]
    with pytest.raises(SystemExit) as ended:
        main(["fleet", *words])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("fleet: address ")
    assert address in said
    assert "a port of 1 to 65535" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_switch_is_shown_without_a_value_and_what_takes_one_with_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(COMMANDS[command][0])
    options = [one for one in typer.main.get_command(module.app).params if isinstance(one, TyperOption)]
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if "  --" in line}
    assert {one.opts[0] for one in options} <= set(shown)
    for one in options:
        valued = bool(shown[one.opts[0]]) and shown[one.opts[0]][0].startswith(("<", "["))
        assert valued is not one.is_flag, shown[one.opts[0]]
    assert not shown["--help"][0].startswith("<")
