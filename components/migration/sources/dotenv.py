"""Files of ``NAME=value`` lines in the three dialects that readers of such files have: compose and shells, ``docker run``, systemd.

The rule kept here: the one who reads the file decides what quotes, comments and dollars in it mean.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from dotenv.parser import parse_stream

from components.migration.manifest import BadSource
from components.migration.sources.base import (
    NAME,
    ODD,
    ODD_TODO,
    PREFIX,
    Document,
    Reading,
    Variable,
    lines_of_text,
    odd,
    require_size,
)
from components.migration.sources.words import DOLLAR, expand, plain, words

Dialect = Literal["shell", "docker", "systemd"]
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*=", re.ASCII)
_COMMANDS = re.compile(r"^\s*(?:export\s[^'\"\n]*;|[^'\"\n]*;\s*export\s)")
"""Several commands in one line: a shell makes two of what the other readers take for one value."""
_PLAIN_VALUE = re.compile(r"[\w@%+,./:;<>()\[\]{}*?!~^&|=-]*", re.ASCII)


class Binding(NamedTuple):
    """One piece of the file: its text as it stands, its first line, and what it sets; no name for comments and blank lines."""

    original: str
    line: int
    name: str = ""
    value: str | None = None


def recognizes(document: Document) -> bool:
    """Whether all its lines are ``NAME=value``, blank or comments, and one of them is a variable of EMQX, or it is called ``.env``."""
    named = document.name == ".env" or document.name.endswith(".env")
    lines = [line for line in lines_of_text(document.text) if line.strip() and not line.lstrip().startswith("#")]
    if not lines or (not named and PREFIX not in document.text):
        return False
    if document.name.endswith((".sh", ".bash")) or document.text.startswith("#!") or _is_script(document, lines):
        return False
    first = _LINE.match(lines[0])
    return first is not None and (named or first[1].startswith(PREFIX) or first[1].isupper())


def _is_script(document: Document, lines: list[str]) -> bool:
    """Lines with ``export`` in words that only a shell puts together, such as ``'it'"'"'s'``."""
    exports = lines[0].startswith("export ") and "EMQX_" in document.text
    return exports and any(
        one.error and _is_spoken(one.original.string) for one in parse_stream(io.StringIO(document.text))
    )


def bindings(document: Document) -> Iterator[Binding]:
    """All of the file, piece by piece, as compose and shells read it; ``${X}`` in values is not yet looked at."""
    require_size(document)
    for one in parse_stream(io.StringIO(document.text)):
        text = one.original.string
        line = one.original.line + text.count("\n", 0, len(text) - len(text.lstrip()))
        value = one.value
        if value is not None and _is_single(text):
            value = value.replace("$", DOLLAR)
        yield Binding(text, line, "" if one.error else one.key or "", value)


def _is_single(original: str) -> bool:
    return original.partition("=")[2].lstrip().startswith("'")


def values(document: Document, dialect: Dialect = "shell") -> Iterator[tuple[str, str | None, int]]:
    """Name, value and line of each variable; None where it is passed through, or made of what is not given.

    Raises:
        BadSource: a quotation without end, as systemd reads it.

    """
    if dialect == "shell":
        known: dict[str, str | None] = {}
        for one in bindings(document):
            if one.name:
                whole = None if _COMMANDS.search(one.original) else one.value
                value = None if whole is None else expand(whole, known.get).text
                known[one.name] = None if value is None else plain(value)
                yield one.name, known[one.name], one.line
        return
    for number, line in enumerate(lines_of_text(document.text), start=1):
        if line.strip() and not line.lstrip().startswith(("#", ";")):
            name, equals, rest = line.partition("=")
            name, value = name.strip(), rest if dialect == "docker" else _unit_value(document, number, rest)
            yield name, value if equals else None, number


def _unit_value(document: Document, number: int, text: str) -> str:
    """What systemd makes of it: it takes quotes away, and takes no dollar for anything."""
    try:
        return plain(" ".join(words(text, dollars=False)))
    except ValueError:
        raise BadSource(document.file, f"line {number}", "a quotation without end", "mend the line") from None


def read(document: Document, dialect: Dialect = "shell", where: str = "") -> Reading:
    """Its variables of EMQX, and lines that speak of one and set none.

    Raises:
        BadSource: a quotation without end, as systemd reads it.

    """
    passed = "its value is passed through, or made of what is not given"
    found = [
        Variable(document.file, line, name, value, where, "" if value is not None else passed)
        for name, value, line in values(document, dialect)
        if NAME.fullmatch(name)
    ]
    no_lines = [one.line for one in bindings(document) if not one.name and _is_spoken(one.original)]
    unread = {one.line: one for one in odd(document, found)}
    unread |= {line: Variable(document.file, line, "", None, why=ODD, todo=ODD_TODO) for line in no_lines}
    return Reading((*found, *unread.values()))


def _is_spoken(text: str) -> bool:
    return PREFIX in text and not text.lstrip().startswith("#")


def written(name: str, value: str) -> str:
    """``NAME=value`` as it is read back; in single quotes where a letter would be taken for more than itself."""
    if _PLAIN_VALUE.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'"
