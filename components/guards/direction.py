"""Two declared colours together: the newer one can be reached from the older one, holds its clients, and nobody goes down.

The rule: which colour is gone to is not a matter of its name. A higher version is the newer one, of equal ones Enterprise, of equal
ones the one that does not serve; ``live`` on the older one is an upgrade that has not begun, or the way back, or it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.cutover.routes import RefusedRoute, Strategy, route
from components.cutover.steps import Problem
from components.cutover.versions import Version, parse
from components.cutover.words import Colour, Edition, other
from components.ledger.remembered import Remembered


class Declared(Protocol):
    """What is asked of a declared cluster."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def edition(self) -> Edition:
        """Its edition."""

    @property
    def size(self) -> int:
        """The number of its nodes."""


def pair(
    clusters: Mapping[Colour, Declared], known: Remembered, word: str = "two-cluster", way_of: Strategy = "two-cluster"
) -> list[Problem]:
    """The newer colour must be reachable from the older one, in the way of the strategy ``word``, and hold its clients."""
    newer = _newer(clusters, known)
    old, new = clusters[other(newer)], clusters[newer]
    problems = []
    way = route(old.version, new.version, old.edition, new.edition)
    if isinstance(way, RefusedRoute):
        path = f"emqx:clusters.{newer}.{'version' if old.edition == new.edition else 'edition'}"
        instead = f"{way.reason}; the way: {', '.join(map(str, way.path))}" if way.path else way.reason
        problems.append(Problem(path, f"{new.version} ({new.edition})", instead))
    elif way.hops and way_of not in way.hops[0].strategies:
        allowed = f"{' or '.join(way.hops[0].strategies)}, for {old.version} to {new.version}"
        problems.append(Problem("emqx:cutover.strategy", word, allowed))
    if new.size < old.size:
        allowed = f"at least {old.size}, as many as {other(newer)} has"
        problems.append(Problem(f"emqx:clusters.{newer}.nodes", str(new.size), allowed))
    return problems


def downgrade(live: Colour, clusters: Mapping[Colour, Declared], known: Remembered) -> list[Problem]:
    """``live`` on the older colour is right where it serves or was the origin; blue also where no balancer was ever there."""
    here, there = clusters[live], clusters[other(live)]
    begun = known.share is not None
    stays = live in {known.origin, known.serving} or (live == "blue" and not begun)
    if _rank(here) >= _rank(there) or stays:
        return []
    field = "edition" if parse(here.version) == parse(there.version) else "version"
    at_least = there.edition if field == "edition" else f"at least {there.version}"
    allowed = (
        f"{at_least}, as {other(live)} has: there is no downgrade"
        " (for the way back to a colour that was live before: cutover.acknowledge [way_back])"
    )
    return [Problem(f"emqx:clusters.{live}.{field}", str(getattr(here, field)), allowed)]


def _newer(clusters: Mapping[Colour, Declared], known: Remembered) -> Colour:
    blue, green = _rank(clusters["blue"]), _rank(clusters["green"])
    if blue != green:
        return "blue" if blue > green else "green"
    source = known.origin or known.serving
    return "green" if source is None else other(source)


def _rank(cluster: Declared) -> tuple[Version, bool]:
    return parse(cluster.version), cluster.edition == "ee"
