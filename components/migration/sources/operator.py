"""Resources of EMQX's Operator: ``config`` of v1beta3, v1beta4 and v2, with the plugins, modules and rules that stand beside it.

The rule kept here: what a resource holds as text (acl, HOCON) is read as the file that the Operator makes of it, and a module's own settings are named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain

from components.migration.sources.base import NAME, Document, Reading, Variable, lines_of_text, name_of
from components.migration.sources.kubernetes import require_text
from components.migration.sources.listed import checked
from components.migration.sources.tree import Leaf, Tree, branch, lines_of, text_at

CONFIGS: tuple[tuple[str, ...], ...] = (
    ("spec", "emqxTemplate", "config"),  # v1beta3
    ("spec", "template", "spec", "emqxContainer", "emqxConfig"),  # v1beta4
    ("spec", "config"),  # EmqxPlugin of both
)
RULES: tuple[tuple[str, ...], ...] = (
    ("spec", "emqxTemplate", "acl"),
    ("spec", "template", "spec", "emqxContainer", "emqxACL"),
)
HOCON: tuple[tuple[str, ...], ...] = (
    ("spec", "config", "data"),
    ("spec", "bootstrapConfig"),
)  # v2beta1 and v2alpha2; v2alpha1
LISTS = (("spec", "emqxTemplate"), ("spec",), ("spec", "template", "spec", "emqxContainer"))
GROUP = "apps.emqx.io/"
MODULE = "the settings of a module are not read from here"


def recognizes(tree: Tree) -> bool:
    """Whether it is of the Operator's group."""
    return text_at(tree, "apiVersion").startswith(GROUP)


def read(document: Document, tree: Tree) -> Reading:
    """Its settings as variables, its texts as files.

    Raises:
        BadSource: a value that the API server would refuse.

    """
    name = text_at(tree, "metadata", "name") or "unnamed"
    where = f"{text_at(tree, 'kind')} {name}"
    variables = [*_settings(document, tree, where), *_plugins(document, tree, where)]
    files = [*_texts(document, tree, name), *_modules(document, tree, name)]
    return Reading((*variables, *_of_modules(document, tree, where), *_old_rules(document, tree, where)), tuple(files))


def _old_rules(document: Document, tree: Tree, where: str) -> Iterator[Variable]:
    """Rules of v1beta1 and v1beta2, which are no text of EMQX's."""
    for path in (*RULES, ("spec", "acl")):
        rules = branch(tree, *path)
        odd = [one for one in rules if not isinstance(one, Leaf)] if isinstance(rules, list) else []
        if odd:
            todo = "give acl.conf of a node, which has them as EMQX reads them"
            line = min(lines_of(odd[0]), default=1)
            yield Variable(
                document.file, line, "", None, where, "rules in a form of the Operator's that is not read", todo
            )


def _settings(document: Document, tree: Tree, where: str) -> Iterator[Variable]:
    if text_at(tree, "kind") == "EMQX":
        return
    for path in CONFIGS:
        config = branch(tree, *path)
        for key, leaf in config.items() if isinstance(config, dict) else ():
            variable = name_of(key) if not NAME.fullmatch(key) else key
            line = leaf.line if isinstance(leaf, Leaf) else 1
            if isinstance(leaf, Leaf) and NAME.fullmatch(variable):
                yield checked(document, variable, require_text(document, key, leaf), line, where)
            else:
                yield Variable(document.file, line, "", None, where, f"{key} cannot be a variable", "set it in a file")


def _plugins(document: Document, tree: Tree, where: str) -> Iterator[Variable]:
    """``EmqxPlugin``, and the list of plugins that older resources have: they are loaded besides what the image loads."""
    listed = (branch(tree, *path, "plugins") for path in LISTS)
    rows = [one for rows in listed if isinstance(rows, list) for one in rows]
    on = [text_at(one, "name") for one in rows if text_at(one, "enable").lower() != "false"]
    names = [text_at(tree, "spec", "pluginName"), *on]
    for name in filter(None, names):
        line = next((n for n, text in enumerate(lines_of_text(document.text), start=1) if name in text), 1)
        yield Variable(document.file, line, "EMQX_LOADED_PLUGINS", name, where)


def _listed_modules(tree: Tree) -> list[Tree]:
    found = [branch(tree, *path, "modules") for path in LISTS]
    return list(chain.from_iterable(one for one in found if isinstance(one, list)))


def _modules(document: Document, tree: Tree, name: str) -> Iterator[Document]:
    """As ``loaded_modules``: terms in the open source edition, JSON in Enterprise."""
    rows = [(text_at(one, "name"), text_at(one, "enable").lower() == "true") for one in _listed_modules(tree)]
    if rows and text_at(tree, "kind") == "EmqxEnterprise":
        text = json.dumps([{"name": module, "enable": enabled} for module, enabled in rows])
        yield Document(f"{document.file}#{name}/loaded_modules", text)
    elif rows:
        text = "".join(f"{{{module}, {str(enabled).lower()}}}.\n" for module, enabled in rows)
        yield Document(f"{document.file}#{name}/loaded_modules", text)


def _of_modules(document: Document, tree: Tree, where: str) -> Iterator[Variable]:
    for one in _listed_modules(tree):
        configs = branch(one, "configs")
        if isinstance(configs, dict) and configs:
            line = min(lines_of(configs), default=1)
            todo = "give the export: it has every module with its settings"
            yield Variable(document.file, line, "", None, where, f"{text_at(one, 'name')}: {MODULE}", todo)


def _texts(document: Document, tree: Tree, name: str) -> Iterator[Document]:
    for path in RULES:
        rules = branch(tree, *path)
        texts = [one.text for one in rules if isinstance(one, Leaf)] if isinstance(rules, list) else []
        if texts:
            yield Document(f"{document.file}#{name}/acl.conf", "\n".join(texts) + "\n")
    for path in HOCON:
        text = text_at(tree, *path)
        if text and text_at(tree, "kind") == "EMQX":
            yield Document(f"{document.file}#{name}/emqx.conf", text)
