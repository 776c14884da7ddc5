"""Writes the drawing of docs/house.md from the imports themselves (`python -m tools.draw_house [--check]`): who uses whom, room by room.

The rule: an arrow that another way through the drawing says already is left out, so that what is seen is the order and not the mass.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "house.md"
BEGIN, END = "<!-- drawn: rooms -->\n", "<!-- end -->\n"
HOUSE = "components"


def main() -> int:
    """Write the document, or say with status 1 that it is not current."""
    parser = argparse.ArgumentParser(description="Draw the rooms of docs/house.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when it is not current")
    only_check = parser.parse_args().check
    text = DOCUMENT.read_text(encoding="utf-8")
    fresh = drawn_into(text, drawing(uses()))
    if only_check:
        return int(fresh != text)
    DOCUMENT.write_text(fresh, encoding="utf-8")
    return 0


def uses() -> dict[str, set[str]]:
    """Which room imports which; a module that stands alone in the house is a room."""
    graph = grimp.build_graph(HOUSE, cache_dir=None)
    rooms: dict[str, set[str]] = {room.rpartition(".")[2]: set() for room in graph.find_children(HOUSE)}
    for module in graph.modules - {HOUSE}:
        for imported in graph.find_modules_directly_imported_by(module) - {HOUSE}:
            here, there = module.split(".")[1], imported.split(".")[1]
            if here != there:
                rooms[here].add(there)
    return rooms


def drawing(rooms: Mapping[str, set[str]]) -> str:
    """The rooms as a Mermaid flowchart, with those arrows only that no longer way says."""
    lines = ["```mermaid", "flowchart TD"]
    for room in sorted(rooms):
        longer = {far for near in rooms[room] for far in _reached(rooms, near)}
        lines += [f"  {room} --> {used}" for used in sorted(rooms[room] - longer)]
    return "\n".join([*lines, "```"]) + "\n"


def _reached(rooms: Mapping[str, set[str]], room: str) -> set[str]:
    """All that a room uses, directly or not."""
    found: set[str] = set()
    left = list(rooms[room])
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += rooms[one]
    return found


def drawn_into(text: str, drawn: str) -> str:
    """The document with this drawing between its marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{drawn}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    sys.exit(main())
