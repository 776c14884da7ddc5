"""Which version may go where, and how: the whole matrix is one table, and a move that is not in it is refused with the path to take.

The table is docs/emqx/routes.md#matrix, with 4.2 -> 4.3, 4.4 -> 5.x and open source -> Enterprise. Nothing goes down, nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from components.cutover.versions import KNOWN, BadVersion, Known, Line, Version, newest, parse, require_known
from components.cutover.words import Edition

Strategy = Literal["rolling", "same-cluster", "two-cluster"]
IN_CLUSTER: tuple[Strategy, ...] = ("rolling", "same-cluster", "two-cluster")
"""Old and new nodes may stand in one cluster; a cluster of its own is always possible too."""
TWO_CLUSTER: tuple[Strategy, ...] = ("two-cluster",)
ONE_EDITION = Version(5, 9, 0)
"""From here on there is one edition, with a licence key (rule 59-01)."""

CONDITIONS = {
    "newest-patch-first": "bring the old cluster to the newest patch of its own line first",
    "to-newest-4.4": "go to the newest 4.4, no older patch of it",
    "empty-data-directory": "start the new nodes with an empty data directory; never give them the old one's mnesia directory",
    "credential-type": "say whether the built-in users are user names or client ids (auth.mnesia.as); exports before 4.3 do not",
    "restart-after-import": "restart the new cluster after the import",
    "convert": "convert the data; configuration files and exports of the old version are not understood by the new one",
    "off-5.0": "5.0 exports no data: first to the newest 5.0, then in place (rolling or same-cluster) to 5.1 or later, and mend data/configs before that "
    "(50-01 to 50-05); only from 5.1 on can a cluster of its own take the data",
    "full-restart": "stop all nodes at once and start them again before the next step: rolled nodes keep routing table v1 (54-06, 510-02)",
    "routing-schema": "use 5.6 or later as the target of a roll over 5.4; nodes with empty tables picked different schemas before (54-06)",
    "connectors": "compare connectors, actions and sources before and after (55-01, 56-01)",
    "old-limiter": "remove the limiter block of 5.0 from every file, cluster.hocon included, before a 5.9 node starts (59-04)",
    "licence-before-start": "each new node needs its licence key in emqx.conf before it starts (59-01)",
    "tracing": "with OpenTelemetry, nodes from 5.8.7 on do not mix with 5.9.0 and 5.10.0: choose 5.9.1, 5.10.1 or later (58-11)",
    "durable-storage": "with durable sessions start from empty durable storage; sessions are lost (58-03)",
    "durable-sessions-lost": "durable sessions of 5.x do not survive into 6.0 (60-02)",
    "durable-storage-6.2": "with durable storage choose 6.2.1 or later; 6.2.0 does not open what 6.1 wrote (62-01)",
    "bootstrap-key-6.3": "an API key from the bootstrap file can be refused after 6.2 -> 6.3.0: choose 6.3.1 (63-01)",
    "licence-per-node": "set license.key in each new node's emqx.conf; not for the whole cluster before all nodes are Enterprise",
}
"""Everything a hop can ask for, in the words that the plan shows."""


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: lines from..to on both sides, what may be used, what it asks for."""

    sources: tuple[Line, Line]
    targets: tuple[Line, Line]
    strategies: tuple[Strategy, ...]
    conditions: tuple[str, ...] = ()

    def covers(self, source: Line, target: Line) -> bool:
        """Whether this cell speaks of the pair."""
        return self.sources[0] <= source <= self.sources[1] and self.targets[0] <= target <= self.targets[1]


_OLD = ((4, 0), (4, 2))
_VERY_FIRST_5 = ((5, 0), (5, 0))
_FIRST_5 = ((5, 0), (5, 3))
_ANY_6 = ((6, 0), (6, 99))
MATRIX: tuple[Cell, ...] = (
    Cell(
        _OLD,
        ((4, 3), (4, 3)),
        TWO_CLUSTER,
        ("empty-data-directory", "credential-type", "restart-after-import", "convert"),
    ),
    Cell(((4, 3), (4, 3)), ((4, 4), (4, 4)), IN_CLUSTER, ("to-newest-4.4",)),
    Cell(((4, 4), (4, 4)), ((5, 1), (5, 8)), TWO_CLUSTER, ("empty-data-directory", "convert")),
    Cell(((4, 4), (4, 4)), ((5, 9), (6, 99)), TWO_CLUSTER, ("empty-data-directory", "convert", "licence-before-start")),
    Cell(_VERY_FIRST_5, ((5, 1), (5, 3)), IN_CLUSTER, ("off-5.0",)),
    Cell(_VERY_FIRST_5, ((5, 4), (5, 5)), IN_CLUSTER, ("off-5.0", "routing-schema", "full-restart")),
    Cell(_VERY_FIRST_5, ((5, 6), (5, 8)), IN_CLUSTER, ("off-5.0", "full-restart")),
    Cell(
        _VERY_FIRST_5, ((5, 9), (5, 9)), IN_CLUSTER, ("off-5.0", "full-restart", "old-limiter", "licence-before-start")
    ),
    Cell(_FIRST_5, _FIRST_5, IN_CLUSTER),
    Cell(_FIRST_5, ((5, 4), (5, 5)), IN_CLUSTER, ("routing-schema", "full-restart")),
    Cell(_FIRST_5, ((5, 6), (5, 8)), IN_CLUSTER, ("full-restart",)),
    Cell(_FIRST_5, ((5, 9), (5, 9)), IN_CLUSTER, ("full-restart", "old-limiter", "licence-before-start")),
    Cell(((5, 4), (5, 5)), ((5, 4), (5, 5)), IN_CLUSTER),
    Cell(((5, 4), (5, 5)), ((5, 6), (5, 8)), IN_CLUSTER, ("routing-schema", "connectors")),
    Cell(((5, 4), (5, 5)), ((5, 9), (5, 10)), IN_CLUSTER, ("connectors", "old-limiter", "licence-before-start")),
    Cell(((5, 6), (5, 8)), ((5, 6), (5, 8)), IN_CLUSTER, ("durable-storage",)),
    Cell(
        ((5, 6), (5, 8)),
        ((5, 9), (5, 10)),
        IN_CLUSTER,
        ("licence-before-start", "old-limiter", "tracing", "durable-storage"),
    ),
    Cell(((5, 6), (5, 8)), _ANY_6, IN_CLUSTER, ("licence-before-start", "old-limiter", "durable-sessions-lost")),
    Cell(((5, 9), (5, 10)), ((5, 9), (5, 10)), IN_CLUSTER),
    Cell(((5, 9), (5, 10)), _ANY_6, IN_CLUSTER, ("durable-sessions-lost",)),
    Cell(_ANY_6, _ANY_6, IN_CLUSTER, ("durable-storage-6.2", "bootstrap-key-6.3")),
)


@dataclass(frozen=True)
class Hop:
    """One upgrade: one reviewed change, one of its strategies; ``conditions`` are keys of ``CONDITIONS``."""

    source: Version
    target: Version
    strategies: tuple[Strategy, ...]
    conditions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} ({' or '.join(self.strategies)})"


@dataclass(frozen=True)
class Route:
    """An allowed move; no hop at all when nothing changes."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True)
class RefusedRoute:
    """A move that may not be made like this; ``path`` is the way that may, empty when there is none."""

    reason: str
    path: tuple[Hop, ...] = ()


def route(
    from_version: str, to_version: str, edition_from: Edition = "ee", edition_to: Edition = "ee", known: Known = KNOWN
) -> Route | RefusedRoute:
    """Whether one update may go from one version to another (docs/emqx/routes.md#matrix).

    Args:
        from_version: what the old cluster runs, e.g. ``4.4.19``.
        to_version: what the new one is to run.
        edition_from: its edition.
        edition_to: the target's.
        known: the releases that exist.

    Returns:
        ``Route`` with the one hop, or ``RefusedRoute`` with the reason and the hops to take instead.

    """
    for text, edition in ((from_version, edition_from), (to_version, edition_to)):
        if said_otherwise(text, edition):
            return RefusedRoute(said_otherwise(text, edition))
    try:
        source, target = parse(from_version), parse(to_version)
        if _is_gone(source, edition_from, known) or _is_gone(target, edition_to, known):
            return _one_edition(source, target, edition_from, known)
        source, target = require_known(source, edition_from, known), require_known(target, edition_to, known)
    except BadVersion as unknown:
        return RefusedRoute(str(unknown))
    refusal = _never(source, target, edition_from, edition_to)
    if refusal is not None:
        return RefusedRoute(refusal)
    if source == target and edition_from == edition_to:
        return Route(())
    hop = _hop(source, target, edition_from, edition_to, known)
    if hop is not None:
        return Route((hop,))
    path = _path(source, target, edition_from, edition_to, known)
    nearest = () if path else _nearest(source, target, edition_from, edition_to, known)
    return RefusedRoute(_why_not_straight(source, target, path, nearest), path)


def said_otherwise(version: str, edition: Edition) -> str:
    """Why a version is not of the edition that was said with it, ``e4.4.19`` of open source; empty where it may be."""
    name = version.strip()
    if name.startswith("e") and edition == "ce":
        return f"{name[:40]} is an Enterprise release, declared as open source; say which it is"
    return ""


def _is_gone(version: Version, edition: Edition, known: Known) -> bool:
    """Whether there is no such release because open source ended before it."""
    return edition == "ce" and version >= ONE_EDITION and version.line not in known["ce"]


def _one_edition(source: Version, target: Version, edition_from: Edition, known: Known) -> RefusedRoute:
    """The answer to an open source release that does not exist any more, with the way to the one edition that does."""
    began: Edition = "ee" if _is_gone(source, edition_from, known) else edition_from
    answer = route(str(source), str(target), began, "ee", known)
    hops = answer.hops if isinstance(answer, Route) else answer.path
    why = f"there is no open source edition from {ONE_EDITION} on: say ee, and have a licence key before a node starts (59-01)"
    if not hops:
        return RefusedRoute(f"{why}; {answer.reason}" if isinstance(answer, RefusedRoute) else why)
    return RefusedRoute(f"{why}; go {_then(hops)}", hops)


def _never(source: Version, target: Version, edition_from: Edition, edition_to: Edition) -> str | None:
    """What no path can mend."""
    if target < source:
        return f"{source} -> {target} is a downgrade; EMQX offers none: set live back to the old colour while it still stands"
    if (edition_from, edition_to) == ("ee", "ce"):
        return "Enterprise -> open source is refused: open source does not take an Enterprise backup (rule BK-04)"
    return None


def _hop(source: Version, target: Version, edition_from: Edition, edition_to: Edition, known: Known) -> Hop | None:
    """The hop between two versions, if the matrix has it."""
    if source.line == target.line:
        strategies: tuple[Strategy, ...] = IN_CLUSTER
        conditions: tuple[str, ...] = ()
    else:
        cell = next((cell for cell in MATRIX if cell.covers(source.line, target.line)), None)
        if cell is None:
            return None
        strategies, conditions = cell.strategies, tuple(c for c in cell.conditions if _concerns(c, source, target))
    if source.line != target.line and source < newest(source.line, edition_from, known):
        conditions = ("newest-patch-first", *conditions)
    if (edition_from, edition_to) == ("ce", "ee"):
        conditions = (*conditions, "licence-per-node")
        # 4.x: the seed promises the roll from open source to Enterprise for 5.x only.
        strategies = TWO_CLUSTER if source.major == 4 else strategies
    return Hop(source, target, strategies, conditions)


def _concerns(condition: str, source: Version, target: Version) -> bool:
    """Whether a cell's condition is about these two patches; most always are."""
    narrow = {
        "tracing": source >= Version(5, 8, 7) and target in {Version(5, 9, 0), Version(5, 10, 0)},
        "durable-storage": source.line < (5, 8) <= target.line,
        "durable-storage-6.2": source.line == (6, 1) and target == Version(6, 2, 0),
        "bootstrap-key-6.3": source.line == (6, 2) and target == Version(6, 3, 0),
        "routing-schema": source < Version(5, 4, 0) and target < Version(5, 6, 0),
        "connectors": source < Version(5, 5, 0) or target >= Version(5, 6, 0),
        "licence-before-start": source < ONE_EDITION <= target,
    }
    return narrow.get(condition, True)


def _path(
    source: Version, target: Version, edition_from: Edition, edition_to: Edition, known: Known
) -> tuple[Hop, ...]:
    """The fewest hops over newest patches; among equals the one whose stops are the latest."""
    stops = _stops(edition_from, edition_to, known)
    between = [
        stop
        for stop in sorted(stops, reverse=True)
        if source < stop < target and stop.line not in {source.line, target.line}
    ]
    for way in _ways(source, between, target):
        editions = [edition_from, *(stops[stop] for stop in way[1:-1]), edition_to]
        hops = [_hop(a, b, e, f, known) for (a, b), (e, f) in zip(pairwise(way), pairwise(editions), strict=True)]
        if None not in hops:
            return tuple(hop for hop in hops if hop is not None)
    return ()


def _nearest(
    source: Version, target: Version, edition_from: Edition, edition_to: Edition, known: Known
) -> tuple[Hop, ...]:
    """The way to the line next to the target that can be reached, later ones first; to its newest patch."""
    lines = sorted(line for line in known[edition_to] if line > source.line)
    later, earlier = [line for line in lines if line > target.line], [line for line in lines if line < target.line]
    for line in (*later, *reversed(earlier)):
        stop = newest(line, edition_to, known)
        hop = _hop(source, stop, edition_from, edition_to, known)
        hops = (hop,) if hop else _path(source, stop, edition_from, edition_to, known)
        if hops:
            return hops
    return ()


def _stops(edition_from: Edition, edition_to: Edition, known: Known) -> dict[Version, Edition]:
    """Where a path may rest, and as what: the old edition as long as it exists, the new one after."""
    stops: dict[Version, Edition] = {
        newest(line, edition_to, known): edition_to for line in known[edition_to] if line not in known[edition_from]
    }
    return stops | {newest(line, edition_from, known): edition_from for line in known[edition_from]}


def _ways(source: Version, stops: list[Version], target: Version) -> Iterator[tuple[Version, ...]]:
    """All ways from source to target over rising stops, shortest first (the longest needs two: 4.2, 4.3, 4.4, 6.3)."""
    ways: list[tuple[Version, ...]] = [(source,)]
    for _ in range(4):
        yield from ((*way, target) for way in ways)
        ways = [(*way, stop) for way in ways for stop in stops if stop > way[-1]]


def _why_not_straight(source: Version, target: Version, path: tuple[Hop, ...], nearest: tuple[Hop, ...]) -> str:
    """The reason in one sentence, then the way; where none leads there, that to the nearest target."""
    if not path:
        why = f"{source} -> {target} is in no row of EMQX's upgrade matrix and no path of its rows leads there"
        way = f"; the nearest that can be reached is {nearest[-1].target}: go {_then(nearest)}" if nearest else ""
        return why + way
    if source.line <= (5, 3) and source.major == 5 and target.line >= (5, 10):
        why = "a cluster that began before 5.4 keeps routing table v1, with which 5.10 and later do not start (510-02)"
    elif source.major == 4:
        why = "4.3 comes before 4.4 and 4.4 before 5.x (51-01); exports and node protocols do not fit across them"
    else:
        why = "this step is not among those that EMQX allows at once"
    return f"{source} -> {target} cannot be done at once: {why}; go {_then(path)}"


def _then(hops: tuple[Hop, ...]) -> str:
    return ", then ".join(map(str, hops))
