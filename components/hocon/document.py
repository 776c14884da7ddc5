"""A HOCON text as a document: its tree, and where each path of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
class Texts:
    """Texts by name, in their order, what their includes were, and whether anything is substituted in them."""

    named: tuple[tuple[str, str], ...]
    found: Mapping[tuple[str, str], tuple[str, str] | None]
    substitutes: bool


NO_TEXTS = Texts((), {}, substitutes=False)


@dataclass(frozen=True, eq=False)
class Document:
    """Several texts are one document when EMQX reads them as one: later over earlier, substitutions through all of them.

    ``included`` are files by name; ``passed_over`` are includes of files that are not there, with line and file. ``texts`` is what it was read
    from, and ``open`` the first of its substitutions that names what stands nowhere in it.
    """

    root: Object
    tree: Tree
    included: tuple[str, ...] = ()
    passed_over: tuple[tuple[str, int, str], ...] = ()
    texts: Texts = NO_TEXTS
    open: HoconError | None = None

    @cached_property
    def spots(self) -> dict[str, Spot]:
        """Path (keys and, from 0, items, between dots) -> where its last value stands."""
        spots: dict[str, Spot] = {}
        # What substitutions repeat is the work of a building again; beyond that no place is worth its time.
        for path, field in _walk(self.root, "", MOST_DEPTH, Budget(MOST_STEPS)):
            spots[path] = Spot(field.file, field.line)
        return spots


def read(texts: Iterable[tuple[str, str]], given: Given = nothing_given, *, is_part: bool = False) -> Document:
    """Read (name, text) of files as one document; of a part, what a substitution names may stand in another, and nothing stands in its place.

    Raises:
        HoconError: one of them is no HOCON, or is larger by its substitutions than any configuration.
        NotGivenError: one includes a file that was not given.

    """
    reader, named = Reader(given), tuple(texts)
    try:
        root = Object([field for name, text in named for field in reader.text(text, name).fields])
        budget = Budget() if reader.slots else None
        fault = resolve(root, reader.slots, budget) if budget is not None else None
        if fault is not None and not is_part:
            raise fault
        kept = Texts(named, reader.found, substitutes=bool(reader.slots))
        tree = Builder(budget).object(root.fields)
        return Document(root, tree, tuple(reader.included), tuple(reader.passed_over), kept, fault)
    except RecursionError:  # substitutions of substitutions; brackets and keys have bounds of their own
        raise HoconError("values in one another without an end") from None


def together(documents: Iterable[Document]) -> Tree:
    """The tree of documents that EMQX reads as one (``hocon:files`` in emqx_config.erl of v5.0.26 and v5.8.9).

    Raises:
        HoconError: a substitution names what stands in none of them.

    """
    parts = [*documents]
    if not any(part.texts.substitutes for part in parts):
        return Builder(Budget()).object([field for part in parts for field in part.root.fields])
    found = {key: value for part in parts for key, value in part.texts.found.items()}
    named = [text for part in parts for text in part.texts.named]
    return read(named, lambda name, file: found.get((name, file))).tree


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
