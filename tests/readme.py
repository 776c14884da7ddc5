"""The commands that README.md names: what its walk runs (tests/lab/test_readme.py), and what a test finds without a run that nobody runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ALONE = ("make bench", "make upgrade-path")
"""Commands of the prose that stand in no block, and have a test of their own, in this order."""


def left_out(text: str, run: Iterable[str]) -> list[str]:
    """The commands of a README's prose that stand in nothing which is run; a parameter of make is no other command."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = [re.sub(r" [A-Z]+=\S+", "", code) for code in re.findall(r"`((?:make|pulumi|python) [^`]*)`", prose)]
    known = tuple(run)
    return [command for command in shown if not any(command in block for block in known)]
