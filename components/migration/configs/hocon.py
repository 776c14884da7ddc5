"""A file of HOCON of 5.x (``cluster.hocon``, ``emqx.conf``, ``base.hocon``) as a tree that rules look into; read only, nothing is opened that was not given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import PurePath
from typing import Any

from components.hocon.document import Document, read
from components.hocon.errors import HoconError, NotGivenError
from components.hocon.parser import Given, nothing_given
from components.migration.manifest import BadSource


@dataclass(frozen=True)
class Hocon:
    """One file: its text, for rules about spelling, and its tree. ``document`` knows the places; None for a tree that no text was read for."""

    file: str
    text: str
    tree: Mapping[str, Any]
    document: Document | None = None

    def find(self, path: str) -> Iterator[tuple[str, Any]]:
        """Every value whose path matches, ``*`` being one part of it: ``connectors.dynamo.*.region``; list items are parts too, from 0."""
        return _find(self.tree, tuple(map(_pattern, path.split("."))), "")

    def has(self, path: str) -> bool:
        """Whether a value stands at this path."""
        return any(True for _ in self.find(path))

    def spot(self, path: str) -> tuple[str, int | None]:
        """File (an included one, maybe) and line of a path, or else of what is nearest above it."""
        spots = self.document.spots if self.document else {}
        while path and path not in spots:
            path = path.rpartition(".")[0]
        return spots[path] if path else (self.file, None)

    def line(self, path: str) -> int | None:
        """The line of it."""
        return self.spot(path)[1]


def parse(file: str, text: str, given: Given = nothing_given) -> Hocon:
    """Read a HOCON text; files that it includes are looked for by ``given`` and nowhere else.

    What a substitution names may stand in a file that EMQX reads with it (``layers``).

    Raises:
        BadSource: it is no HOCON, or it includes a file that was not given.

    """
    try:
        document = read([(file, text)], given, is_part=True)
    except HoconError as error:
        raise refused(error) from None
    return Hocon(file, text, document.tree, document)


def refused(error: HoconError) -> BadSource:
    """What a person is told of a text that cannot be read."""
    place = f"line {error.line}" if error.line else ""
    if isinstance(error, NotGivenError):
        name = error.name[:80]
        seen = f"an include of {name}, which was not given"
        remedy = f"give {name} too, or the whole directory that {PurePath(error.file).name} lies in: EMQX passes over an include of what is not there"
        return BadSource(error.file, place, seen, remedy)
    seen = f"no HOCON: {error.reason}"
    return BadSource(
        error.file or "the files together", place, seen, "take the file from the node again; it may be truncated"
    )


@cache
def _pattern(part: str) -> re.Pattern[str] | str:
    return re.compile(translate(part)) if any(mark in part for mark in "*?[") else part


def _find(tree: Any, parts: tuple[re.Pattern[str] | str, ...], path: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield path, tree
        return
    named: Mapping[str, Any] = tree if isinstance(tree, Mapping) else {}
    if isinstance(tree, list):
        named = {str(number): item for number, item in enumerate(tree)}
    first = parts[0]
    names = [name for name in ((first,) if isinstance(first, str) else filter(first.match, named)) if name in named]
    for name in names:
        yield from _find(named[name], parts[1:], f"{path}.{name}" if path else name)
