"""``ENV`` of a Dockerfile, both forms, with ``ARG`` defaults put in; a backslash goes on in the next line, comment lines between are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.migration.manifest import BadSource
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
from components.migration.sources.words import expand, plain, words

_FIRST = re.compile(r"(FROM|ARG|ENV)\s", re.IGNORECASE)
_PAIR = re.compile(r"[A-Za-z_]\w*=", re.ASCII)


def recognizes(document: Document) -> bool:
    """Whether its first instruction is FROM, ARG, or ENV of a variable of EMQX."""
    first = next(
        (line.strip() for line in lines_of_text(document.text) if line.strip() and not line.lstrip().startswith("#")),
        "",
    )
    found = _FIRST.match(first)
    return found is not None and "=>" not in first and (found[1].upper() != "ENV" or "EMQX_" in document.text)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Word and rest of each instruction, its lines joined."""
    kept = "\n".join(line for line in lines_of_text(text) if not line.lstrip().startswith("#"))
    for line in lines_of_text(re.sub(r"\\[ \t]*\n", "", kept)):
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def read(document: Document, _beside: Beside) -> Reading:
    """The variables of its last stage are those of all stages: which is started is not in the file.

    Raises:
        BadSource: a quotation without end.

    """
    require_size(document)
    places = Places(document.text)
    known: dict[str, str | None] = {}
    found: list[Variable] = []
    for word, rest in _instructions(document.text):
        if word not in ("ENV", "ARG"):
            continue
        try:
            pairs = _pairs(rest)
        except ValueError:
            place = f"line {places.of(rest.partition('=')[0].split(' ')[0])}"
            raise BadSource(document.file, place, "a quotation without end", "mend the line") from None
        given = dict(known)  # all pairs of one instruction see what was there before it
        for name, raw in pairs:
            value = expand(raw, given.get) if raw is not None else None
            known[name] = plain(value.text) if value is not None and value.text is not None else None
            if word == "ENV" and NAME.fullmatch(name):
                why = (
                    ""
                    if known[name] is not None
                    else f"made of {value.missing if value else name}, which is given at the build"
                )
                found.append(Variable(document.file, places.of(name), name, known[name], "image", why))
    return Reading((*found, *odd(document, found)))


def _pairs(rest: str) -> list[tuple[str, str | None]]:
    """``A=b C="d e"``, or ``A the rest is its value``."""
    if _PAIR.match(rest):
        return [(name, value) for name, _, value in (word.partition("=") for word in words(rest) if "=" in word)]
    name, _, value = rest.partition(" ")
    whole = "".join(words(re.sub(r"(\s)", r"\\\1", value.strip())))
    return [(name, whole if value else None)]
