"""Files of environment variables (``EMQX_AUTH__MONGO__LOGIN=root``) line by line: they override 4.x's files, so they are read as settings.

``EMQX_`` and ``__`` for each dot (emqx 4.x, "Environment variables"). Lines of shells, ``.env`` files, ``docker run`` and compose files
are known; what is not changed comes out byte for byte as it went in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from components.migration.configs.flat import Conf, Setting, parse
from components.migration.configs.terms import Loaded

_LINE = re.compile(r"""^(\s*(?:(?:export|set|-e|--env|-)\s+)*["']?)EMQX_(\w+)(\s*=\s*|:\s+)(.*)$""", re.ASCII)
_MENTIONED = re.compile(r"\bEMQX_\w+", re.ASCII)
_NAMEABLE = re.compile(r"[\w.]+", re.ASCII)


class _Line(NamedTuple):
    """A line that sets a variable; all its parts together are the line."""

    before: str
    name: str
    equals: str
    value: str
    after: str


def _split(text: str) -> _Line | None:
    """The parts of a line, without the quotes around its value and the backslash with which a shell goes on."""
    found = _LINE.match(text)
    if found is None:
        return None
    before, name, equals, rest = found.groups()
    value = rest.rstrip().removesuffix("\\").rstrip()
    opened = value[:1] if value[:1] in ('"', "'") else ""
    closing = opened or before[-1:]
    if closing in ('"', "'") and value.endswith(closing) and len(value) > len(opened):
        value = value[:-1]
    return _Line(before, name, equals + opened, value[len(opened) :], rest[len(value) :])


def read(file: str, text: str) -> Conf:
    """The lines of a text, those that set a variable of EMQX with the setting that it overrides."""
    rows = []
    for row in parse(file, text).rows:
        line = None if row.text.lstrip().startswith("#") else _split(row.text)
        setting = Setting(file, row.number, key_of(line.name), line.value) if line else None
        rows.append(replace(row, setting=setting))
    return Conf(file, tuple(rows))


def loads(file: str, text: str, what: str = "loaded_plugins") -> tuple[Loaded, ...]:
    """What ``EMQX_LOADED_PLUGINS`` (``EMQX_LOADED_MODULES``) makes the image switch on, besides what the node's own file says."""
    return tuple(
        Loaded(file, setting.line, name, True)
        for setting in read(file, text).settings
        if setting.key == what
        for name in re.findall(r"\w+", setting.value, re.ASCII)
    )


def key_of(name: str) -> str:
    """``auth.mongo.login`` of ``AUTH__MONGO__LOGIN``."""
    return name.lower().replace("__", ".")


def mentions(text: str) -> bool:
    """Whether a line speaks of a variable of EMQX, in whatever form."""
    return not text.lstrip().startswith("#") and _MENTIONED.search(text) is not None


def is_nameable(key: str) -> bool:
    """Whether a setting can be a variable at all: ``content-type`` cannot."""
    return _NAMEABLE.fullmatch(key) is not None


def rewritten(text: str, key: str, value: str) -> str:
    """The line with another variable and value, its quotes and blanks kept.

    Raises:
        ValueError: the line sets no variable.

    """
    line = _split(text)
    if line is None:
        raise ValueError("the line sets no variable")
    name = line.name if key_of(line.name) == key else key.upper().replace(".", "__")
    return f"{line.before}EMQX_{name}{line.equals}{value}{line.after}"
