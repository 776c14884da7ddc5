"""Handles of clusters as tests name them: nodes by their name, with the ports that EMQX has by default."""

from __future__ import annotations

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Node


def node_at(host: str, *, scheme: str = "http") -> Node:
    """The node of this host."""
    return Node(name=f"emqx@{host}", api=f"{scheme}://{host}:18083", mqtt=f"{host}:1883")


def cluster_at(
    *hosts: str, colour: Colour = "blue", version: str = "5.8.11", proxy_protocol: bool = False
) -> ClusterHandle:
    """A cluster with a node on each of these hosts."""
    nodes = tuple(node_at(host) for host in hosts)
    return ClusterHandle(colour=colour, nodes=nodes, version=version, proxy_protocol=proxy_protocol)
