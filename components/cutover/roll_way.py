"""Whether a roll may be made at all, and which way leads back from it.

The rule: up is what the matrix of routes allows for nodes of one cluster. Down is only what was recorded, patches of one line in one edition
(docs/emqx/rolling.md#going-back), and only where it was asked for by name; every other way back is the backup.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from components.cutover.roll import Release
from components.cutover.routes import CONDITIONS, RefusedRoute, route
from components.cutover.versions import parse

WayBack = Literal["in place", "backup"]
WAY_BACK = "way_back"
"""The acknowledgement by which a roll downwards is asked for."""


def direction(release: Release, declared: Release) -> Literal["up", "down", "none"]:
    """Where a node goes; an edition alone is a way up or down too."""
    if release == declared:
        return "none"
    here, there = parse(release.version), parse(declared.version)
    if here != there:
        return "up" if there > here else "down"
    return "up" if declared.edition == "ee" else "down"


def way_back(release: Release, declared: Release) -> WayBack:
    """How one comes back from ``declared`` to ``release`` once nodes have been rolled."""
    in_one_line = parse(release.version).line == parse(declared.version).line
    return "in place" if in_one_line and release.edition == declared.edition else "backup"


def refusal(release: Release, declared: Release, acknowledged: Collection[str]) -> str:
    """Why a node that runs ``release`` is not brought to ``declared`` in place; empty where it is."""
    towards = direction(release, declared)
    if towards == "down":
        if way_back(declared, release) == "backup":
            return f"{release} to {declared} goes down, and data that a newer line or Enterprise has written are not read by it: put the backup back"
        asked = WAY_BACK in acknowledged
        return "" if asked else f"{release} to {declared} goes down; say `acknowledge: [{WAY_BACK}]` for the way back"
    if towards == "none":
        return ""
    found = route(release.version, declared.version, release.edition, declared.edition)
    if isinstance(found, RefusedRoute):
        return found.reason
    if any("rolling" not in hop.strategies for hop in found.hops):
        return f"{release} to {declared} cannot be rolled: {' or '.join(found.hops[0].strategies)}"
    return ""


def conditions(releases: Iterable[Release], declared: Release) -> tuple[str, ...]:
    """What the matrix asks of this roll, in its words."""
    found: dict[str, None] = {}
    for release in releases:
        if direction(release, declared) == "up":
            way = route(release.version, declared.version, release.edition, declared.edition)
            hops = () if isinstance(way, RefusedRoute) else way.hops
            found |= {CONDITIONS[one]: None for hop in hops for one in hop.conditions}
    return tuple(found)
