"""Files of environment variables (``EMQX_AUTH__MONGO__LOGIN=root``) line by line: they override 4.x's files, so they are read as settings.

``EMQX_`` and ``__`` for each dot (emqx 4.x, "Environment variables"). Lines of shells, ``.env`` files, ``docker run`` and compose files
are known; what is not changed comes out byte for byte as it went in.
"""

from __future__ import annotations

import re
from dataclasses import replace

from components.migration.configs.flat import Conf, Setting, parse

_LINE = re.compile(
    r"""^(\s*(?:(?:export|set|-e|--env|-)\s+)*["']?)EMQX_(\w+)(\s*=\s*|:\s+)(["']?)(.*?)(["']?\s*\\?\s*)$""", re.ASCII
)
_MENTIONED = re.compile(r"\bEMQX_\w+", re.ASCII)
_NAMEABLE = re.compile(r"[\w.]+", re.ASCII)


def read(file: str, text: str) -> Conf:
    """The lines of a text, those that set a variable of EMQX with the setting that it overrides."""
    rows = []
    for row in parse(file, text).rows:
        found = None if row.text.lstrip().startswith("#") else _LINE.match(row.text)
        setting = Setting(file, row.number, key_of(found[2]), found[5]) if found else None
        rows.append(replace(row, setting=setting))
    return Conf(file, tuple(rows))


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
    found = _LINE.match(text)
    if found is None:
        raise ValueError("the line sets no variable")
    name = found[2] if key_of(found[2]) == key else key.upper().replace(".", "__")
    return f"{found[1]}EMQX_{name}{found[3]}{found[4]}{value}{found[6]}"
