"""EMQX versions as values that compare, and the releases that are known; what is not in the table is unknown, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from components.cutover.words import Edition

Line = tuple[int, int]
"""``(4, 4)``: what EMQX calls a minor version."""
Known = Mapping[Edition, Mapping[Line, int]]
"""The newest patch of each line, by edition."""

_LEADING = re.compile(r"[ve]?(\d{1,3})\.(\d{1,3})(?!\d)(?:\.(\d{1,3})(?!\d))?(.*)", re.ASCII | re.DOTALL)


class BadVersion(ValueError):  # noqa: N818 - the word a person reads
    """A text that is no EMQX version, or one that we do not know; the message says which it may be."""


class Version(NamedTuple):
    """``4.4.19``; tuples compare as versions do."""

    major: int
    minor: int
    patch: int

    @property
    def line(self) -> Line:
        """Major and minor."""
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Leading(NamedTuple):
    """The numbers that a text begins with, no patch where none is given, and what follows: ``-rc.1``, ``+g1a2b3c4``."""

    major: int
    minor: int
    patch: int | None
    rest: str

    @property
    def line(self) -> Line:
        """Major and minor."""
        return (self.major, self.minor)

    @property
    def is_build(self) -> bool:
        """Whether what follows is the name of a pre-release or of a build of one's own."""
        return self.rest[:1] in {"-", "+", "."} and self.rest[1:2].isalnum()


_CE: Mapping[Line, int] = {
    (4, 0): 13,
    (4, 1): 5,
    (4, 2): 14,
    (4, 3): 22,
    (4, 4): 19,
    (5, 0): 26,
    (5, 1): 6,
    (5, 2): 1,
    (5, 3): 2,
    (5, 4): 1,
    (5, 5): 1,
    (5, 6): 1,
    (5, 7): 2,
    (5, 8): 9,
}
_EE: Mapping[Line, int] = {
    **_CE,
    (4, 4): 33,
    (5, 8): 11,
    (5, 9): 3,
    (5, 10): 4,
    (6, 0): 4,
    (6, 1): 5,
    (6, 2): 4,
    (6, 3): 1,
}
KNOWN: Known = {"ce": _CE, "ee": _EE}
"""From the upgrade rules (``components/migration/data/breaking-changes.json``), the shipped configuration files and the release notes, as of 2026-11.

There is no open source edition from 5.9 on. Enterprise patch numbers before 4.4 are not known to us; the open source ones stand in.
"""


def parse(text: str) -> Version:
    """Read ``4.4.19``, ``v4.4.19``, ``e4.4.19`` or ``4.4`` (patch 0).

    Raises:
        BadVersion: the text has another shape.

    """
    found = leading(text.strip())
    if found is None or found.rest:
        # what a pre-release or a build of one's own can do is not guessed from its number
        seen = "no EMQX version that was released" if found and found.is_build else "no EMQX version"
        raise BadVersion(f"{text[:40]!r} is {seen}; write it like 5.8.11")
    return Version(found.major, found.minor, found.patch or 0)


def leading(text: str) -> Leading | None:
    """The version that a text begins with, whatever follows; None where it begins with none."""
    found = _LEADING.fullmatch(text)
    if found is None:
        return None
    return Leading(int(found[1]), int(found[2]), None if found[3] is None else int(found[3]), found[4])


def newest(line: Line, edition: Edition, known: Known = KNOWN) -> Version:
    """The newest patch of a line that is in the table.

    Raises:
        BadVersion: the line is not.

    """
    patch = known[edition].get(line)
    if patch is None:
        lines = ", ".join(f"{major}.{minor}" for major, minor in sorted(known[edition]))
        raise BadVersion(f"EMQX {line[0]}.{line[1]} ({edition}) is not in the table of releases; known are {lines}")
    return Version(*line, patch)


def require_known(version: Version, edition: Edition, known: Known = KNOWN) -> Version:
    """The same version, when its line is known and its patch is not above the newest known one.

    Raises:
        BadVersion: otherwise, with the newest patch that is known.

    """
    last = newest(version.line, edition, known)
    if version > last:
        raise BadVersion(
            f"EMQX {version} ({edition}) is newer than the newest known {last}; add it to the table of releases first"
        )
    return version
