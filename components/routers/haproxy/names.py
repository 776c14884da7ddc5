"""A node's name as the name of a server, and back: HAProxy allows letters, digits and ``-_.:`` only, and a line has to be read back exactly."""

from __future__ import annotations

from urllib.parse import quote, unquote


def server_name(node: str) -> str:
    """The name of a node as a server: ``emqx:40127.0.1.1``."""
    return quote(node, safe="").replace("~", "%7E").replace("%", ":")


def node_name(server: str) -> str:
    """The node's own name again."""
    return unquote(server.replace(":", "%"))
