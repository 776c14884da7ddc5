"""YAML and JSON as trees whose leaves know their line and their type; PyYAML reads, nothing is constructed.

The rule kept here: a leaf keeps its text as written, so that each reader can say what *it* makes of an unquoted ``off`` or ``5.10``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import yaml

from components.migration.manifest import BadSource
from components.migration.sources.base import Document, require_size

Kind = Literal["text", "bool", "int", "float", "null", "other"]
MOST_DEPTH = 60
MOST_NODES = 200_000
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+)")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
"""511 or 777: the readers do not agree."""
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TEXT = "tag:yaml.org,2002:str"
_RESOLVER = yaml.resolver.Resolver()
OLD_BOOL = re.compile(r"(?i)(yes|on)|(no|off)")
"""What Kubernetes and Helm, with YAML 1.1, take for true and false besides; compose does not."""


@dataclass(frozen=True)
class Leaf:
    """A scalar: its text, its type, its line from 1, and whether it stands without quotes."""

    text: str
    kind: Kind
    line: int
    plain: bool = False


Tree = Leaf | dict[str, "Tree"] | list["Tree"]


def as_text(leaf: Leaf) -> str:
    """What a program in Go prints of a typed value: ``5.1`` of ``5.10``, ``true`` of ``True``."""
    if leaf.kind == "bool":
        return leaf.text.lower()
    if leaf.kind == "int":
        return str(int(leaf.text.replace("_", ""), 0))
    if leaf.kind == "float":
        return _printed(float(leaf.text))
    return leaf.text


def _printed(value: float) -> str:
    """As ``%v`` of Go: no ``.0``, an exponent of two digits from 1e21 on."""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def documents(document: Document) -> list[Tree]:
    """The documents of a YAML text, or of a JSON one, which is YAML but for escapes and speed.

    Raises:
        BadSource: it is neither, or too deep, or refers to itself.

    """
    require_size(document)
    if document.text.lstrip()[:1] in "{[":
        try:
            return [_of_json(json.loads(document.text), 0)]
        except (ValueError, RecursionError):
            pass  # flow style of YAML begins alike
    again = "give what `helm template` or `docker compose config` writes, or mend the line"
    try:
        loader = yaml.CSafeLoader(document.text)
        try:
            nodes = []
            while loader.check_node():
                nodes.append(loader.get_node())
        finally:
            loader.dispose()
        reader = _Reader()
        return [reader.tree(node, 0) for node in nodes if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else ""
        raise BadSource(document.file, place, "no YAML", again) from None
    except (yaml.YAMLError, _DeepError, RecursionError, ValueError):
        raise BadSource(
            document.file, "", "no YAML that a person wrote (too deep, or it refers to itself)", again
        ) from None


class _DeepError(Exception):
    """Nested deeper, or larger once its aliases are put in, than anybody writes."""


def _of_json(value: object, depth: int) -> Tree:
    if depth > MOST_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {str(key): _of_json(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_of_json(one, depth + 1) for one in value]
    if isinstance(value, str):
        return Leaf(value, "text", 1)
    kind: Kind = (
        "null" if value is None else "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"
    )
    return Leaf("" if value is None else json.dumps(value), kind, 1)


class _Reader:
    """Nodes as trees; what aliases repeat is counted each time."""

    def __init__(self) -> None:
        self._count = 0

    def tree(self, node: yaml.Node, depth: int) -> Tree:
        """One node and what is below it."""
        self._count += 1
        if depth > MOST_DEPTH or self._count > MOST_NODES:
            raise _DeepError
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.tree(one, depth + 1) for one in node.value]
        return Leaf(str(node.value), _kind(node), node.start_mark.line + 1, _is_plain(node))

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Tree]:
        merged: dict[str, Tree] = {}
        own: dict[str, Tree] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                below = self.tree(value, depth + 1)
                for one in reversed(below if isinstance(below, list) else [below]):
                    merged |= one if isinstance(one, dict) else {}
            else:
                own[str(key.value) if isinstance(key, yaml.ScalarNode) else ""] = self.tree(value, depth + 1)
        return merged | own


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style


def _kind(node: yaml.Node) -> Kind:
    if not node.tag.startswith("tag:yaml.org,2002:"):
        return "other"  # !Ref, !Sub, !vault
    text = str(node.value)
    resolved = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's
    if not _is_plain(node) or (node.tag == _TEXT and resolved != _TEXT):  # "5.10" and !!str 5.10
        return "text"
    kinds: tuple[tuple[re.Pattern[str], Kind], ...] = (
        (_OCTAL, "other"),
        (_BOOL, "bool"),
        (_NULL, "null"),
        (_INT, "int"),
        (_FLOAT, "float"),
    )
    kind: Kind = next((one for pattern, one in kinds if pattern.fullmatch(text)), "text")
    # Of 1e3 readers of YAML 1.1 and of 1.2 do not make the same.
    is_disputed = resolved.endswith(":timestamp") or (kind in ("int", "float") and resolved == _TEXT)
    return "other" if is_disputed else kind


def lines_of(tree: Tree) -> Iterator[int]:
    """The lines of its leaves."""
    if isinstance(tree, Leaf):
        yield tree.line
    else:
        for one in tree.values() if isinstance(tree, dict) else tree:
            yield from lines_of(one)


def branch(tree: Tree | None, *path: str) -> Tree | None:
    """What stands at a path of keys."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def text_at(tree: Tree | None, *path: str) -> str:
    """The text of the leaf at a path; empty where there is none."""
    found = branch(tree, *path)
    return found.text if isinstance(found, Leaf) else ""


def mappings(tree: Tree, path: str = "") -> Iterator[tuple[str, dict[str, Tree]]]:
    """Every mapping at any depth with its path."""
    if isinstance(tree, dict):
        yield path, tree
        for name, one in tree.items():
            yield from mappings(one, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for at, one in enumerate(tree):
            yield from mappings(one, f"{path}[{at}]")
