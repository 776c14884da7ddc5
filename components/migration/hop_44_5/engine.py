"""What rules, resources and consumers are written into, and where 5.x has no place for one.

The rule kept here: a name is never taken twice, and a kind that the target does not have is left out and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from components.migration.hop_44_5.recipes import Recipe
from components.migration.hop_44_5.source import Options
from components.migration.hop_44_5.values import filled

Json = dict[str, Any]
SHAPES_SINCE = (5, 6)
ONE_EDITION_SINCE = (5, 9)
ANEW = "make it anew on green"


@dataclass
class Engine:
    """What is built: the roots ``rule_engine``, ``connectors``, ``actions``, ``sources``."""

    rules: Json = field(default_factory=dict)
    connectors: Json = field(default_factory=dict)
    actions: Json = field(default_factory=dict)
    sources: Json = field(default_factory=dict)
    names: dict[str, tuple[Recipe, str, Json]] = field(
        default_factory=dict
    )  # resource id -> recipe, connector, configuration
    missing: dict[str, str] = field(default_factory=dict)  # resource id -> why it is not there

    def config(self) -> Json:
        """The roots that are not empty."""
        roots = {"connectors": self.connectors, "actions": self.actions, "sources": self.sources}
        return filled(roots) | ({"rule_engine": {"rules": self.rules}} if self.rules else {})


def unavailable(kind: str, options: Options, target: tuple[int, int], *, community: bool) -> str:
    """Why the target has no such connector, or nothing; ``community``: the open source edition has it too."""
    if target < SHAPES_SINCE:
        return "connectors, actions and sources have their shape since 5.6; choose 5.6 or newer"
    if options.edition == "ce" and not community and target < ONE_EDITION_SINCE:
        return f"{kind} is not in the open source edition"
    return ""
