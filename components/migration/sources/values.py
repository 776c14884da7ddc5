"""Variables of 5.x as trees: a name is a path, its value HOCON where it can be read as such and a text where it cannot (hocon's override)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from components.hocon.tree import index
from components.migration.configs import hocon
from components.migration.manifest import BadSource
from components.migration.sources.base import Variable

Json = dict[str, Any]


def trees(variables: Iterable[Variable]) -> dict[str, Json]:
    """A tree for each file, of the variables whose value is known; the later of a path counts."""
    found: dict[str, Json] = {}
    for one in variables:
        if one.value is not None:
            path = [part for part in one.key.split(".") if part]
            found[one.file] = put(found.get(one.file, {}), path, value(one.value)) if path else found.get(one.file, {})
    return found


def value(text: str) -> Any:
    """``true``, ``30s`` and ``[{name = x}]`` as HOCON has them; a text that is none is itself."""
    try:
        return hocon.parse("", f"value = {text}\n").tree["value"]
    except (BadSource, KeyError):
        return text


def put(tree: Any, path: list[str], content: Any) -> Any:
    """The tree with a variable's value at its path, which replaces what was there; a number is an item of a list, or the first of a new one."""
    if not path:
        return content
    first, rest = path[0], path[1:]
    number = index(first)
    items = [] if tree == {} else tree
    if isinstance(items, list) and number is not None and 1 <= number <= len(items) + 1:
        old = items[number - 1] if number <= len(items) else {}
        return [*items[: number - 1], put(old, rest, content), *items[number:]]
    fields = tree if isinstance(tree, dict) else {}
    fields[first] = put(fields.get(first, {}), rest, content)
    return fields
