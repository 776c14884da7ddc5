"""Variables in YAML and JSON of any program: ``NAME: value``, ``- NAME=value`` and ``{name: NAME, value: ...}``, wherever they stand.

Task definitions of ECS, Ansible's ``env``, ``docker inspect``, kustomize's literals and fragments of other files are of these three forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.migration.sources.base import NAME, PREFIX, Document, Places, Variable
from components.migration.sources.tree import Leaf, Tree, as_text

_TEMPLATES = ("{{", "{%", "<%")
NO_TEXT = "its value is no text, or one of which readers of YAML make different things"
QUOTE = "write it in quotes as the container gets it"
_NAMES, _VALUES = ("name", "Name", "key", "Key"), ("value", "Value")


def read(document: Document, tree: Tree, places: Places) -> list[Variable]:
    """All of one document, each with the path of what it stands in."""
    return list(_below(document, tree, "", places))


def _below(document: Document, tree: Tree, path: str, places: Places) -> Iterator[Variable]:
    if isinstance(tree, list):
        for at, one in enumerate(tree):
            if isinstance(one, Leaf):
                found = in_line(document, one, path, places)
                yield from (checked(document, v.name, v.value, v.line, path) if v.value else v for v in found)
            else:
                yield from _below(document, one, _container(path, at, one), places)
    elif isinstance(tree, dict):
        name = next((leaf.text for key in _NAMES if isinstance(leaf := tree.get(key), Leaf)), "")
        if NAME.fullmatch(name):
            yield paired(document, name, tree, path, places)
            return
        for key, one in tree.items():
            if NAME.fullmatch(key):
                yield keyed(document, key, one, path, places)
            else:
                yield from _below(document, one, f"{path}.{key}" if path else key, places)


def _container(path: str, at: int, one: Tree) -> str:
    """A list of containers is told apart; the entries of one list of variables are not."""
    name = one.get("name") if isinstance(one, dict) else None
    is_entry = isinstance(name, Leaf) and name.text.startswith(PREFIX)
    return path if is_entry else f"{path}[{at}]"


def in_line(document: Document, leaf: Leaf, path: str, places: Places) -> Iterator[Variable]:
    """``- NAME=value``, or ``- NAME``, which is passed through."""
    name, equals, value = leaf.text.partition("=")
    if NAME.fullmatch(name):
        line = _line(leaf, name, places)
        if equals:
            yield Variable(document.file, line, name, value, path)
        else:
            yield Variable(document.file, line, name, None, path, "passed through from where it is started")


def keyed(document: Document, name: str, value: Tree, path: str, places: Places) -> Variable:
    """``NAME: value``; nothing, in most of these programs, means that it is passed through."""
    if not isinstance(value, Leaf) or value.kind == "other":
        return Variable(document.file, places.of(name), name, None, path, NO_TEXT, QUOTE)
    line = _line(value, name, places)
    if value.kind == "null":
        return Variable(document.file, line, name, None, path, "passed through from where it is started")
    return checked(document, name, as_text(value), line, path)


def paired(document: Document, name: str, entry: Mapping[str, Tree], path: str, places: Places) -> Variable:
    """``{name: NAME, value: ...}``; without a value it comes from elsewhere, or is empty."""
    leaf = next((one for key in _VALUES if (one := entry.get(key)) is not None), None)
    line = places.of(name)
    if isinstance(leaf, Leaf) and leaf.kind not in ("other", "null"):
        return checked(document, name, as_text(leaf), line, path)
    if leaf is None and not any("from" in key.lower() for key in entry):
        return Variable(document.file, line, name, "", path)
    if leaf is None:
        return Variable(document.file, line, name, None, path, "its value stands in another place")
    return Variable(document.file, line, name, None, path, NO_TEXT, QUOTE)


def checked(document: Document, name: str, value: str, line: int, path: str) -> Variable:
    """The variable; a template is not what the container gets."""
    if any(mark in value for mark in _TEMPLATES):
        return Variable(document.file, line, name, None, path, "a template, which is filled in elsewhere")
    return Variable(document.file, line, name, value, path)


def _line(leaf: Leaf, name: str, places: Places) -> int:
    """JSON has no lines; there the text is asked."""
    return leaf.line if leaf.line > 1 else places.of(name)
