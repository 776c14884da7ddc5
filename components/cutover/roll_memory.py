"""What the ledger remembers of a roll: the node that is in work, that the loads are still to be evened out, and the nodes that are kept out for that; the words stand in the ledger of every stack.

The rule: it is written before the node is touched and forgotten once it serves again, so whoever goes on knows which node is out because of us.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from components.cutover.roll import Release
from components.cutover.words import COLOURS, Colour, Edition

ROLLING, UNEVEN, DONORS = "rolling", "uneven", "donors"
COPIED = "copied"
_EDITIONS: tuple[Edition, ...] = ("ee", "ce")


class InWork(NamedTuple):
    """The node that a roll has taken out: what it ran before, since when (unix seconds), and whether its data have been copied since."""

    colour: Colour
    node: str
    release: Release
    since: str
    copied: bool = False

    def __str__(self) -> str:
        words = [self.colour, self.node, self.release.version, self.release.edition, self.since]
        return " ".join([*words, COPIED] if self.copied else words)


def in_work(memory: Mapping[str, str], colour: Colour) -> InWork | None:
    """The node of this colour that a roll has taken out and not yet put back."""
    words = memory.get(ROLLING, "").split()
    if len(words) not in {5, 6}:
        return None
    where = next((one for one in COLOURS if one == words[0]), None)
    edition = next((one for one in _EDITIONS if one == words[3]), None)
    if where != colour or edition is None:
        return None
    return InWork(where, words[1], Release(words[2], edition), words[4], copied=words[5:] == [COPIED])


def uneven(memory: Mapping[str, str], colour: Colour) -> bool:
    """Whether a roll of this colour has not evened out the loads yet."""
    return memory.get(UNEVEN) == colour


class Donors(NamedTuple):
    """The nodes of a colour that get nobody new while EMQX evens them out."""

    colour: Colour
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.colour, *self.nodes])


def donors(memory: Mapping[str, str], colour: Colour) -> tuple[str, ...]:
    """Those of this colour, in their order."""
    where, *nodes = memory.get(DONORS, "").split() or [""]
    return tuple(nodes) if where == colour else ()
