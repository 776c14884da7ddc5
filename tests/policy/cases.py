"""What the rules for one kind of platform are tried with."""

from __future__ import annotations

from typing import Any, NamedTuple

Inputs = dict[str, Any]


class Cases(NamedTuple):
    """Rule, type token, inputs, and for hits a part of what is said; ``good`` passes all rules."""

    good: list[tuple[str, Inputs]]
    hits: list[tuple[str, str, Inputs, str]]
    unknown: list[tuple[str, str, Inputs]]
