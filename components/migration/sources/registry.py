"""The one list of spellings, and all given files read by it: each once, the later of two variables over the earlier.

The rule kept here: what an image has built in is below what files of variables say, and those are below what starts the container.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from components.migration.manifest import BadSource
from components.migration.sources import dockerfile, dotenv, manifests, shell, unit
from components.migration.sources.base import MOST_CHARACTERS, Beside, Document, Reading, Variable

OF_A_NODE = ("node.", "cluster.", "rpc.", "host", "name", "listener", "prometheus.")
"""What may well differ from container to container."""


class Spelling(NamedTuple):
    """One way of writing; ``read_all`` gets all files of it, so that they can speak of each other. The higher the rank, the later."""

    name: str
    rank: int
    recognizes: Callable[[Document], bool]
    read_all: Callable[[Sequence[Document], Beside], list[tuple[Document, Reading]]]


def _each(
    read: Callable[[Document, Beside], Reading],
) -> Callable[[Sequence[Document], Beside], list[tuple[Document, Reading]]]:
    return lambda given, beside: [(document, read(document, beside)) for document in given]


SPELLINGS: tuple[Spelling, ...] = (
    Spelling("unit", 2, unit.recognizes, _each(unit.read)),
    Spelling("Dockerfile", 0, dockerfile.recognizes, _each(dockerfile.read)),
    Spelling("Makefile", 2, shell.is_makefile, _each(shell.read)),
    Spelling("variables", 1, dotenv.recognizes, _each(lambda document, _: dotenv.read(document))),
    Spelling("manifest", 2, manifests.recognizes, manifests.read_all),
    Spelling("script", 2, shell.recognizes, _each(shell.read)),
)


@dataclass(frozen=True)
class Environment:
    """All variables in the order in which they count, the last of a name over those before it; ``spellings`` by file; files that lay in files."""

    variables: tuple[Variable, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    files: tuple[Document, ...] = ()
    read_with: frozenset[str] = frozenset()

    def has_read(self, file: str) -> bool:
        """Whether anything of a file is known by this: a variable, a file in it, or that another file is filled in from it."""
        inside = any(one.file.startswith(f"{file}#") for one in self.files)
        return inside or file in self.read_with or any(one.file == file for one in self.variables)


def spelling_of(document: Document) -> Spelling | None:
    """The first that takes the text for its own; none for what is longer than people write."""
    if len(document.text) > MOST_CHARACTERS:
        return None
    return next((one for one in SPELLINGS if one.recognizes(document)), None)


@lru_cache(maxsize=2)
def read(given: tuple[Document, ...]) -> Environment:
    """Everything that sets variables of EMQX; the same files are read once.

    Raises:
        BadSource: a file that is not what it looks like, or whose containers contradict each other.

    """
    beside = Beside(given)
    groups: dict[str, list[Document]] = defaultdict(list)
    for document in given:
        spelling = spelling_of(document)
        if spelling is not None:
            groups[spelling.name].append(document)
    readings = [
        (spelling, document, reading)
        for spelling in SPELLINGS
        for document, reading in spelling.read_all(groups[spelling.name], beside)
    ]
    place = {document.file: at for at, document in enumerate(given)}
    readings.sort(key=lambda one: (one[0].rank, place[one[1].file]))
    through = frozenset[str]().union(*(reading.read_with for _, _, reading in readings))
    variables = [one for _, document, reading in readings if document.file not in through for one in reading.variables]
    _require_one_voice(variables)
    return Environment(
        tuple(variables),
        tuple((document.file, spelling.name) for spelling, document, _ in readings),
        tuple(file for _, _, reading in readings for file in reading.files),
        through,
    )


def _require_one_voice(variables: Iterable[Variable]) -> None:
    """Containers of one file that set one thing differently cannot be one cluster.

    Raises:
        BadSource: two of them do.

    """
    seen: dict[tuple[str, str], Variable] = {}
    for one in variables:
        first = seen.setdefault((one.file, one.name), one)
        differs = first.value is not None and one.value is not None and first.value != one.value
        if one.name and differs and first.where != one.where and not one.key.startswith(OF_A_NODE):
            text = f"{one.name} is set otherwise in {one.where} than in {first.where}"
            raise BadSource(one.file, f"line {one.line}", text, "give the part of the file that is of one node")
