"""What a colour is declared to be, held against what its running nodes say that they are, and where that may go.

The rule: a declared version or edition is a claim; routes, movers and the balancer's health check are chosen by it, so one that is
false is refused before any of them is used. A colour that does not answer is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.cutover.routes import RefusedRoute, route
from components.cutover.versions import Version, leading, parse
from components.cutover.words import Colour, Edition
from components.emqx.answers import NodeFacts
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.models import ClusterHandle
from components.emqx.registry import can_export


async def refuse_misdeclared(api: Cluster, *, own_only: bool = False) -> None:
    """Refuse a colour that is not what the stack's config says of it; ``own_only`` leaves out what else its cluster has, which is the other colour's.

    Raises:
        Refused: with the config's path, what is declared and what a running node says.
        Unreachable, NotNow, Unauthorized: it cannot be asked.

    """
    for facts in await api.nodes():
        if facts.running and (not own_only or facts.name in api.node_names):
            _refuse_node(api.handle, facts)


def _refuse_node(declared: ClusterHandle, facts: NodeFacts) -> None:
    claims = (
        ("version", str(parse(declared.version)), _version(facts)),
        ("edition", declared.edition, facts.edition),
    )
    for field, claimed, real in claims:
        if claimed is not None and real is not None and claimed != real:
            path = f"emqx:clusters.{declared.colour}.{field}"
            raise Refused(
                f"looking at {declared.colour}",
                node=facts.name,
                seen=f"{path} says {claimed}, and the node says {real}",
                todo=f"set {path} to {real}, or give the nodes of a cluster that has {claimed}",
            )


def _version(facts: NodeFacts) -> str | None:
    """How ``GET /nodes`` begins a version; a build of one's own has more behind it."""
    found = leading(facts.version or "")
    return None if found is None or found.patch is None else str(Version(*found.line, found.patch))


def refuse_route(to: Colour, old: tuple[str, Edition], new: tuple[str, Edition]) -> None:
    """A forward move is an upgrade: an older colour is only ever gone *back* to, by way of the balancer's memory.

    Args:
        to: the colour that is gone to.
        old: version and edition of the colour that is left.
        new: the same of ``to``.

    Raises:
        Refused: with the reason, and the way where there is one.

    """
    way = route(old[0], new[0], old[1], new[1])
    if isinstance(way, RefusedRoute):
        raise Refused(
            f"moving the clients to {to}",
            node=to,
            seen=f"{' '.join(old)} to {' '.join(new)}: {way.reason}",
            todo=f"go by {', then '.join(map(str, way.path))}" if way.path else "declare a version that may be reached",
        )


def refuse_without_exports(versions: Mapping[Colour, str]) -> None:
    """Two clusters need data export and import on both sides, which a version has or has not: known before anything is asked.

    Raises:
        Refused: with the colour whose version has none, and the way.

    """
    for colour, version in versions.items():
        if not can_export(version):
            raise Refused(
                "moving to a cluster of its own",
                node=colour,
                seen=f"emqx:clusters.{colour}.version is {version}, and EMQX has no data export before 5.1",
                todo=f"upgrade {colour} inside its cluster to 5.1 or later first, then declare the other colour",
            )
