"""The house's own pytest hooks: every test has exactly one tier, and the tiers run in order in one process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


def collected(directory: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """A pytest run of these files under the house's configuration."""
    (directory / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", directory / "tests")
    shutil.copy(ROOT / "pyproject.toml", directory)
    for name, body in files.items():
        (directory / "tests" / f"{name}.py").write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("marks", ["", "@pytest.mark.unit\n@pytest.mark.lab\n"])
def test_a_test_without_exactly_one_tier_stops_the_run(tmp_path: Path, marks: str) -> None:
    run = collected(tmp_path, test_a=f"{marks}def test_it(): pass")
    assert run.returncode
    assert "exactly one of the markers unit, program, provider, policy, lab is needed: tests/test_a.py::test_it" in (
        run.stdout + run.stderr
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
