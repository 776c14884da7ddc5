"""The house's own pytest hooks: every test has exactly one tier, the quick tiers run in order, and the slow ones together behind them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.system import living

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


WAIT_SECONDS = 100.0
WORKERS = ("-n", "2", "--dist", "loadfile")
LONG = """
import os, pathlib, time
pytestmark = pytest.mark.unit
PLACE = pathlib.Path(__file__).parents[1]
@pytest.fixture(scope='module')
def made():
    yield
    (PLACE / f'{os.getpid()}.ended').touch()
def test_first(made):
    (PLACE / f'{os.getpid()}.worker').touch()
    time.sleep(600)
def test_second(made): (PLACE / f'{os.getpid()}.went-on').touch()
"""


def prepared(directory: Path, *options: str, **files: str) -> list[str]:
    """The command of a pytest run of these files under the house's configuration."""
    (directory / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", directory / "tests")
    shutil.copy(ROOT / "pyproject.toml", directory)
    for name, body in files.items():
        (directory / "tests" / f"{name}.py").write_text(f"import pytest\n{body}\n")
    return [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]


def collected(directory: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Such a run, to its end."""
    command = prepared(directory, *options, **files)
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("marks", ["", "@pytest.mark.unit\n@pytest.mark.lab\n"])
def test_a_test_without_exactly_one_tier_stops_the_run(tmp_path: Path, marks: str) -> None:
    run = collected(tmp_path, test_a=f"{marks}def test_it(): pass")
    assert run.returncode
    assert (
        "exactly one of the markers unit, program, provider, policy, lab, kubernetes, aws is needed: tests/test_a.py::test_it"
        in (run.stdout + run.stderr)
    )


@pytest.mark.parametrize("workers", [[], ["-n", "1", "--dist", "loadfile", "--no-loadscope-reorder"]])
def test_tiers_run_in_order_with_a_heading_and_one_summary(tmp_path: Path, workers: list[str]) -> None:
    body = "pytestmark = pytest.mark.{}\n@pytest.mark.parametrize('by', ['provider'])\ndef test_it(by): pass"
    run = collected(
        tmp_path, *workers, test_a=body.format("lab"), test_b=body.format("unit"), test_c=body.format("policy")
    )
    lines = [line.strip("- ") for line in run.stdout.splitlines() if line.startswith("---") and "tier" in line]
    assert lines == ["tier unit", "tier policy", "tier lab"]
    assert run.stdout.splitlines()[-1].strip("= ").startswith("3 passed in ")


def test_the_files_of_slow_tiers_that_may_take_longest_begin_and_stay_in_one_piece(tmp_path: Path) -> None:
    body = "@pytest.mark.{0}{1}\ndef test_first(): pass\n@pytest.mark.{0}\ndef test_second(): pass"
    files = {
        "test_a": body.format("lab", ""),
        "test_b": body.format("lab", "\n@pytest.mark.timeout(200)"),
        "test_c": body.format("aws", "\n@pytest.mark.timeout(300)"),
        "test_d": body.format("kubernetes", "\n@pytest.mark.timeout(200)"),
        "test_e": "@pytest.mark.unit\ndef test_it(): pass",
        "test_f": "@pytest.mark.policy\n@pytest.mark.timeout(600)\ndef test_it(): pass",
    }
    run = collected(tmp_path, **files)
    began = [line.split("::")[0][-4:-3] for line in run.stdout.splitlines() if "PASSED" in line]
    assert "".join(began) == "efccbbddaa"


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, f"not within {WAIT_SECONDS:.0f} s: {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_run_and_begin_no_other_test(tmp_path: Path, number: signal.Signals) -> None:
    command = prepared(tmp_path, *WORKERS, test_a=LONG, test_b=LONG)
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log) as run:
        until(lambda: run.poll() is not None or len([*tmp_path.glob("*.worker")]) == 2, "both workers are in a test")
        workers = [int(found.stem) for found in tmp_path.glob("*.worker")]
        assert len(workers) == 2, (tmp_path / "log").read_text()
        os.kill(run.pid, number)
    until(lambda: all(living.ended(worker) for worker in workers), "the workers end")
    assert [*tmp_path.glob("*.went-on")] == []


def test_a_run_without_workers_takes_down_what_it_made_at_sigterm(tmp_path: Path) -> None:
    command = prepared(tmp_path, test_a=LONG)
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log) as run:
        until(lambda: run.poll() is not None or bool([*tmp_path.glob("*.worker")]), "the run is in a test")
        run.send_signal(signal.SIGTERM)
        assert run.wait(WAIT_SECONDS) == pytest.ExitCode.INTERRUPTED
    assert [found.stem for found in tmp_path.glob("*.ended")] == [str(run.pid)]
    assert [*tmp_path.glob("*.went-on")] == []


def test_a_run_in_the_background_and_what_it_starts_hear_ctrl_c(tmp_path: Path) -> None:
    body = "import signal\n@pytest.mark.unit\ndef test_it(): assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN"
    command = prepared(tmp_path, test_a=body)
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    done = subprocess.run(background, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout
