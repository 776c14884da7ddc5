"""A command of README.md that no test runs is found here, before anything is run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.readme import ALONE, BLOCKS, README, left_out

pytestmark = pytest.mark.unit

WALK = Path(__file__).parents[1] / "lab" / "test_readme.py"


def test_every_command_of_the_readme_is_run_by_its_walk() -> None:
    assert left_out(README, [*BLOCKS, *ALONE]) == []


def test_a_command_that_nothing_runs_is_named() -> None:
    text = "```sh\npulumi up\n```\nAfter `pulumi up`, `make bench SMALL=10`; `make nothing-of-that-name` and `pulumi destroy` too."
    assert left_out(text, ["pulumi up\n", "make bench"]) == ["make nothing-of-that-name", "pulumi destroy"]


def test_the_walk_takes_every_block_of_the_readme_in_order() -> None:
    """The first is what `test_make_test` looks at; each other one is run by a call that names words of it."""
    calls = [
        node
        for node in ast.walk(ast.parse(WALK.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "reader.block"
    ]
    calls.sort(key=lambda call: call.lineno)
    words = [[ast.literal_eval(word) for word in call.args] for call in calls]
    assert len(words) == len(BLOCKS) - 1
    for named, block in zip(words, BLOCKS[1:], strict=True):
        assert [word for word in named if word not in block] == []
