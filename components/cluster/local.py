"""Target `local`: the colour's nodes are processes on this machine, in a directory below the work directory."""

from __future__ import annotations

from typing import Any

import pulumi

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle
from components.resources import local_cluster
from components.settings import LocalCluster
from components.targets.local import cluster as local


def declare(
    colour: Colour, settings: LocalCluster, work_directory: str, opts: pulumi.ResourceOptions
) -> pulumi.Output[dict[str, Any]]:
    """Declare the processes; the output is their handle."""
    cluster = local_cluster.LocalCluster(
        f"{colour}-nodes",
        {
            "name": colour,
            "colour": colour,
            "version": settings.version,
            "edition": settings.edition,
            "nodes": settings.nodes,
            "proxy_protocol": settings.proxy_protocol,
            "max_sessions": settings.max_sessions,
            "emqx_home": settings.emqx_home,
            "directory": f"{local.place(work_directory, colour)}",
        },
        opts,
    )
    return cluster.handle


def observed(colour: Colour, settings: LocalCluster, work_directory: str) -> ClusterHandle | None:
    """The handle of the processes that run now, if any do."""
    ready = local.running(local.place(work_directory, colour))
    if ready is None:
        return None
    return ClusterHandle(
        colour=colour, nodes=ready["nodes"], version=settings.version, proxy_protocol=settings.proxy_protocol
    )
