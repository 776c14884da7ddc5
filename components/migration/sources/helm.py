"""Values of EMQX's Helm chart: ``emqxConfig`` as the variables that its template makes of it, and the files that stand in it as texts.

The rule kept here: a key is named as the chart names it (``configmap.env.yaml``): blanks and prefix gone, upper case, a dot as two underscores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from components.migration.sources import listed
from components.migration.sources.base import NAME, PREFIX, Document, Places, Reading, Variable
from components.migration.sources.tree import OLD_BOOL, Leaf, Tree, as_text, mappings

CONFIG = "emqxConfig"
FILES = {"emqxAclConfig": "acl.conf", "emqxLoadedPlugins": "loaded_plugins", "emqxLoadedModules": "loaded_modules"}


def recognizes(tree: Tree) -> bool:
    """Whether there are values of this chart in it, be it below the name of a chart that uses it."""
    return any(key in mapping for _, mapping in mappings(tree) for key in (CONFIG, *FILES))


def read(document: Document, tree: Tree, places: Places) -> Reading:
    """Its variables and files."""
    found: list[Variable] = []
    files: list[Document] = []
    for path, mapping in mappings(tree):
        config = mapping.get(CONFIG)
        if isinstance(config, dict):
            found += _variables(document, config, f"{path}.{CONFIG}".lstrip("."), places)
        for key, name in FILES.items():
            leaf = mapping.get(key)
            if isinstance(leaf, Leaf) and leaf.text.strip():
                files.append(Document(f"{document.file}#{name}", leaf.text))
    return Reading(tuple(found), tuple(files))


def _variables(document: Document, config: dict[str, Tree], where: str, places: Places) -> Iterator[Variable]:
    for key, value in config.items():
        name = PREFIX + key.strip().upper().replace("EMQX_", "").replace("EMQX.", "").replace(".", "__")
        if not NAME.fullmatch(name):
            line = value.line if isinstance(value, Leaf) else 1
            why, todo = f"{key} cannot be the name of a variable", "set it in a file of EMQX's"
            yield Variable(document.file, line, "", None, where, why, todo)
        elif isinstance(value, Leaf) and value.kind == "null":
            yield Variable(
                document.file,
                value.line,
                name,
                None,
                where,
                "the chart leaves out what is null",
                "nothing, or write a value",
            )
        elif isinstance(value, Leaf) and value.kind == "other":
            yield Variable(document.file, value.line, name, None, where, listed.NO_TEXT, listed.QUOTE)
        elif isinstance(value, Leaf):
            yield listed.checked(document, name, _text(value), value.line, where)
        else:
            yield listed.checked(document, name, json.dumps(_plain(value)), places.of(key), where)


def _text(leaf: Leaf) -> str:
    """YAML 1.1 has more words for true and false."""
    old = OLD_BOOL.fullmatch(leaf.text) if leaf.plain and leaf.kind == "text" else None
    return as_text(leaf) if old is None else "true" if old[1] else "false"


def _plain(tree: Tree) -> object:
    if isinstance(tree, dict):
        return {name: _plain(one) for name, one in tree.items()}
    if isinstance(tree, list):
        return [_plain(one) for one in tree]
    if tree.kind == "null":
        return None
    return json.loads(as_text(tree)) if tree.kind in ("bool", "int", "float") else tree.text
