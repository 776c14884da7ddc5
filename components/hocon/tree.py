"""Nodes -> plain values: pieces joined, keys that come twice merged, as EMQX does (``hocon.erl`` concat and transform, ``hocon_maps.erl``).

The rule kept here: of two values of one key the later one stays, unless both are objects, or the later one is an object whose keys are
numbers and the earlier one a list, whose items it then changes; items count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.hocon.errors import HoconError
from components.hocon.nodes import ABSENT, Array, Field, Object, Pieces
from components.hocon.resolve import Budget

Tree = dict[str, Any]
MOST_DEPTH = 150
"""Of a document whose substitutions stand in one another."""
_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
_CHARACTERS_A_STEP = 64


class Builder:
    """Makes the tree of one document; without a budget where the text has no substitutions, since its tree is no larger than the text."""

    def __init__(self, budget: Budget | None = None) -> None:
        """Begin at the root."""
        self.budget = budget
        self.depth = 0

    def object(self, fields: list[Field]) -> Tree:
        """The plain object of fields.

        Raises:
            HoconError: pieces that do not go together, an index beyond a list, or more than the budget.

        """
        tree: Tree = {}
        for key, value, line, *_ in fields:
            try:
                plain = self.value(value)
                if plain is not ABSENT:
                    put(tree, key, plain)
            except HoconError as error:
                error.line = error.line or line
                raise
        return tree

    def value(self, node: Any) -> Any:
        """The plain value of a node; ABSENT where nothing is left of it."""
        if self.budget is not None:
            self.budget.spend()
        if not isinstance(node, Object | Array | Pieces):
            return node
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise HoconError(f"values in one another, more than {MOST_DEPTH} deep")
        if isinstance(node, Object):
            plain: Any = self.object(node.fields)
        elif isinstance(node, Array):
            plain = [item for item in map(self.value, node.items) if item is not ABSENT]
        else:
            plain = self._joined(node)
        self.depth -= 1
        return plain

    def _joined(self, pieces: Pieces) -> Any:
        filled = list(_filled(pieces))
        if not filled:
            return {}
        if all(isinstance(part, Object) for part in filled):
            return self.object([one for part in filled for one in part.fields])
        if all(isinstance(part, Array) for part in filled):
            return [item for part in filled for item in self.value(part)]
        if all(isinstance(part, str) for part in filled):
            text = "".join(filled)
            if self.budget is not None:
                self.budget.spend(len(text) // _CHARACTERS_A_STEP)
            return text
        if len(filled) == 1:
            return filled[0]
        raise HoconError("values of several kinds side by side")


def _filled(pieces: Pieces) -> Iterator[Any]:
    """Its parts without empty objects, which add nothing to their neighbours, whatever those are."""
    parts = [part for part in pieces.parts if part is not ABSENT]
    if not parts:
        yield ABSENT
    for part in parts:
        if isinstance(part, Pieces):
            yield from _filled(part)
        elif not (isinstance(part, Object) and not part.fields):
            yield part


def put(tree: Tree, key: str, value: Any) -> None:
    """One more field of an object that is ours to change."""
    tree[key] = merged(tree[key], value) if isinstance(value, dict) and key in tree else value


def merged(old: Any, new: Any) -> Any:
    """``new`` over ``old``, which is changed.

    Raises:
        HoconError: an index beyond a list.

    """
    if isinstance(new, dict):
        if isinstance(old, dict):
            for key, value in new.items():
                old[key] = merged(old[key], value) if key in old else value
            return old
        if isinstance(old, list) and all(_INDEX.fullmatch(key) for key in new):
            for number, key in sorted((int(key), key) for key in new):
                change_item(old, number, new[key])
            return old
    return new


def change_item(items: list[Any], number: int, value: Any) -> None:
    """``value`` over the item of this number, which counts from 1; one behind the last is new."""
    if not 1 <= number <= len(items) + 1:
        raise HoconError(f"an item {number} of a list that has {len(items)}")
    if number > len(items):
        items.append({})
    items[number - 1] = merged(items[number - 1], value)


def index(key: str) -> int | None:
    """The number of an item, where a key is one."""
    return int(key) if _INDEX.fullmatch(key) else None


def copied(value: Any) -> Any:
    """A tree of its own."""
    if isinstance(value, Mapping):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value
