"""What a HOCON text says before anything of it is decided: fields in their order, pieces side by side, substitutions still open.

Scalars stand as themselves. The rule kept here: the order of the text is kept, because EMQX decides by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Field(NamedTuple):
    """``key = value``; a key of several parts has been taken apart into nested objects. EMQX finds no key that stands in quotes when it substitutes."""

    key: str
    value: Any
    line: int
    file: str
    is_quoted: bool = False


@dataclass(eq=False, slots=True)
class Object:
    """Fields in order. ``is_path`` marks the inner object of a key like ``a.b``, which EMQX does not merge when it is substituted."""

    fields: list[Field] = field(default_factory=list)
    is_path: bool = False


@dataclass(eq=False, slots=True)
class Array:
    """Items in order."""

    items: list[Any]


@dataclass(eq=False, slots=True)
class Pieces:
    """What stands side by side and becomes one value: strings, objects, arrays, substitutions."""

    parts: list[Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """``${path}``, ``${?path}``."""

    path: tuple[str, ...]
    is_required: bool
    line: int
    file: str


class Absent:
    """What ``${?path}`` leaves where nothing is at that path."""


ABSENT = Absent()
