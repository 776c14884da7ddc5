"""A HOCON text as a document: its tree, and where each path of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from components.hocon.errors import HoconError
from components.hocon.nodes import Array, Field, Object, Pieces
from components.hocon.parser import Given, Reader, nothing_given
from components.hocon.resolve import MOST_STEPS, Budget, resolve
from components.hocon.tree import MOST_DEPTH, Builder, Tree


class Spot(NamedTuple):
    """Where a value stands."""

    file: str
    line: int


@dataclass(frozen=True, eq=False)
class Document:
    """Several texts are one document when EMQX reads them as one: later over earlier, substitutions through all of them."""

    root: Object
    tree: Tree
    included: tuple[str, ...] = ()

    @cached_property
    def spots(self) -> dict[str, Spot]:
        """Path (keys and, from 0, items, between dots) -> where its last value stands."""
        spots: dict[str, Spot] = {}
        # What substitutions repeat is the work of a building again; beyond that no place is worth its time.
        for path, field in _walk(self.root, "", MOST_DEPTH, Budget(MOST_STEPS)):
            spots[path] = Spot(field.file, field.line)
        return spots


def read(texts: Iterable[tuple[str, str]], given: Given = nothing_given) -> Document:
    """Read (name, text) of files as one document.

    Raises:
        HoconError: one of them is no HOCON, or is larger by its substitutions than any configuration.
        NotGivenError: one includes a file that was not given.

    """
    reader = Reader(given)
    try:
        root = Object([field for name, text in texts for field in reader.text(text, name).fields])
        budget = Budget() if reader.slots else None
        if budget is not None:
            resolve(root, reader.slots, budget)
        return Document(root, Builder(budget).object(root.fields), tuple(reader.included))
    except RecursionError:  # substitutions of substitutions; brackets and keys have bounds of their own
        raise HoconError("values in one another without an end") from None


def together(documents: Iterable[Document]) -> Tree:
    """The tree of documents that EMQX reads one after the other, each with its own substitutions."""
    return Builder(Budget()).object([field for document in documents for field in document.root.fields])


def loads(text: str) -> Tree:
    """The object of one text.

    Raises:
        HoconError: it is none.

    """
    return read([("", text)]).tree


def _walk(node: Any, path: str, depth: int, budget: Budget) -> Iterator[tuple[str, Field]]:
    if depth < 0 or budget.left <= 0:
        return
    budget.left -= 1
    if isinstance(node, Object):
        for field in node.fields:
            below = f"{path}.{field.key}" if path else field.key
            yield below, field
            yield from _walk(field.value, below, depth - 1, budget)
    elif isinstance(node, Array):
        yield from _items(node.items, path, depth, budget)
    elif isinstance(node, Pieces):
        yield from _items([part for part in node.parts if isinstance(part, Array)], path, depth, budget)
        for part in node.parts:
            if isinstance(part, Object | Pieces):
                yield from _walk(part, path, depth - 1, budget)


def _items(items: list[Any], path: str, depth: int, budget: Budget) -> Iterator[tuple[str, Field]]:
    for number, item in enumerate(items):
        yield from _walk(item, f"{path}.{number}", depth - 1, budget)
