"""Variables of 5.x as trees: a name is a path, its value HOCON where it can be read as such and a text where it cannot (hocon's override)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from components.migration.configs import hocon
from components.migration.manifest import BadSource
from components.migration.sources.base import Variable

Json = dict[str, Any]


def trees(variables: Iterable[Variable]) -> dict[str, Json]:
    """A tree for each file, of the variables whose value is known; the later of a path counts."""
    found: dict[str, Json] = {}
    for one in variables:
        if one.value is not None:
            _put(found.setdefault(one.file, {}), one.key.split("."), value(one.value))
    return {file: _listed(tree) for file, tree in found.items()}


def value(text: str) -> Any:
    """``true``, ``30s`` and ``[{name = x}]`` as HOCON has them; a text that is none is itself."""
    try:
        return hocon.parse("", f"value = {text}\n").tree["value"]
    except (BadSource, KeyError):
        return text


def _put(tree: Json, path: list[str], content: Any) -> None:
    for name in path[:-1]:
        below = tree.setdefault(name, {})
        if not isinstance(below, dict):
            below = tree[name] = {}
        tree = below
    tree[path[-1]] = content


def _listed(tree: Any) -> Any:
    """Keys 1, 2, 3 are the places of a list."""
    if not isinstance(tree, dict):
        return tree
    below = {name: _listed(one) for name, one in tree.items()}
    if below and all(name.isdecimal() for name in below):
        return [below[name] for name in sorted(below, key=int)]
    return below
