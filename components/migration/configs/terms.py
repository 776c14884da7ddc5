"""The small Erlang term files of 4.x's data directory: ``loaded_plugins`` and ``loaded_modules``, one fact to a line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.migration.manifest import BadSource

_FACT = re.compile(r"^\{\s*'?([a-z][A-Za-z0-9_@]*)'?\s*,\s*(true|false)\s*\}\s*\.$|^'?([a-z][A-Za-z0-9_@]*)'?\s*\.$")


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
        BadSource: a line that is no such fact.

    """
    facts = []
    for number, line in enumerate(text.splitlines(), start=1):
        fact = line.split("%", 1)[0].strip()
        if not fact:
            continue
        found = _FACT.match(fact)
        if found is None:
            raise BadSource(
                file,
                f"line {number}",
                "no term like {emqx_retainer, true}.",
                "copy the file from the node again, or mend the line",
            )
        facts.append(Loaded(file, number, found[1] or found[3], found[2] != "false"))
    return tuple(facts)
