"""Manifests of Kubernetes: ``env`` and ``envFrom`` of any container, with the ConfigMaps and Secrets that are given beside it.

The rule kept here: a value that stands in an object which is not given is not known, and an object given alone is not passed over.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from components.migration.manifest import BadSource
from components.migration.sources.base import NAME, Document, Places, Variable
from components.migration.sources.listed import checked
from components.migration.sources.tree import OLD_BOOL, Leaf, Tree, branch, mappings, text_at

_REFERENCE = re.compile(r"\$(\$)?\(([\w.-]+)\)", re.ASCII)
_FILE = re.compile(
    r"(?:emqx[\w.]*|acl|base|cluster|psk|ssl_dist)\.(?:conf|hocon|txt)|loaded_(?:plugins|modules)|init\.psk", re.ASCII
)
ELSEWHERE = "it is of another container than EMQX"
LISTS = (("envFrom", "env"), ("extraEnvFrom", "extraEnv"))


@dataclass(frozen=True)
class Object:
    """A ConfigMap or a Secret: its entries, and where it stands."""

    document: Document
    places: Places
    entries: Mapping[str, str | None]
    lines: Mapping[str, int]


@dataclass
class Objects:
    """All that are given, by kind and name; ``used`` are those that a container names."""

    by_name: dict[tuple[str, str], Object] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def find(self, kind: str, name: str) -> Object | None:
        """The object, which from now on counts as used."""
        self.used.add((kind, name))
        return self.by_name.get((kind, name))


def recognizes(tree: Tree) -> bool:
    """Whether it says its kind."""
    return bool(text_at(tree, "apiVersion")) and bool(text_at(tree, "kind"))


def collect(document: Document, tree: Tree, places: Places, objects: Objects) -> None:
    """Keep a ConfigMap or Secret, in a list too."""
    items = branch(tree, "items") if text_at(tree, "kind").endswith("List") else [tree]
    for one in items if isinstance(items, list) else []:
        kind = text_at(one, "kind")
        if kind in ("ConfigMap", "Secret"):
            entries, lines = _entries(document, one, kind)
            objects.by_name[kind, text_at(one, "metadata", "name")] = Object(document, places, entries, lines)


def _entries(document: Document, tree: Tree, kind: str) -> tuple[dict[str, str | None], dict[str, int]]:
    entries: dict[str, str | None] = {}
    lines: dict[str, int] = {}
    for part in ("data", "stringData") if kind == "Secret" else ("data",):
        below = branch(tree, part)
        for name, leaf in below.items() if isinstance(below, dict) else ():
            if not isinstance(leaf, Leaf):
                continue
            value = require_text(document, name, leaf)
            entries[name] = _decoded(value) if (kind, part) == ("Secret", "data") else value
            lines[name] = leaf.line
    return entries, lines


def require_text(document: Document, name: str, leaf: Leaf) -> str:
    """The text of a leaf; the API server takes nothing else.

    Raises:
        BadSource: a number, a truth value or nothing.

    """
    if leaf.kind not in ("text", "null") or (leaf.plain and OLD_BOOL.fullmatch(leaf.text)):
        seen = f"{name} is no text: Kubernetes refuses a number or a truth value here"
        raise BadSource(document.file, f"line {leaf.line}", seen, "write it in quotes")
    return leaf.text


def _decoded(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, ValueError):
        return None


def read(document: Document, tree: Tree, places: Places, objects: Objects) -> Iterator[Variable]:
    """The variables of every container in it.

    Raises:
        BadSource: a value that Kubernetes would refuse.

    """
    images = [text_at(mapping, "image").lower() for _, mapping in mappings(tree)]
    has_broker = any("emqx" in image for image in images)
    for path, mapping in mappings(tree):
        where = f"{text_at(mapping, 'name')} {path}".strip()
        image = text_at(mapping, "image").lower()
        is_other = has_broker and bool(image) and "emqx" not in image
        for from_key, own_key in LISTS:
            above, own = mapping.get(from_key), mapping.get(own_key)
            if isinstance(above, list) or isinstance(own, list):
                found = _container(document, (above, own), where, places, objects)
                yield from (
                    one._replace(value=None, why=ELSEWHERE, todo="nothing") if is_other else one for one in found
                )


def _container(
    document: Document, lists: tuple[Tree | None, Tree | None], where: str, places: Places, objects: Objects
) -> Iterator[Variable]:
    known: dict[str, str | None] = {}
    above, own = lists
    for entry in above if isinstance(above, list) else []:
        for one, name in _from_object(document, entry, where, objects):
            known[name] = one.value
            yield one
    for entry in own if isinstance(own, list) else []:
        name = text_at(entry, "name")
        one = _entry(document, entry, name, where, places, objects, known)
        known[name] = one.value
        if NAME.fullmatch(name):
            yield one


def _from_object(document: Document, entry: Tree, where: str, objects: Objects) -> Iterator[tuple[Variable, str]]:
    """``envFrom``: each entry of an object is a variable, with a prefix if one is said."""
    for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
        name = text_at(entry, key, "name")
        if not name:
            continue
        given, line = objects.find(kind, name), _line(entry)
        if given is None:
            todo = f"give the {kind} {name} (kubectl get -o yaml) as one more SOURCE"
            yield (
                Variable(
                    document.file, line, "", None, where, f"it takes all of {kind} {name}, which is not given", todo
                ),
                "",
            )
            continue
        prefix = text_at(entry, "prefix")
        for own, value in given.entries.items():
            if NAME.fullmatch(prefix + own):
                why = "" if value is not None else "no text in base64"
                yield Variable(given.document.file, given.lines[own], prefix + own, value, where, why), prefix + own


def _line(entry: Tree) -> int:
    below = branch(entry, "configMapRef", "name") or branch(entry, "secretRef", "name")
    return below.line if isinstance(below, Leaf) else 1


def _entry(
    document: Document,
    entry: Tree,
    name: str,
    where: str,
    places: Places,
    objects: Objects,
    known: Mapping[str, str | None],
) -> Variable:
    """One entry of ``env``: its value, or where that stands."""
    leaf, origin = branch(entry, "value"), branch(entry, "valueFrom")
    line = leaf.line if isinstance(leaf, Leaf) and leaf.line > 1 else places.of(name)
    if origin is None:
        text = require_text(document, name, leaf) if isinstance(leaf, Leaf) and NAME.fullmatch(name) else ""
        return _referred(checked(document, name, text, line, where), known)
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        of = text_at(origin, key, "name")
        if of:
            given = objects.find(kind, of)
            value = given.entries.get(text_at(origin, key, "key")) if given else None
            why = "" if value is not None else f"it stands in {kind} {of}, which is not given"
            return Variable(document.file, line, name, value, where, why)
    return Variable(document.file, line, name, None, where, "Kubernetes fills it in (valueFrom)")


def _referred(variable: Variable, known: Mapping[str, str | None]) -> Variable:
    """``$(X)`` of a variable above it; ``$$(X)`` is a text, and so is the name of one that nobody sets."""
    text = variable.value or ""
    unknown = [
        name for doubled, name in _REFERENCE.findall(text) if not doubled and name in known and known[name] is None
    ]
    if unknown:
        return variable._replace(value=None, why=f"it is made of {unknown[0]}, which is not known")

    def put(found: re.Match[str]) -> str:
        return found[0][1:] if found[1] else known.get(found[2]) or found[0]

    return variable if variable.value is None else variable._replace(value=_REFERENCE.sub(put, text))


def unused(objects: Objects) -> Iterator[tuple[list[Variable], list[Document]]]:
    """Objects of which no given container speaks: their variables of EMQX, and files of EMQX that lie in any of them."""
    for key, one in objects.by_name.items():
        variables = [
            Variable(
                one.document.file,
                one.lines[name],
                name,
                value,
                f"{key[0]} {key[1]}",
                "" if value is not None else "no text in base64",
            )
            for name, value in one.entries.items()
            if key not in objects.used and NAME.fullmatch(name)
        ]
        files = [
            Document(f"{one.document.file}#{name}", value)
            for name, value in one.entries.items()
            if value is not None and _FILE.fullmatch(name)
        ]
        yield variables, files
