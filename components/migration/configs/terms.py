"""The small Erlang term files of 4.x's data directory: ``loaded_plugins`` and ``loaded_modules``, facts that end with a dot and a blank."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.migration.manifest import BadSource

MOST_FACTS = 10_000
"""4.4 has some fifty plugins."""
_FACT = re.compile(
    r"(?:\{\s*'?([a-z][A-Za-z0-9_@]*)'?\s*,\s*(true|false)\s*\}|'?([a-z][A-Za-z0-9_@]*)'?)\s*\.(?:\s+|\Z)", re.ASCII
)
"""A fact and the blanks behind it."""
_COMMENT = re.compile(r"%[^\n]*")


@dataclass(frozen=True)
class Loaded:
    """``{emqx_auth_mnesia, true}.`` or, as 4.0 wrote it, ``emqx_auth_mnesia.``; line from 1."""

    file: str
    line: int
    name: str
    enabled: bool


def parse_loaded(file: str, text: str) -> tuple[Loaded, ...]:
    """Read ``loaded_plugins`` or ``loaded_modules``.

    Raises:
        BadSource: a line that is no such fact, or more of them than any node has.

    """
    facts: list[Loaded] = []
    bare = _COMMENT.sub("", text)
    at = len(bare) - len(bare.lstrip())
    line = 1 + bare.count("\n", 0, at)
    while at < len(bare):
        found = _FACT.match(bare, at)
        if found is None:
            raise BadSource(
                file,
                f"line {line}",
                "no term like {emqx_retainer, true}.",
                "copy the file from the node again, or mend the line",
            )
        if len(facts) == MOST_FACTS:
            seen = f"more than {MOST_FACTS:,} plugins or modules"
            raise BadSource(file, f"line {line}", seen, "copy the file from the node again")
        facts.append(Loaded(file, line, found[1] or found[3], found[2] != "false"))
        line += found[0].count("\n")
        at = found.end()
    return tuple(facts)
