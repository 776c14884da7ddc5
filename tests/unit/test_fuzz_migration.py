"""The fuzzer of `make fuzz-migration`: a short run of it, and that it sees what it looks for."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pytest

from tools import fuzz_migration
from tools.fuzz_migration import CORPUS, KINDS, run_one
from tools.mutate import Case, make
from tools.mutations import MOST_BYTES

pytestmark = pytest.mark.unit
INPUTS = 40


@pytest.mark.parametrize("number", range(INPUTS))
def test_a_damaged_input_is_read_or_refused(number: int) -> None:
    kind, words = run_one(make(CORPUS, random.Random(f"unit:{number}")))
    # How much memory the process took before is not this input's.
    assert kind not in set(KINDS) - {"memory"}, words


def test_the_same_numbers_make_the_same_input() -> None:
    first, again = (make(CORPUS, random.Random("unit:7")) for _ in range(2))
    assert first == again
    assert all(len(content) <= MOST_BYTES for content in first.files.values())


def _raising(_: Sequence[str]) -> int:
    raise KeyError("boom")


def _caught(_: Sequence[str]) -> int:
    print("refused: a fault in this program, KeyError at x.py:1; report it", file=sys.stderr)
    return 2


def _endless(_: Sequence[str]) -> int:
    while True:
        pass


def _greedy(_: Sequence[str]) -> int:
    raise MemoryError


def _lying(arguments: Sequence[str]) -> int:
    out = Path(arguments[-1])
    out.mkdir()
    tally = {"auth_mnesia": {"source": 1, "carried": 1, "changed": 0, "dropped": 0}}
    (out / "manifest.json").write_text(json.dumps({"tally": tally, "items": [{}]}), encoding="utf-8")
    return 0


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        (_raising, "tracebacks", "KeyError: 'boom'"),
        (_caught, "tracebacks", "KeyError at x.py:1"),
        (_endless, "hangs", "in _endless"),
        (_greedy, "memory", "two users"),
        (_lying, "accounts", "auth_mnesia: 1 of 2 rows"),
    ],
)
def test_what_must_not_be_is_seen(
    program: Callable[[Sequence[str]], int], kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_migration, "MOST_CPU_SECONDS", 0.2)
    # What is measured is the most that a process has ever had: other tests of this one may have had more than a conversion may have.
    monkeypatch.setattr(fuzz_migration, "MOST_MEGABYTES", 500 + (getrusage(RUSAGE_SELF).ru_maxrss >> 10))
    export = json.dumps({"version": "4.4", "auth_mnesia": [{}, {}]}).encode()
    case = Case("two users", {"e.json": export}, ("convert", "{in}/e.json", "--out", "{out}"))
    found, said = run_one(case, program)
    assert (found, words in said) == (kind, True)
