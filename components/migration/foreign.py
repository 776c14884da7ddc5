"""What stands on the new colour and did not come from the old one.

The rule: what clients write is told, never refused here; everything else must be factory settings, ours, or configuration that both colours have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.migration.inventory import CLIENT_WRITTEN, Difference, Inventory, Section, Unlisted, compare, some

CONFIGURATION: frozenset[str] = frozenset(
    {
        "authenticators",
        "authorization_sources",
        "authorization_settings",
        "rules",
        "connectors",
        "actions",
        "sources",
        "auto_subscribe",
        "topic_rewrite",
        "topic_metrics",
    }
)
"""Sections that a cluster's own ``emqx.conf`` may fill; the same item as on blue is no foreign one there."""

FACTORY: Mapping[str, frozenset[str]] = {
    "authorization_sources": frozenset({"file"}),
    "authorization_settings": frozenset({"settings"}),
}
"""What a new cluster has; ``$SYS`` messages, bootstrap keys and ``admin`` are not in an inventory at all."""


def foreign(green: Inventory, blue: Inventory, *, ours: bool) -> list[Difference]:
    """What stands on green and did not come from us; empty means that the import may begin.

    ``ours`` says that one of our archives lies on green: then every item that blue has too (by key) may be what our
    interrupted import left. Without it only configuration that equals blue's is accepted. What clients write is
    accepted in either case (``CLIENT_WRITTEN``); ``written_by_clients`` lists it.
    """
    found: list[Difference] = []
    for name, section in green.sections.items():
        if isinstance(section, Unlisted) or (name in CLIENT_WRITTEN and ours):
            continue
        old = blue.sections.get(name)
        known: Mapping[str, int] = old.items if isinstance(old, Section) else {}
        strange = [key for key in section.items if not _expected_on_green(name, key, section, known, ours=ours)]
        if strange:
            detail = "neither factory settings nor from blue" if ours else "green must be empty"
            found.append(Difference(name, "extra", "none of these", some(strange), detail))
    return found


def _expected_on_green(name: str, key: str, section: Section, known: Mapping[str, int], *, ours: bool) -> bool:
    if key in FACTORY.get(name, frozenset()) or (ours and key in known):
        return True
    return name in CONFIGURATION and known.get(key) == section.items[key]


def leftovers(differences: Iterable[Difference]) -> list[Difference]:
    """What only the new colour has of that which clients write: on one that serves nobody it was left by somebody.

    An extra ban locks out, an extra retained message is a command to whoever subscribes.
    """
    return [d for d in differences if d.kind == "extra" and d.section in CLIENT_WRITTEN]


def written_by_clients(green: Inventory, blue: Inventory) -> list[Difference]:
    """Items of ``CLIENT_WRITTEN`` sections that only green has: told, never refused."""
    return leftovers(compare(blue, green, now=0.0))
