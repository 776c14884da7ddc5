"""Scripts and Makefiles: assignments, ``export``, and the ``-e``, ``--env`` and ``--env-file`` of what starts a container.

The rule kept here: a value is read where a shell would set it; the words of an ``echo`` set nothing and are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.migration.manifest import BadSource
from components.migration.sources import dotenv
from components.migration.sources.base import (
    NAME,
    PREFIX,
    Beside,
    Document,
    Places,
    Reading,
    Variable,
    lines_of_text,
    odd,
    require_size,
)
from components.migration.sources.words import commands, expand, plain

_ASSIGNED = re.compile(r"[A-Za-z_]\w*=", re.ASCII | re.DOTALL)
_OPTION = re.compile(r"(?:-e|--env)(?:=|$)|-e(?=[A-Za-z_])")
_COMBINED = re.compile(r"-[a-zA-Z]+e$")
"""``-ite NAME=value``."""
_SETTERS = frozenset({"export", "env", "set", "declare", "typeset", "local", "readonly", "sudo", "exec", "-x"})
_SPOKEN = re.compile(
    r"(?:^|[\s\"'])(?:-e|--env)[ \t=]?[\"']?EMQX_|^[ \t]*(?:export|set|env|sudo|exec)[ \t]+[\"']?EMQX_|^[ \t]*EMQX_\w+=",
    re.MULTILINE,
)
_ENGINES, _VERBS = ("docker ", "podman ", "nerdctl "), (" run", " create", " exec")
_MAKE_NAME = re.compile(r"(?:GNU)?[Mm]akefile.*|.*\.mk")
_RULE = re.compile(r"^[\w.-]+:[^=\n]*\n(?:\t.*\n)+", re.MULTILINE)
_MAKE_SET = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*[:?+]{0,2}=\s*(.*)$", re.ASCII)


def is_makefile(document: Document) -> bool:
    """Whether it is one that speaks of EMQX, by its name or by rules whose recipes start with a tab."""
    if PREFIX not in document.text and "--env-file" not in document.text:
        return False
    return bool(_MAKE_NAME.fullmatch(document.name) or _RULE.search(document.text + "\n"))


def recognizes(document: Document) -> bool:
    """Whether it starts a container, or sets a variable of EMQX as shells do."""
    if PREFIX not in document.text and "--env-file" not in document.text:
        return False
    return (
        bool(_SPOKEN.search(document.text)) or is_makefile(document) or any(map(_starts, lines_of_text(document.text)))
    )


def _starts(line: str) -> bool:
    """Whether it starts a container."""
    return any(engine in line for engine in _ENGINES) and any(verb in line for verb in _VERBS)


def read(document: Document, beside: Beside) -> Reading:
    """What it sets, in its order.

    Raises:
        BadSource: a quotation without end.

    """
    require_size(document)
    text = re.sub(r"^@?(?:rem|REM|::)\b.*$", "", document.text.replace("\r\n", "\n"), flags=re.MULTILINE)
    known: dict[str, str | None] = {}
    if is_makefile(document):
        text = _recipes(text, known)
    try:
        script = commands(text)
    except ValueError:
        raise BadSource(document.file, "", "a quotation without end", "mend the file") from None
    places = Places(document.text)
    found: list[Variable] = []
    files: set[str] = set()
    for number, command in enumerate(script, start=1):
        below: list[Variable] = []  # of --env-file, which -e overrides wherever it stands
        own: list[Variable] = []
        for kind, word in _set_by(command):
            if kind == "file":
                below += _of_file(document, word, beside, known, files)
            else:
                own += _one(document, word, known, places, passed=kind == "option")
        where = f"command {number}" if any(kind != "assignment" for kind, _ in _set_by(command)) else ""
        found += [one._replace(where=where) for one in (*below, *own)]
    return Reading((*found, *odd(document, found)), read_with=frozenset(files))


def _set_by(command: list[str]) -> Iterator[tuple[str, str]]:
    """What the words of a command set: ``assignment``, ``option`` of a container, or ``file`` of variables."""
    at, leading = 0, True
    while at < len(command):
        word = command[at].lstrip("@+") if at == 0 else command[at]
        option = _OPTION.match(word) or (_COMBINED.match(word) if PREFIX in "".join(command[at + 1 : at + 2]) else None)
        if word.startswith("--env-file"):
            _, equals, name = word.partition("=")
            yield "file", name if equals else command[at + 1] if at + 1 < len(command) else ""
            at, leading = at + (1 if equals else 2), False
            continue
        if option:
            value = word[option.end() :]
            if not value and not word.endswith("="):
                at += 1
                value = command[at] if at < len(command) else ""
            yield "option", value
            leading = False
        elif leading and _ASSIGNED.match(word):
            yield "assignment", word
        else:
            leading = leading and word in _SETTERS
        at += 1


def _one(
    document: Document, word: str, known: dict[str, str | None], places: Places, *, passed: bool
) -> Iterator[Variable]:
    name, equals, raw = word.partition("=")
    value = expand(raw, known.get) if equals else None
    text = (
        plain(value.text) if value is not None and value.text is not None else known.get(name) if not equals else None
    )
    if not passed or equals:
        known[name] = text
    if NAME.fullmatch(name):
        why = (
            f"made of {value.missing}, which is not in this file"
            if value
            else "passed through from where it is started"
        )
        yield Variable(document.file, places.of(name), name, text, "", "" if text is not None else why)


def _of_file(
    document: Document, raw: str, beside: Beside, known: dict[str, str | None], files: set[str]
) -> Iterator[Variable]:
    """The variables of a ``--env-file``, as ``docker run`` reads it."""
    name = expand(raw, known.get).text
    given = beside.find(plain(name)) if name else None
    if given is None:
        line = next((n for n, one in enumerate(lines_of_text(document.text), start=1) if "--env-file" in one), 1)
        why = f"it reads {plain(name) if name else 'a file'}, which is not given"
        yield Variable(document.file, line, "", None, why=why, todo="name that file as one more SOURCE")
        return
    files.add(given.file)
    yield from dotenv.read(given, "docker").variables


def _recipes(text: str, known: dict[str, str | None]) -> str:
    """The recipes of a Makefile as a script: its own variables put in, ``$$`` as one dollar."""
    lines: list[str] = []
    for line in re.sub(r"\\\n[ \t]*", " ", text).split("\n"):
        found = None if line.startswith("\t") else _MAKE_SET.match(line)
        if found:
            value = re.sub(r"\s+#.*", "", found[2]).strip()
            known[found[1]] = _made(value, known)
            if NAME.fullmatch(found[1]) and line.startswith("export"):
                lines.append(f"export {dotenv.written(found[1], known[found[1]] or '')}")
        elif line.startswith("\t"):
            lines.append(_made(line[1:].lstrip("@-+ "), known))
    return "\n".join(lines)


def _made(text: str, known: dict[str, str | None]) -> str:
    """``$(X)`` and ``${X}`` of make; what is not set in the file stays a variable, which nobody knows."""

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1] or found[2]
        value = known.get(name)
        return f"${{{name}}}" if value is None else value

    return re.sub(r"\$\$|\$\((\w+)\)|\$\{(\w+)\}", put, text)
