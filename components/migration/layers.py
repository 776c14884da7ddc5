"""What nodes of 5.x run with: the files that were given, one over the other as EMQX lays them, and variables over them.

The order (docs/emqx/config.md#precedence; emqx_config.erl of v5.0.0 to v5.8.9): ``base.hocon``, ``cluster.hocon``, ``emqx.conf``, variables.
Where a ``cluster-override.conf`` of 5.0 lies, the first two are not read, and it and ``local-override.conf`` come over everything, variables
too. The rule kept here: of several nodes' files each makes a configuration of its own, so that no node's value hides another's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.hocon.document import Spot, together
from components.hocon.errors import HoconError
from components.hocon.tree import copied, index, merged
from components.migration.configs.hocon import Hocon, refused
from components.migration.sources.base import PREFIX, Variable
from components.migration.sources.values import put, value

_RANKS = (
    (re.compile(r"base\.hocon"), 0),
    (re.compile(r"cluster-override\.(?:conf|hocon)"), 3),
    (re.compile(r"local-override\.(?:conf|hocon)"), 4),
    (re.compile(r".*\.hocon"), 1),
)
_OF_A_NODE, _OVERRIDE = 2, 3


@dataclass(frozen=True)
class InEffect:
    """One configuration, and where each of its values stands. ``layers`` are its files, the uppermost first; ``variables`` by path."""

    tree: Mapping[str, Any]
    layers: tuple[Hocon, ...]
    variables: Mapping[str, Spot]

    def find(self, path: str) -> Iterable[tuple[str, Any]]:
        """Every value whose path matches, as in one file."""
        return Hocon("", "", self.tree).find(path)

    def spot(self, path: str) -> tuple[str, int | None]:
        """File and line of a value; of a path without a place of its own, what is nearest above it."""
        for layer in self.layers:
            if _rank(layer) >= _OVERRIDE and layer.has(path):
                return layer.spot(path)
        above = path
        while above and above not in self.variables:
            above = above.rpartition(".")[0]
        if above:
            return self.variables[above]
        holder = next((layer for layer in self.layers if layer.has(path)), None)
        below = (spot for name, spot in self.variables.items() if name.startswith(f"{path}."))
        return holder.spot(path) if holder else next(below, ("", None))


def in_effect(files: Iterable[Hocon], variables: Iterable[Variable]) -> tuple[InEffect, ...]:
    """The configurations that files and variables make together.

    Raises:
        BadSource: what one of them changes is not there in those below it.

    """
    set_here = [one for one in variables if one.name and one.value is not None]
    by_variables = {one.file for one in set_here}
    given = [file for file in files if file.document is not None or file.file not in by_variables]
    included = {name for file in given if file.document for name in file.document.included}
    given = sorted((file for file in given if file.file not in included), key=_rank)
    overrides = [file for file in given if _rank(file) >= _OVERRIDE]
    alone = next((file.document.open for file in overrides if file.document and file.document.open), None)
    if alone is not None:  # an override file is read by itself
        raise refused(alone)
    least = _OF_A_NODE if overrides and _rank(overrides[0]) == _OVERRIDE else 0
    common = [file for file in given if least <= _rank(file) < _OF_A_NODE]
    nodes = [[file] for file in given if _rank(file) == _OF_A_NODE] or [[]]
    try:
        return tuple(_laid([*common, *node], set_here, overrides) for node in nodes)
    except HoconError as error:
        raise refused(error) from None


def _laid(files: list[Hocon], variables: list[Variable], overrides: list[Hocon]) -> InEffect:
    texts = [file.document for file in files if file.document is not None]
    tree: Any = together(texts)
    for file in files:
        tree = merged(tree, copied(file.tree)) if file.document is None else tree
    spots: dict[str, Spot] = {}
    for one in sorted(variables, key=lambda variable: variable.name):  # as EMQX does
        path = [part for part in one.name.removeprefix(PREFIX).lower().split("__") if part]
        if path:
            tree = put(tree, path, value(one.value or ""))
            spots[_path_of(tree, path)] = Spot(one.file, one.line)
    for file in overrides:
        tree = merged(tree, copied(file.tree))
    return InEffect(tree, tuple(reversed([*files, *overrides])), spots)


def _path_of(tree: Any, path: list[str]) -> str:
    """As ``find`` says it: items of lists from 0."""
    said: list[str] = []
    for part in path:
        number = index(part) if isinstance(tree, list) else None
        said.append(part if number is None else str(number - 1))
        tree = tree[number - 1] if number is not None else tree.get(part, {}) if isinstance(tree, dict) else {}
    return ".".join(said)


def _rank(file: Hocon) -> int:
    name = re.split(r"[/\\:]", file.file)[-1]
    return next((rank for pattern, rank in _RANKS if pattern.fullmatch(name)), _OF_A_NODE)
