"""Compose files: ``env_file`` and below it ``environment`` of each service, ``${X:-default}`` put in from ``.env`` and other given files.

The rule kept here: ``.env`` is what compose fills a file in from; no container gets it, unless ``env_file`` names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.migration.sources import dotenv, listed
from components.migration.sources.base import NAME, Beside, Document, Places, Reading, Variable
from components.migration.sources.tree import Leaf, Tree, as_text, branch, lines_of, text_at
from components.migration.sources.words import expand

ELSEWHERE = "it is of another service than EMQX"
_MADE_OF = {"image", "build"}


def recognizes(tree: Tree) -> bool:
    """Whether it has services."""
    return bool(_services(tree))


def _services(tree: Tree) -> dict[str, dict[str, Tree]]:
    """By name; in the first format of compose they are the whole document."""
    below = branch(tree, "services")
    if isinstance(below, dict):
        return {name: one for name, one in below.items() if isinstance(one, dict)}
    whole = tree if isinstance(tree, dict) else {}
    named = {name: one for name, one in whole.items() if isinstance(one, dict) and not _MADE_OF.isdisjoint(one)}
    return named if len(named) == len(whole) and any("environment" in one for one in named.values()) else {}


def read(document: Document, tree: Tree, beside: Beside, places: Places) -> Reading:
    """The variables of its services of EMQX.

    Raises:
        BadSource: a file of variables that cannot be read.

    """
    named = _services(tree)
    known, sources = _fill(beside)
    brokers = {name for name, one in named.items() if "emqx" in text_at(one, "image").lower()} or set(named)
    found: list[Variable] = list(_of_others(document, tree, "the file", "include"))
    for name, service in named.items():
        own = [
            *_of_others(document, service, name, "extends"),
            *_files(document, service, name, beside, sources),
            *_environment(document, service, name, places, known),
        ]
        found += own if name in brokers else [one._replace(value=None, why=ELSEWHERE, todo="nothing") for one in own]
    return Reading(tuple(found), read_with=frozenset(sources))


def _of_others(document: Document, tree: Tree, where: str, key: str) -> Iterator[Variable]:
    """``include`` and ``extends`` of another file may set anything."""
    named = branch(tree, key)
    outside = isinstance(named, list) or (isinstance(named, dict) and "file" in named)
    if named is not None and (key == "include" or outside):
        line = min(lines_of(named), default=1)
        todo = "give what `docker compose config` writes: it has everything put together"
        yield Variable(document.file, line, "", None, where, f"{where} takes over what another file says ({key})", todo)


def _fill(beside: Beside) -> tuple[dict[str, str | None], set[str]]:
    """What ``${X}`` is filled in from: given files of plain variables, ``.env`` first; and those that are only for this."""
    known: dict[str, str | None] = {}
    for given in sorted(filter(dotenv.recognizes, beside.documents), key=lambda one: one.name != ".env"):
        for name, value, _ in dotenv.values(given):
            known.setdefault(name, value)
    return known, {given.file for given in beside.named(".env")}


def _files(
    document: Document, service: Mapping[str, Tree], name: str, beside: Beside, sources: set[str]
) -> Iterator[Variable]:
    """``env_file``: one, several, or each with its path and format."""
    listed_files = service.get("env_file")
    for one in listed_files if isinstance(listed_files, list) else [listed_files] if listed_files else []:
        reference = one.text if isinstance(one, Leaf) else text_at(one, "path")
        line = one.line if isinstance(one, Leaf) else 1
        given = beside.find(reference)
        if given is None:
            todo = "name that file as one more SOURCE"
            yield Variable(document.file, line, "", None, name, f"it reads {reference}, which is not given", todo)
        else:
            sources.add(given.file)
            raw = text_at(one, "format") == "raw"
            yield from dotenv.read(given, "docker" if raw else "shell", name).variables


def _environment(
    document: Document, service: Mapping[str, Tree], where: str, places: Places, known: Mapping[str, str | None]
) -> Iterator[Variable]:
    environment = service.get("environment")
    if isinstance(environment, dict):
        for name, value in environment.items():
            if NAME.fullmatch(name):
                yield _filled(_typed(document, name, value, where, places), known)
    elif isinstance(environment, list):
        for leaf in environment:
            if isinstance(leaf, Leaf):
                yield from (_filled(one, known) for one in listed.in_line(document, leaf, where, places))


def _typed(document: Document, name: str, value: Tree, where: str, places: Places) -> Variable:
    if isinstance(value, Leaf) and value.kind not in ("other", "null"):
        return Variable(document.file, value.line, name, as_text(value), where)
    return listed.keyed(document, name, value, where, places)


def _filled(variable: Variable, known: Mapping[str, str | None]) -> Variable:
    """With ``$`` put in; one that is passed through is what ``.env`` says of it."""
    if variable.value is None:
        value = known.get(variable.name)
        return variable if value is None else variable._replace(value=value, why="")
    done = expand(variable.value, known.get, doubled=True)
    if done.text is None:
        return variable._replace(value=None, why=f"it is made of {done.missing}, which is not given")
    return variable._replace(value=done.text)
