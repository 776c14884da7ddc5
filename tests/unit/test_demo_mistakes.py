"""`make demo` with parameters that cannot be: told before anything is started; what stops a stage is told in lines."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from lab.bench import app as bench
from lab.demo import app, follow, missed
from lab.engine_run import EngineRun, Finished
from lab.stage import Scene, told_in_lines

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("steps", ["", "a,b", "50,10", "10,50", "0,100", "100,100", "nan,100", "10,,100", "50,110"])
def test_steps_that_do_not_rise_to_100_are_refused(steps: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["--steps", steps, "--report", str(tmp_path)])
    assert answer.exit_code == 2
    assert f"--steps: {steps!r}; allowed: rising percentages" in answer.output


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nothing"])
def test_a_report_that_would_have_no_place_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    answer = CliRunner().invoke(app, ["--report", str(tmp_path / place)], env={"COLUMNS": "400"})
    assert answer.exit_code == 2
    assert "allowed: a directory that can be written" in answer.output
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("name", "value"), [("--clients", "0"), ("--rate", "0"), ("--edition", "xx")])
def test_an_impossible_value_is_refused(name: str, value: str) -> None:
    answer = CliRunner().invoke(app, [name, value])
    assert answer.exit_code == 2
    assert name in answer.output


@pytest.mark.parametrize("command", [app, bench])
def test_a_kind_of_client_that_there_is_not_is_refused_with_those_that_there_are(command: Typer) -> None:
    answer = CliRunner().invoke(command, ["--kinds", "paho-phyton"], env={"COLUMNS": "4000"})
    assert answer.exit_code == 2
    assert "'paho-phyton' is no kind of client: give mixture, or of these" in answer.output
    assert "paho-python" in answer.output


def test_what_stops_a_stage_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Finished(1, "Diagnostics:\n  error: no green\nResources:\n  1 errored\n")
    with pytest.raises(SystemExit) as ended, told_in_lines("demo"):
        failed.good()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "demo: status 1:\n  error: no green\n"


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError), told_in_lines("demo"):
        raise RuntimeError


def test_a_command_that_hangs_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), told_in_lines("bench"):
        raise subprocess.TimeoutExpired(["pulumi", "stack"], 120)
    assert "bench: Command '['pulumi', 'stack']' timed out after 120 seconds" in capsys.readouterr().err


def test_a_sigterm_is_a_ctrl_c_so_that_everything_is_ended() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), told_in_lines("bench"):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_update_that_does_not_end_is_killed_and_what_it_said_was_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = EngineRun.start(["sh", "-c", "echo here; exec sleep 600"], tmp_path, os.environ, tmp_path / "log")
    run.wait_for("here", 30)
    with pytest.raises(TimeoutError, match="still runs after 0 s"):
        follow(run, 0)
    assert not run.running
    assert capsys.readouterr().out == "here\n"


def test_who_was_told_to_go_and_stays_away_is_missed_only_where_nobody_need_be_told() -> None:
    gone = {"disconnects": {"max": 1}, "refused_connections": 0, "away": 8, "stayed_away": 8}
    tells = Scene(balancer={"target": "network_load_balancer"})
    assert missed(gone, Scene()) == missed(gone, Scene(balancer={"target": "aws"})) == 1
    assert missed(gone, tells) == 0
    assert missed({**gone, "away": 9}, tells) == 1, "one has not come back that would"
    assert missed({**gone, "disconnects": {"max": 2}}, tells) == 1
    assert missed({**gone, "refused_connections": 1}, tells) == 1
