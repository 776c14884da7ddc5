"""Target `external`: a colour that exists already; nothing of it is created, changed or deleted."""

from __future__ import annotations

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle
from components.settings import ExternalCluster


def handle(colour: Colour, settings: ExternalCluster) -> ClusterHandle:
    """The handle, as the stack's config has it."""
    return ClusterHandle(
        colour=colour,
        nodes=settings.nodes,
        version=settings.version,
        edition=settings.edition,
        proxy_protocol=settings.proxy_protocol,
    )
