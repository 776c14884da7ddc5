"""`python -m lab`: an unknown command is answered with what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("arguments", "code"), [(["nonsense"], 2), ([], 2), (["--help"], 0)])
def test_without_a_command_it_says_which_there_are(arguments: list[str], code: int) -> None:
    command = [sys.executable, "-m", "lab", *arguments]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == code
    assert all(f"\n  {name} " in answer.stdout for name in ("node", "fleet", "demo", "bench"))
