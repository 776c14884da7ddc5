"""Units of systemd and their drop-ins: ``Environment=``, ``EnvironmentFile=``, ``PassEnvironment=``, in the order of their lines.

The rule kept here: an ``EnvironmentFile`` overrides ``Environment``, wherever either stands (systemd.exec), and one that is not given may set anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.migration.manifest import BadSource
from components.migration.sources import dotenv
from components.migration.sources.base import (
    NAME,
    Beside,
    Document,
    Places,
    Reading,
    Variable,
    lines_of_text,
    odd,
    require_size,
)
from components.migration.sources.words import plain, words

_SECTION = re.compile(r"^\[(?:Service|Unit|Install|Container)\]\s*$", re.MULTILINE)
_ENTRY = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_SPECIFIER = re.compile(r"%(.)")


def recognizes(document: Document) -> bool:
    """Whether it has a section of a unit."""
    return _SECTION.search(document.text) is not None


def read(document: Document, beside: Beside) -> Reading:
    """Its variables; those of files last.

    Raises:
        BadSource: a quotation without end.

    """
    require_size(document)
    places = Places(document.text)
    own: list[Variable] = []
    later: list[Variable] = []
    unset: list[Variable] = []
    files: set[str] = set()
    for key, value in _entries(document.text):
        if key == "Environment":
            own = [*own, *_assigned(document, value, places)] if value else []
        elif key == "EnvironmentFile":
            later = [*later, *_of_file(document, value.lstrip("-"), beside, files)] if value else []
        elif key == "PassEnvironment":
            names = [name for name in value.split() if NAME.fullmatch(name)]
            own += [
                Variable(document.file, places.of(one), one, None, "unit", "passed through from the manager")
                for one in names
            ]
        elif key == "UnsetEnvironment":
            gone = {name.partition("=")[0] for name in value.split()}
            unset += [Variable(document.file, 1, name, None) for name in gone]
            own = [one for one in own if one.name not in gone]
    found = [*own, *later]
    spoken = odd(document, [*found, *unset], r"^\s*[#;].*")
    return Reading((*found, *spoken), read_with=frozenset(files))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Key and value of each line, with the lines that it goes on in; comment lines between are left out."""
    kept = "\n".join(line for line in lines_of_text(text) if not line.lstrip().startswith(("#", ";")))
    for line in lines_of_text(re.sub(r"\\\n", " ", kept)):
        found = _ENTRY.fullmatch(line.strip())
        if found:
            yield found[1], found[2].strip()


def _assigned(document: Document, value: str, places: Places) -> Iterator[Variable]:
    """``A=b "C=d e"``: quotes go, dollars and number signs stay, ``%%`` is a per cent sign."""
    try:
        parts = words(value, dollars=False)
    except ValueError:
        seen = "a quotation without end"
        raise BadSource(document.file, f"line {places.of(value.partition('=')[0])}", seen, "mend the line") from None
    for word in parts:
        name, equals, text = plain(word).partition("=")
        if equals and NAME.fullmatch(name):
            known = all(letter == "%" for letter in _SPECIFIER.findall(text))
            why = "" if known else "it has a specifier of systemd in it"
            filled = text.replace("%%", "%") if known else None
            yield Variable(document.file, places.of(name), name, filled, "unit", why)


def _of_file(document: Document, reference: str, beside: Beside, files: set[str]) -> Iterator[Variable]:
    given = beside.find(reference)
    if given is None:
        line = next((n for n, one in enumerate(lines_of_text(document.text), start=1) if reference in one), 1)
        todo = "name that file as one more SOURCE"
        yield Variable(document.file, line, "", None, "unit", f"it reads {reference}, which is not given", todo)
        return
    files.add(given.file)
    yield from dotenv.read(given, "systemd").variables
