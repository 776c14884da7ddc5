"""YAML and JSON texts, document by document, each read as what it says it is; ConfigMaps and Secrets of all given files are seen by all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from components.migration.sources import compose, helm, kubernetes, listed, operator
from components.migration.sources.base import PREFIX, Beside, Document, Places, Reading, Variable, odd
from components.migration.sources.tree import Tree, documents

_YAML = re.compile(
    r"^(?:---|apiVersion[ \t]*:|services[ \t]*:|kind[ \t]*:)|^[ \t]*(?:emqxConfig|emqxAclConfig|emqxLoaded\w+)[ \t]*:"
    r"|^[ \t]*(?:-[ \t]+)?[\"']?EMQX_\w+[\"']?[ \t]*:(?:\s|$)|^[ \t]*-[ \t]+[\"']?EMQX_\w+"
    r"|(?:^[ \t]*(?:-[ \t]+)?|[{,][ \t]*)[\"']?[Nn]ame[\"']?[ \t]*:[ \t]*[\"']?EMQX_|[{,][ \t]*[\"']?EMQX_\w+[\"']?[ \t]*:\s",
    re.MULTILINE,
)
_JSON = re.compile(r"\s*[{\[]")
MARKS = ("services", "apiVersion", "emqxConfig", "emqxAclConfig", "emqxLoaded")


def recognizes(document: Document) -> bool:
    """Whether it has the marks of one of these; JSON where it names a variable of EMQX."""
    if _JSON.match(document.text):
        return PREFIX in document.text or '"apiVersion"' in document.text
    if document.name.endswith((".yml", ".yaml")):
        return PREFIX in document.text or any(mark in document.text for mark in MARKS)
    return _YAML.search(document.text) is not None


def read_all(given: Iterable[Document], beside: Beside) -> list[tuple[Document, Reading]]:
    """Every file with what it sets; what lies in ConfigMaps is read with the file that they lie in.

    Raises:
        BadSource: no YAML, or a value that its reader would refuse.

    """
    objects = kubernetes.Objects()
    parsed = [(document, documents(document), Places(document.text)) for document in given]
    for document, trees, places in parsed:
        for tree in trees:
            kubernetes.collect(document, tree, places, objects)
    readings = {document.file: _one(document, trees, places, beside, objects) for document, trees, places in parsed}
    for variables, files in kubernetes.unused(objects):
        for file in {one.file for one in variables} | {one.file.partition("#")[0] for one in files}:
            old = readings[file]
            readings[file] = Reading((*old.variables, *variables), (*old.files, *files), old.read_with)
    return [(document, _with_odd(document, readings, readings[document.file])) for document, _, _ in parsed]


def _one(document: Document, trees: list[Tree], places: Places, beside: Beside, objects: kubernetes.Objects) -> Reading:
    variables: list[Variable] = []
    files: list[Document] = []
    read_with: frozenset[str] = frozenset()
    for tree in trees:
        reading = _tree(document, tree, places, beside, objects)
        variables += reading.variables
        files += reading.files
        read_with |= reading.read_with
    return Reading(tuple(variables), tuple(files), read_with)


def _tree(document: Document, tree: Tree, places: Places, beside: Beside, objects: kubernetes.Objects) -> Reading:
    if compose.recognizes(tree):
        return compose.read(document, tree, beside, places)
    if operator.recognizes(tree):
        own = operator.read(document, tree)
        return Reading((*own.variables, *kubernetes.read(document, tree, places, objects)), own.files)
    if kubernetes.recognizes(tree):
        return Reading(tuple(kubernetes.read(document, tree, places, objects)))
    if helm.recognizes(tree):
        own = helm.read(document, tree, places)
        return Reading((*own.variables, *kubernetes.read(document, tree, places, objects)), own.files)
    return Reading(tuple(listed.read(document, tree, places)))


def _with_odd(document: Document, readings: dict[str, Reading], own: Reading) -> Reading:
    """Lines that speak of variables which no reading found, in this file or (a ConfigMap's) through another."""
    everywhere = [one for reading in readings.values() for one in reading.variables]
    return Reading((*own.variables, *odd(document, everywhere)), own.files, own.read_with)
