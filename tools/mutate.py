"""Inputs made from those that are right: a few files of the samples and field cases, one or two of them damaged, and a command that reads them.

The rule kept here: the same random numbers make the same input.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools.mutations import mutated

ROOMS = ("field", "migration", "hop_44_5")
COMMANDS = (
    ("convert", "4.2.11", "4.3.22"),
    ("convert", "4.4.19", "5.8.11"),
    ("convert", "4.4.19", "5.8.11"),
    ("convert", "4.0.7", "4.3.22"),
    ("check", "4.4.19", "5.8.11"),
    ("check", "5.0.26", "5.8.9"),
    ("check", "5.6.1", "5.10.4"),
    ("check", "5.8.11", "6.0.1"),
    ("prove", "4.4.19", "5.8.11"),
)
FITTING = {
    ".tar.gz": (("check", "5.8.11", "5.10.4"), ("check", "5.8.10", "5.8.11"), ("check", "5.8.9", "6.0.1")),
    "v4.2.10": (("convert", "4.2.10", "4.3.22"), ("check", "4.2.10", "4.3.22")),
    "4.2": (("convert", "4.2.11", "4.3.22"), ("check", "4.2.11", "4.3.22")),
    "hop_42_43": (("convert", "4.2.11", "4.3.22"), ("prove", "4.2.11", "4.3.22")),
    "4.3": (("check", "4.3.22", "4.4.19"), ("prove", "4.3.22", "4.4.19")),
    "08-module": (("convert", "4.0.7", "4.3.22"),),
    "10-env": (("check", "5.6.1", "5.10.4"), ("check", "5.8.11", "6.0.1")),
    "11-hocon": (("check", "5.0.26", "5.8.9"), ("check", "5.6.1", "5.10.4")),
    "19-source": (("check", "5.0.26", "5.8.9"),),
    "": (
        ("convert", "4.4.19", "5.8.11"),
        ("convert", "4.4.19", "5.8.11"),
        ("prove", "4.4.19", "5.8.11"),
        ("check", "4.4.19", "5.8.11"),
    ),
}
"""Which command reads the files of a path, so that most inputs come to what reads them."""


@dataclass(frozen=True)
class Case:
    """Files by name, and the arguments of the program, in which ``{in}`` and ``{out}`` are their directories."""

    name: str
    files: dict[str, bytes]
    arguments: tuple[str, ...]

    def exports(self) -> Iterator[dict[str, Any]]:
        """The exports among the files that are named one by one, as far as they still are any; in a directory a suffix hides them."""
        for content in self.files.values() if "{in}" not in self.arguments else ():
            try:
                value = json.loads(content.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and "version" in value:
                yield value


@cache
def corpus(directory: Path) -> tuple[tuple[str, bytes], ...]:
    """All files to begin with, by path below the directory."""
    files = sorted(file for room in ROOMS for file in (directory / room).rglob("*") if file.is_file())
    return tuple((str(file.relative_to(directory)), file.read_bytes()) for file in files)


def make(directory: Path, rng: random.Random) -> Case:
    """One input."""
    known = corpus(directory)
    first = rng.choice(known)
    near = [one for one in known if one[0].rpartition("/")[0] == first[0].rpartition("/")[0] and _goes_with(one, first)]
    chosen = dict(
        [
            first,
            *rng.sample(near, rng.randint(0, min(4, len(near)))),
            *rng.sample(known, rng.choice((0, 0, 0, 0, 1, 2))),
        ]
    )
    damaged = rng.sample(sorted(chosen), rng.randint(1, min(2, len(chosen))))
    for name in damaged:
        chosen[name] = mutated(chosen[name], rng)
    files = {
        f"{number}/{name.rpartition('/')[2]}": content for number, (name, content) in enumerate(sorted(chosen.items()))
    }
    fitting = next((pairs for mark, pairs in FITTING.items() if mark in first[0]), COMMANDS)
    command, origin, target = rng.choice(fitting if rng.random() < 0.9 else COMMANDS)
    sources = ("{in}",) if rng.random() < 0.5 else tuple("{in}/" + name for name in files)
    more = ("--out", "{out}") if command == "convert" else ()
    edition = _edition(first[0], rng)
    target = "5.8.9" if (edition, target) == ("ce", "5.8.11") else target
    arguments = (command, *sources, "--from", origin, "--to", target, "--edition", edition, *more)
    return Case(f"{command} {origin} {sorted(chosen)}", files, arguments)


def _goes_with(one: tuple[str, bytes], first: tuple[str, bytes]) -> bool:
    """Two exports or archives are refused by themselves."""
    return not all(name.lower().endswith((".json", ".gz")) for name, _ in (one, first))


def _edition(name: str, rng: random.Random) -> str:
    known = "ee" if any(mark in name for mark in ("ee-", "07-", "by-", "with-", "4.2.1")) else "ce"
    return known if rng.random() < 0.8 else rng.choice(("ee", "ce"))
