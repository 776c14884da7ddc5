"""Who began last in a place that several owners in turn have stood for; an owner's id ends with the generation that it began.

The rule: an id of before there were generations names none, and is the owner of a place that remembers none.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from components.system.files import replace

FILE = "generation"


def fresh() -> str:
    """A generation that nobody has begun."""
    return secrets.token_hex(4)


def named(name: str, generation: str) -> str:
    """The id of an owner."""
    return f"{name}@{generation}"


def of(id_: str) -> str:
    """The generation that an id names; empty where it names none."""
    return id_.partition("@")[2]


def begin(directory: Path, name: str) -> str:
    """Begin a new generation in the directory; returns its owner's id."""
    generation = fresh()
    replace(directory / FILE, generation)
    return named(name, generation)


def is_current(directory: Path, id_: str) -> bool:
    """Whether the owner with this id is the last that began in the directory."""
    try:
        held = (directory / FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return True
    return of(id_) == held
