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
from components.migration.sources.base import NAME, PREFIX, Document, Reading, Variable, require_size
from components.migration.sources.words import DOLLAR, expand, plain, words

Dialect = Literal["shell", "docker", "systemd"]
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*=", re.ASCII)
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
    lines = [line for line in document.text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or (not named and PREFIX not in document.text):
        return False
    first = _LINE.match(lines[0])
    return first is not None and (named or first[1].startswith(PREFIX) or first[1].isupper())


def bindings(document: Document) -> Iterator[Binding]:
    """All of the file, piece by piece, as compose and shells read it; ``${X}`` in values is not yet looked at.

    Raises:
        BadSource: a line that is no ``NAME=value``.

    """
    require_size(document)
    for one in parse_stream(io.StringIO(document.text)):
        if one.error:
            line = one.original.line + one.original.string[: -len(one.original.string.lstrip()) or None].count("\n")
            raise BadSource(document.file, f"line {line}", "no NAME=value", "write it as EMQX_NAME=value, one a line")
        blank = len(one.original.string) - len(one.original.string.lstrip())
        line = one.original.line + one.original.string.count("\n", 0, blank)
        value = one.value
        if value is not None and one.key and _is_single(one.original.string):
            value = value.replace("$", DOLLAR)
        yield Binding(one.original.string, line, one.key or "", value)


def _is_single(original: str) -> bool:
    return original.partition("=")[2].lstrip().startswith("'")


def values(document: Document, dialect: Dialect = "shell") -> Iterator[tuple[str, str | None, int]]:
    """Name, value and line of each variable; None where it is passed through, or made of what is not given.

    Raises:
        BadSource: a line that this dialect does not know.

    """
    if dialect == "shell":
        known: dict[str, str | None] = {}
        for one in bindings(document):
            if one.name:
                value = None if one.value is None else expand(one.value, known.get).text
                known[one.name] = None if value is None else plain(value)
                yield one.name, known[one.name], one.line
        return
    for number, line in enumerate(document.text.splitlines(), start=1):
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
    """Its variables of EMQX.

    Raises:
        BadSource: a line that is none.

    """
    return Reading(
        tuple(
            Variable(
                document.file, line, name, value, where, "" if value is not None else "its value is passed through"
            )
            for name, value, line in values(document, dialect)
            if NAME.fullmatch(name)
        )
    )


def written(name: str, value: str) -> str:
    """``NAME=value`` as it is read back; in single quotes where a letter would be taken for more than itself."""
    if _PLAIN_VALUE.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'"
